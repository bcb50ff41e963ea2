//! Fast CPU kernels for networks, on plain slices.
//!
//! Every kernel is written once over vectors of lanes and compiled for each instruction set; which one
//! runs is decided at run time. Images are row-major with interleaved channels (NHWC).

mod bands;
mod curves;
mod instructions;
mod lanes;
mod math;
mod row_conv;

pub use crate::{
    bands::{BandLayer, BandPlan},
    curves::apply_curves_to_row,
    instructions::Instructions,
};
