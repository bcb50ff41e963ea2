//! What every training strategy shares: a network that learns, with its optimiser, schedule,
//! moving average and checkpoint. The step itself belongs to each method.
//!
//! On a device with `gradient_checkpointing()` the engine computes its own cheap operations again in
//! the backward pass; the kernels of [`crate::ops`] keep what they read. Gradients are the same bits.
//! Eight convolutions of 16 channels at 512x512, each followed by four such operations, took 326
//! instead of 550 MiB; convolutions and activations of ours alone take as much as without.

mod adamp;
mod average;
mod learner;
mod module_tensors;
mod optimizer;
mod optimizer_state;
mod schedule;
mod sections;
mod setting;
mod step;

pub use self::{
    adamp::AdamP,
    average::AverageConfig,
    learner::{Learner, LearnerConfig, Update},
    optimizer::{AdamOptions, AdamPOptions, OptimizerConfig, SgdOptions},
    schedule::{CosineDecay, ExponentialDecay, MultiStepDecay, PolynomialDecay, Schedule},
    sections::{join, split},
    setting::{SettingError, check},
    step::{StepValues, Term},
};
