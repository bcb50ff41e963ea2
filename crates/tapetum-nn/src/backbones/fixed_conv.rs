//! A convolution whose parameters come from a file and stay.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    ops::{self, Activation, ConvOptions},
    weights::{WeightReader, Weights},
};

/// Weight, bias and moves of a convolution that ends in a ReLU.
#[derive(Debug, Clone)]
pub(super) struct FixedConv {
    weight: Tensor<4>,
    bias: Tensor<1>,
    options: ConvOptions,
}

impl FixedConv {
    /// `weight` is row-major `[out, in, kernel height, kernel width]`.
    pub(super) fn new(
        (weight, shape): (Vec<f32>, [usize; 4]),
        bias: Vec<f32>,
        options: ConvOptions,
        device: &Device,
    ) -> Self {
        let weight = Tensor::from_data(TensorData::new(weight, shape), device);
        let bias = Tensor::from_data(TensorData::new(bias, [shape[0]]), device);
        Self { weight, bias, options }
    }

    /// Reads `{name}.weight` and `{name}.bias`.
    pub(super) fn read(
        reader: &mut WeightReader,
        name: &str,
        shape: [usize; 4],
        options: ConvOptions,
        device: &Device,
    ) -> Self {
        let weight = reader.take(&format!("{name}.weight"), &shape);
        let bias = reader.take(&format!("{name}.bias"), &shape[..1]);
        Self::new((weight, shape), bias, options, device)
    }

    /// `relu(bias + weight ∗ input)`.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.convolve(input, Activation::Relu)
    }

    /// `bias + weight ∗ input`.
    pub(super) fn forward_linear(&self, input: Tensor<4>) -> Tensor<4> {
        self.convolve(input, Activation::Identity)
    }

    fn convolve(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        ops::conv2d(input, weight, bias, &self.options, activation)
    }
}

/// The tensors whose names begin so: a file holds more than the features.
pub(super) fn part(weights: &Weights, prefix: &str) -> Weights {
    let tensors = weights.tensors.iter().filter(|(name, _)| name.starts_with(prefix));
    let tensors = tensors.map(|(name, values)| (name.clone(), values.clone())).collect();
    Weights { tensors, header: weights.header.clone() }
}

/// The name of those of several lists that the file knows most of; the first of equals.
pub(super) fn best_layout<L: Copy>(
    weights: &Weights,
    layouts: &[L],
    names: impl Fn(L) -> Vec<String>,
) -> L {
    let n_known =
        |layout: L| names(layout).iter().filter(|name| weights.tensors.contains_key(*name)).count();
    let mut best = layouts[0];
    for &layout in &layouts[1..] {
        if n_known(layout) > n_known(best) {
            best = layout;
        }
    }
    best
}
