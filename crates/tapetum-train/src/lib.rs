//! The training loop and its data. It knows no method: it receives a recipe.

mod augment;
mod checkpoint;
mod config;
mod data;
mod error;
mod event;
mod event_file;
mod journal;
mod run;
mod validate;

pub use crate::{
    augment::{Augment, Blur, ColorJitter, Fit, Geometry, ResizeFilter, Resizing},
    config::{PartConfig, Plan, RunConfig, RunDevice, RunPrecision, ValidationConfig},
    error::TrainError,
    event::{Event, SampleFile},
    run::{Outcome, Session, run},
    validate::Score,
};
