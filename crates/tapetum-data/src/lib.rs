//! Data sets of dark photographs: found on disk as published, or synthesised from well-lit ones.

mod error;
mod folder;
mod layouts;
mod near_duplicates;
mod pairs;
mod stem;
mod synthesis;

pub use crate::{
    error::DataError,
    folder::{images, read_photo},
    layouts::{Classes, DataSet, Entries, Part, Split, detect},
    near_duplicates::{near_duplicates, perceptual_hash},
    pairs::{Pair, labelled, pairs, pairs_between},
    synthesis::{Synthesis, SynthesisError, SynthesisRange, apply, draw, random_stream, shrunk},
};
