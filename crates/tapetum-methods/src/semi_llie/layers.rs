//! Convolutions and normalisations with the parameter names of the authors' checkpoints.

use tapetum_nn::{
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
};

use super::parameters::{Builder, Initial};

/// `ε` of every layer normalisation.
const EPSILON: f32 = 1e-5;

/// A convolution with stride 1 that keeps the size, and has a bias.
#[derive(Module, Debug)]
pub(super) struct Convolution {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
}

impl Convolution {
    /// `shape` is that of the weight, `[out, in / groups, kernel, kernel]`.
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        shape: [usize; 4],
        groups: usize,
    ) -> Self {
        let fan_in: usize = shape[1..].iter().product();
        let initial = Initial::Uniform(1.0 / (fan_in as f32).sqrt());
        Self {
            weight: builder.parameter(format!("{name}.weight"), shape, initial),
            bias: builder.parameter(format!("{name}.bias"), [shape[0]], initial),
            groups,
        }
    }

    pub(super) fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::conv2d(input, weight, bias, &self.options(), activation)
    }

    /// Of the concatenation of two images.
    pub(super) fn forward_of_two(&self, inputs: [Tensor<4>; 2]) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::conv2d_of_two(inputs, weight, bias, &self.options(), Activation::Identity)
    }

    fn options(&self) -> ConvOptions {
        ConvOptions { groups: self.groups, ..ConvOptions::same(self.weight.dims()[2]) }
    }
}

/// A convolution of every channel with its own kernel.
#[derive(Module, Debug)]
pub(super) struct DepthwiseConvolution {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl DepthwiseConvolution {
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        n_channels: usize,
        kernel: usize,
    ) -> Self {
        let initial = Initial::Uniform(1.0 / kernel as f32);
        let shape = [n_channels, 1, kernel, kernel];
        Self {
            weight: builder.parameter(format!("{name}.weight"), shape, initial),
            bias: builder.parameter(format!("{name}.bias"), [n_channels], initial),
        }
    }

    pub(super) fn forward(
        &self,
        input: Tensor<4>,
        padding: PaddingMode,
        activation: Activation,
    ) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::depthwise_conv2d(input, weight, bias, 1, padding, activation)
    }
}

/// Layer normalisation over the channels of each pixel.
#[derive(Module, Debug)]
pub(super) struct Norm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl Norm {
    pub(super) fn build(builder: &mut Builder, name: &str, n_channels: usize) -> Self {
        let mut part = |part: &str, value| {
            builder.parameter(format!("{name}.{part}"), [n_channels], Initial::Constant(value))
        };
        Self { weight: part("weight", 1.0), bias: part("bias", 0.0) }
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        ops::layer_norm(input, self.weight.val(), self.bias.val(), EPSILON)
    }
}

/// A linear layer of every pixel, without bias, from rows of a weight `[out, in]`.
pub(super) fn project(input: Tensor<4>, weight: Tensor<2>) -> Tensor<4> {
    let [n_out, n_in] = weight.dims();
    let weight = weight.reshape([n_out, n_in, 1, 1]);
    ops::conv2d(input, weight, None, &ConvOptions::same(1), Activation::Identity)
}
