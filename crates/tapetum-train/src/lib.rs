//! The training loop and its data. It knows no method: it receives a recipe.

mod config;
mod data;
mod error;
mod files;
mod run;
mod validate;

pub use crate::{
    config::{DataConfig, LabelledConfig, RunConfig, ValidationConfig},
    error::TrainError,
    run::{Outcome, run},
    validate::{Score, validate},
};
