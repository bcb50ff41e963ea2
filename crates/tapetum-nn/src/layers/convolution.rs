//! Convolutions under the names of a weight file.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::parameters::{Builder, Initial};
use crate::ops::{self, Activation, ConvOptions, PaddingMode};

/// A convolution of all channels of a group together, with a bias or without.
#[derive(Module, Debug)]
pub struct Convolution {
    weight: Param<Tensor<4>>,
    bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    options: ConvOptions,
}

impl Convolution {
    /// Parameters `{name}.weight`, of `shape` `[out, in / groups, kernel, kernel]`, and `{name}.bias`.
    pub fn build(
        builder: &mut Builder,
        name: &str,
        shape: [usize; 4],
        options: ConvOptions,
        [weight, bias]: [Initial; 2],
    ) -> Self {
        let weight = builder.parameter(format!("{name}.weight"), shape, weight);
        let bias = Some(builder.parameter(format!("{name}.bias"), [shape[0]], bias));
        Self { weight, bias, options }
    }

    /// The same without a bias.
    pub fn without_bias(
        builder: &mut Builder,
        name: &str,
        shape: [usize; 4],
        options: ConvOptions,
        weight: Initial,
    ) -> Self {
        let weight = builder.parameter(format!("{name}.weight"), shape, weight);
        Self { weight, bias: None, options }
    }

    /// Kernels, `[out, in / groups, kernel, kernel]`, and bias, `[out]`.
    pub fn parameters(&self) -> (Tensor<4>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// See [`ops::conv2d`].
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (weight, bias) = self.parameters();
        ops::conv2d(input, weight, bias, &self.options, activation)
    }

    /// See [`ops::conv2d_of_doubled`].
    ///
    /// # Panics
    /// Without a bias, or when the kernel is not 3x3.
    pub fn forward_of_doubled(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (weight, bias) = self.parameters();
        ops::conv2d_of_doubled(input, weight, bias.expect("a bias"), activation)
    }

    /// The same way over the input with other parameters.
    pub(super) fn forward_with(
        &self,
        input: Tensor<4>,
        weight: Tensor<4>,
        bias: Tensor<1>,
        activation: Activation,
    ) -> Tensor<4> {
        ops::conv2d(input, weight, Some(bias), &self.options, activation)
    }

    /// See [`ops::conv2d_of_two`].
    pub fn forward_of_two(&self, inputs: [Tensor<4>; 2], activation: Activation) -> Tensor<4> {
        let (weight, bias) = self.parameters();
        ops::conv2d_of_two(inputs, weight, bias, &self.options, activation)
    }

    /// See [`ops::conv2d_of_three`].
    pub fn forward_of_three(&self, inputs: [Tensor<4>; 3], activation: Activation) -> Tensor<4> {
        let (weight, bias) = self.parameters();
        ops::conv2d_of_three(inputs, weight, bias, &self.options, activation)
    }
}

/// A convolution of every channel with its own kernel, which is square and odd.
#[derive(Module, Debug)]
pub struct DepthwiseConvolution {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    dilation: usize,
}

impl DepthwiseConvolution {
    /// Parameters `{name}.weight`, `[channels, 1, kernel, kernel]`, and `{name}.bias`.
    pub fn build(
        builder: &mut Builder,
        name: &str,
        [n_channels, kernel, dilation]: [usize; 3],
        [weight, bias]: [Initial; 2],
    ) -> Self {
        let shape = [n_channels, 1, kernel, kernel];
        Self {
            weight: builder.parameter(format!("{name}.weight"), shape, weight),
            bias: builder.parameter(format!("{name}.bias"), [n_channels], bias),
            dilation,
        }
    }

    /// See [`ops::depthwise_conv2d`].
    pub fn forward(
        &self,
        input: Tensor<4>,
        padding: PaddingMode,
        activation: Activation,
    ) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::depthwise_conv2d(input, weight, bias, self.dilation, padding, activation)
    }

    /// Of both parts of the channel concatenation `first ‖ second`, which is never made; zeros lie around.
    pub fn forward_of_two(&self, inputs: [Tensor<4>; 2]) -> [Tensor<4>; 2] {
        let mut first = 0;
        inputs.map(|input| {
            let n_channels = input.dims()[1];
            let weight = self.weight.val().narrow(0, first, n_channels);
            let bias = self.bias.val().narrow(0, first, n_channels);
            first += n_channels;
            let (zeros, linear) = (PaddingMode::Zeros, Activation::Identity);
            ops::depthwise_conv2d(input, weight, Some(bias), self.dilation, zeros, linear)
        })
    }
}
