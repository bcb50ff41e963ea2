//! Convolution with stride 1 and zero padding that keeps the image size.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    ops::{self, Activation, ConvOptions},
    weights::{TensorValues, WeightReader, Weights},
};

/// Weight `[out, in, kernel, kernel]` and bias `[out]` of a size-keeping convolution.
#[derive(Module, Debug)]
pub struct Conv2d {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

/// Values a convolution starts training from.
#[derive(Debug, Clone)]
pub struct InitialWeights {
    /// Row-major `[out, in, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
}

impl Conv2d {
    /// Builds the layer from its two value lists; `shape` is that of the weight.
    pub fn new(shape: [usize; 4], initial: InitialWeights, device: &Device) -> Self {
        assert_eq!(
            initial.weight.len(),
            shape.iter().product::<usize>(),
            "weight values per shape"
        );
        assert_eq!(initial.bias.len(), shape[0], "one bias per output channel");
        let weight = Tensor::from_data(TensorData::new(initial.weight, shape), device);
        let bias = Tensor::from_data(TensorData::new(initial.bias, [shape[0]]), device);
        Self { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) }
    }

    /// Reads `{name}.weight` and `{name}.bias`; problems are collected by the reader.
    pub fn read(reader: &mut WeightReader, name: &str, shape: [usize; 4], device: &Device) -> Self {
        let weight = reader.take(&format!("{name}.weight"), &shape);
        let bias = reader.take(&format!("{name}.bias"), &shape[..1]);
        Self::new(shape, InitialWeights { weight, bias }, device)
    }

    /// Writes `{name}.weight` and `{name}.bias`.
    pub fn write(&self, weights: &mut Weights, name: &str) {
        weights.insert(format!("{name}.weight"), TensorValues::of(self.weight.val()));
        weights.insert(format!("{name}.bias"), TensorValues::of(self.bias.val()));
    }

    /// See [`ops::conv2d`].
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::conv2d(input, weight, bias, &self.options(), activation)
    }

    /// See [`ops::conv2d_of_two`].
    pub fn forward_of_two(
        &self,
        first: Tensor<4>,
        second: Tensor<4>,
        activation: Activation,
    ) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), Some(self.bias.val()));
        ops::conv2d_of_two([first, second], weight, bias, &self.options(), activation)
    }

    fn options(&self) -> ConvOptions {
        ConvOptions::same(self.weight.dims()[2])
    }
}
