//! The same operations composed of the engine's own: what runs on devices without kernels of ours, and
//! what the kernels are tested against.

use burn::tensor::{
    Tensor, activation, module,
    ops::{ConvOptions as EngineOptions, PadMode},
};
use tapetum_kernels::{Activation, PaddingMode};

use super::ConvOptions;

/// [`conv2d`](super::conv2d).
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: &ConvOptions,
    activation: Activation,
) -> Tensor<4> {
    let ConvOptions { stride, padding: [pad_y, pad_x], dilation, groups, padding_mode } = *options;
    let (input, padding) = match padding_mode {
        PaddingMode::Zeros => (input, [pad_y, pad_x]),
        PaddingMode::Reflect => (input.pad((pad_x, pad_x, pad_y, pad_y), PadMode::Reflect), [0, 0]),
    };
    let options = EngineOptions::new(stride, padding, dilation, groups);
    activate(module::conv2d(input, weight, bias, options), activation)
}

/// [`activate`](super::activate).
pub fn activate<const D: usize>(input: Tensor<D>, function: Activation) -> Tensor<D> {
    match function {
        Activation::Identity => input,
        Activation::Relu => activation::relu(input),
        Activation::LeakyRelu(slope) => activation::leaky_relu(input, f64::from(slope)),
        Activation::Tanh => activation::tanh(input),
        Activation::Sigmoid => activation::sigmoid(input),
        Activation::Silu => activation::silu(input),
        Activation::Gelu => activation::gelu(input),
    }
}

/// [`apply_curves`](super::apply_curves).
pub fn apply_curves(image: Tensor<4>, curve_maps: Tensor<4>) -> Tensor<4> {
    let [_, n_channels, _, _] = image.dims();
    let n_steps = curve_maps.dims()[1] / n_channels;
    let curve_maps = activation::tanh(curve_maps);
    (0..n_steps).fold(image, |value, step| {
        let rate = curve_maps.clone().narrow(1, step * n_channels, n_channels);
        value.clone() + rate * (value.clone() * value.clone() - value)
    })
}
