//! Data sets as they lie on disk: which files belong together.

mod error;
mod folder;
mod pairs;
mod stem;

pub use crate::{
    error::DataError,
    folder::images,
    pairs::{Pair, labelled, pairs, pairs_between},
};
