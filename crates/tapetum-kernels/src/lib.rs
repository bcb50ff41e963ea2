//! Fast CPU kernels for networks, on plain slices.
//!
//! Every kernel is written once over vectors of lanes and compiled for each instruction set; which one
//! runs is decided at run time. Images are row-major with interleaved channels (NHWC).

mod activation;
mod bands;
mod buffer;
mod conv;
mod curves;
mod elementwise;
mod instructions;
mod lanes;
mod math;
mod row_conv;

pub use crate::{
    activation::{Activation, activate, activation_gradient},
    bands::{BandLayer, BandPlan},
    conv::{
        Compute, ConvShape, OutputGradient, PaddingMode, Precision, conv2d, conv2d_input_gradient,
        conv2d_weight_gradient,
    },
    curves::apply_curves_to_row,
    elementwise::{add, add_scaled},
    instructions::Instructions,
};
