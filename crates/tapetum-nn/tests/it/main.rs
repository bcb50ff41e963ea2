//! Tests of the pipeline and of weight files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approximate_tiles;
mod backbones;
mod enhance;
mod enlarging;
mod gpu;
mod layers;
mod ops;
mod pickles;
mod safetensors;
mod torch;
mod training;
