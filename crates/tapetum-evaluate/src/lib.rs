//! Contests between methods on data sets, and the reports of them.

pub mod contest;
pub mod report;

mod aggregate;
mod cache;
mod column;
mod csv;
mod error;
mod html;
mod markdown;
mod number;
mod protocol;
mod run;
mod score;
mod set;
mod showcase;
mod statistics;
mod table;

pub use tapetum_data::images;

pub use crate::{
    cache::Cache,
    csv::csv,
    error::EvaluateError,
    html::html,
    markdown::markdown,
    protocol::{GreyWeights, Protocol, Values},
    run::{Evaluated, Progress, evaluate},
    set::{Kind, Scene, Set, read_picture},
};
