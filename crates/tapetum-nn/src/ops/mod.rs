//! The operations that networks are written with. On the CPU, kernels of ours compute them and their
//! gradients; elsewhere they are composed of the engine's own operations ([`composed`]).
//!
//! Images are `[batch, channels, height, width]`. The kernels keep the channels of a pixel side by side
//! in memory, in tensors of this same shape, and take any memory order.

pub mod composed;

mod buffers;
mod convolution;
mod curves;
mod operation;
mod pointwise;
mod precision;

pub use tapetum_kernels::{Activation, PaddingMode, Precision};

pub use self::{
    convolution::{ConvOptions, conv2d, conv2d_of_two, linear},
    curves::apply_curves,
    pointwise::activate,
    precision::with_precision,
};
