//! Fast CPU kernels for networks, on plain slices.
//!
//! Every kernel is written once over vectors of lanes and compiled for each instruction set; which one
//! runs is decided at run time. Images are row-major with interleaved channels (NHWC).

mod activation;
mod attention;
mod bands;
mod batch_norm;
mod buffer;
mod channels;
mod context;
mod conv;
mod curves;
mod depthwise;
mod doubled_sum;
mod elementwise;
mod gate;
mod gather;
mod global_pool;
mod instructions;
mod lanes;
mod math;
mod max_pool;
mod modulation;
mod norm;
mod peak;
mod pool;
mod prelu;
mod reduced_curve;
mod resize;
mod scan;
mod softmax;
mod taps;
mod weighted_sum;

pub use crate::{
    activation::{Activation, activate, activation_gradient},
    attention::{
        Attend, AttendGradients, WeightedChannels, attend, attend_backward, channel_statistics,
        channel_statistics_backward,
    },
    bands::{BandLayer, BandPlan},
    batch_norm::{BatchNorm, BatchNormGradients, batch_moments, batch_norm, batch_norm_backward},
    buffer::Buffer,
    context::{Context, add_in_context, add_in_context_backward},
    conv::{
        Compute, ConvShape, OutputGradient, PaddingMode, Precision, conv2d, conv2d_input_gradient,
        conv2d_of_doubled, conv2d_weight_gradient,
    },
    curves::{CurveGradients, CurveInputs, apply_curves_to_row, curve, curve_backward},
    depthwise::{
        DepthwiseGradients, DepthwiseInputs, DepthwiseShape, depthwise_conv,
        depthwise_conv_backward,
    },
    doubled_sum::{DoubledSum, weighted_sum_of_doubled},
    elementwise::{add, add_scaled},
    gate::{gated, gated_backward},
    global_pool::{global_average, global_average_backward, global_max, global_max_backward},
    instructions::Instructions,
    max_pool::{max_pool, max_pool_backward},
    modulation::{modulate, modulate_backward},
    norm::{LayerNorm, LayerNormGradients, layer_norm, layer_norm_backward},
    peak::peak_flops,
    pool::{PoolShape, average_pool, average_pool_backward},
    prelu::{prelu, prelu_backward},
    reduced_curve::{ReducedCurve, block_means, rates_of_row},
    resize::{Interpolation, ResizeShape, resize, resize_backward},
    scan::{
        ScanDirection, ScanGradients, ScanInputs, ScanShape, selective_scan,
        selective_scan_backward, selective_scan_into,
    },
    softmax::{softmax, softmax_backward},
    weighted_sum::{WeightedSum, WeightedSumGradients, weighted_sum, weighted_sum_backward},
};
