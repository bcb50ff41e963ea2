//! The operations that networks are written with. On the CPU, kernels of ours compute them and their
//! gradients; elsewhere they are composed of the engine's own operations ([`composed`]), but for the few
//! that have kernels of ours for graphics cards too.
//!
//! Images are `[batch, channels, height, width]`. The kernels keep the channels of a pixel side by side
//! in memory, in tensors of this same shape, and take any memory order.

pub mod composed;

mod attention;
mod batch_normalization;
mod buffers;
mod continuation;
mod convolution;
mod curves;
mod depthwise;
mod gate;
#[cfg(feature = "gpu")]
mod gpu;
mod modulation;
mod normalization;
mod operation;
mod pointwise;
mod pooling;
mod precision;
mod prelu;
mod resize;
mod selective_scan;
mod softmax;
mod transposed;
mod weighted_sum;

pub use tapetum_kernels::{Activation, Interpolation, PaddingMode, ScanDirection};

pub use self::{
    attention::{attend, channel_statistics},
    batch_normalization::{BatchMoments, BatchNormOptions, batch_norm},
    continuation::continued,
    convolution::{
        ConvOptions, conv2d, conv2d_of_doubled, conv2d_of_three, conv2d_of_two, linear, matmul,
    },
    curves::apply_curves,
    depthwise::depthwise_conv2d,
    gate::gated,
    modulation::{add_in_context, modulate},
    normalization::layer_norm,
    pointwise::{activate, add},
    pooling::{PoolOptions, average_pool2d, global_average_pool, global_max_pool, max_pool2d},
    precision::{Precision, precision, with_precision},
    prelu::prelu,
    resize::resize2d,
    selective_scan::{ScanInputs, selective_scan},
    softmax::softmax,
    transposed::transposed_conv2d,
    weighted_sum::{weighted_sum, weighted_sum_of_doubled},
};
