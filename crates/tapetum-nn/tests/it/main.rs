//! Tests of the pipeline and of weight files.

mod enhance;
mod pickles;
mod safetensors;
mod torch;
