//! How the authors' constructors start the layers.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    layers::{Builder, Convolution, DepthwiseConvolution, Initial, LayerNorm},
    ops::{Activation, ConvOptions},
    prelude::*,
};

/// `ε` of every layer normalisation.
const EPSILON: f32 = 1e-5;
/// Smallest and largest first step `Δ`.
const STEPS: [f32; 2] = [1e-3, 0.1];

/// Linear layers: N(0, 0.02²).
pub(super) const LINEAR: Initial = Initial::Normal(0.02);
/// `ln(n + 1)` of the state `n`, the last dimension.
pub(super) const DECAY_LOGARITHM: Initial = Initial::Drawn(decay_logarithm);
/// `softplus⁻¹(Δ)`, `Δ` log-uniform between 0.001 and 0.1.
pub(super) const STEP_BIAS: Initial = Initial::Drawn(step_bias);

/// A convolution with stride 1 that keeps the size, and has a bias. `shape` is that of the weight,
/// `[out, in / groups, kernel, kernel]`.
pub(super) fn convolution(
    builder: &mut Builder,
    name: &str,
    shape: [usize; 4],
    groups: usize,
) -> Convolution {
    let fan_in: usize = shape[1..].iter().product();
    let initial = Initial::Uniform(1.0 / (fan_in as f32).sqrt());
    let options = ConvOptions { groups, ..ConvOptions::same(shape[2]) };
    Convolution::build(builder, name, shape, options, [initial; 2])
}

/// A convolution of every channel with its own kernel.
pub(super) fn depthwise_convolution(
    builder: &mut Builder,
    name: &str,
    n_channels: usize,
    kernel: usize,
) -> DepthwiseConvolution {
    let initial = Initial::Uniform(1.0 / kernel as f32);
    DepthwiseConvolution::build(builder, name, [n_channels, kernel, 1], [initial; 2])
}

/// Layer normalisation over the channels of each pixel.
pub(super) fn norm(builder: &mut Builder, name: &str, n_channels: usize) -> LayerNorm {
    LayerNorm::build(builder, name, n_channels, EPSILON)
}

/// A linear layer of every pixel, without bias, from rows of a weight `[out, in]`.
pub(super) fn project(input: Tensor<4>, weight: Tensor<2>) -> Tensor<4> {
    let [n_out, n_in] = weight.dims();
    let weight = weight.reshape([n_out, n_in, 1, 1]);
    ops::conv2d(input, weight, None, &ConvOptions::same(1), Activation::Identity)
}

fn decay_logarithm(shape: &[usize], idx: usize, _random: &mut ChaCha8Rng) -> f32 {
    let n_states = shape.last().copied().unwrap_or(1);
    ((idx % n_states + 1) as f32).ln()
}

fn step_bias(_shape: &[usize], _idx: usize, random: &mut ChaCha8Rng) -> f32 {
    let [smallest, largest] = STEPS.map(f32::ln);
    let step = (smallest + random.random::<f32>() * (largest - smallest)).exp();
    // `step + ln(1 - e^-step)`, the inverse of softplus.
    step + (-(-step).exp_m1()).ln()
}
