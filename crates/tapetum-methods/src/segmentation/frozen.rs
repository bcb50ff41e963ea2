//! Layers whose parameters stay as they were read: plain tensors that no gradient is asked for.

use tapetum_nn::{
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
    weights::WeightReader,
};

/// A convolution without bias, of a square and odd kernel, zeros around.
#[derive(Debug)]
pub(super) struct Convolution {
    pub(super) weight: Tensor<4>,
    options: ConvOptions,
}

impl Convolution {
    /// Reads `{name}.weight`; `shape` is `[out, in, kernel, kernel]`. Keeps the size.
    pub(super) fn read(
        reader: &mut WeightReader,
        name: &str,
        shape: [usize; 4],
        device: &Device,
    ) -> Self {
        let weight = parameter(reader, &format!("{name}.weight"), shape, device);
        Self { weight, options: ConvOptions::same(shape[2]) }
    }

    /// The same with only every second result along each axis: half of the size, rounded up.
    pub(super) fn halving(mut self) -> Self {
        self.options.stride = [2, 2];
        self
    }

    /// The same with its taps so far apart; keeps the size.
    pub(super) fn dilated(mut self, dilation: usize) -> Self {
        self.options.dilation = [dilation; 2];
        self.options.padding = self.options.padding.map(|padding| padding * dilation);
        self
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        ops::conv2d(input, self.weight.clone(), None, &self.options, Activation::Identity)
    }

    /// Of both inputs' channels, the first's first.
    pub(super) fn forward_of_two(&self, first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.clone();
        ops::conv2d_of_two([first, second], weight, None, &self.options, Activation::Identity)
    }
}

/// A factor and a summand for each channel.
#[derive(Debug)]
pub(super) struct ChannelScale {
    /// `[channels, 1, 1, 1]`.
    pub(super) factors: Tensor<4>,
    /// `[channels]`.
    pub(super) summands: Tensor<1>,
}

impl ChannelScale {
    pub(super) fn new(factors: Vec<f32>, summands: Vec<f32>, device: &Device) -> Self {
        let n_channels = factors.len();
        assert_eq!(summands.len(), n_channels, "a factor and a summand for each channel");
        let factors = TensorData::new(factors, [n_channels, 1, 1, 1]);
        let summands = TensorData::new(summands, [n_channels]);
        Self {
            factors: Tensor::from_data(factors, device),
            summands: Tensor::from_data(summands, device),
        }
    }

    /// Batch normalisation by its running statistics ([Ioffe 2015] Alg. 2):
    /// `weight (x - mean) / √(variance + epsilon) + bias`.
    pub(super) fn read_batch_norm(
        reader: &mut WeightReader,
        name: &str,
        n_channels: usize,
        epsilon: f32,
        device: &Device,
    ) -> Self {
        let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| reader.take(&format!("{name}.{part}"), &[n_channels]));
        let factors = weight.iter().zip(variance).map(|(w, v)| w / (v + epsilon).sqrt());
        let factors: Vec<f32> = factors.collect();
        let summands = bias.iter().zip(&mean).zip(&factors).map(|((b, m), f)| b - m * f);
        let summands = summands.collect();
        Self::new(factors, summands, device)
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        // A kernel of one pixel.
        let (weight, bias) = (self.factors.clone(), Some(self.summands.clone()));
        ops::depthwise_conv2d(input, weight, bias, 1, PaddingMode::Zeros, Activation::Identity)
    }
}

/// Batch normalisation, then a rectifier with learned slopes: the authors' `BR`.
#[derive(Debug)]
pub(super) struct NormalizedPrelu {
    pub(super) norm: ChannelScale,
    /// `[channels]`.
    pub(super) slopes: Tensor<1>,
}

impl NormalizedPrelu {
    /// Reads `{name}.bn.*` and `{name}.act.weight`.
    pub(super) fn read(
        reader: &mut WeightReader,
        name: &str,
        n_channels: usize,
        epsilon: f32,
        device: &Device,
    ) -> Self {
        let norm_name = format!("{name}.bn");
        let norm = ChannelScale::read_batch_norm(reader, &norm_name, n_channels, epsilon, device);
        let slopes = parameter(reader, &format!("{name}.act.weight"), [n_channels], device);
        Self { norm, slopes }
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        ops::prelu(self.norm.forward(input), self.slopes.clone())
    }
}

/// A transposed convolution that makes of every pixel a tile of 2x2.
#[derive(Debug)]
pub(super) struct Doubling {
    /// `[in, out, 2, 2]`.
    pub(super) weight: Tensor<4>,
}

impl Doubling {
    /// Reads `{name}.weight`, which keeps the number of channels.
    pub(super) fn read(
        reader: &mut WeightReader,
        name: &str,
        n_channels: usize,
        device: &Device,
    ) -> Self {
        let shape = [n_channels, n_channels, 2, 2];
        Self { weight: parameter(reader, &format!("{name}.weight"), shape, device) }
    }

    /// Twice the size, then cut to `[height, width]`.
    pub(super) fn forward(&self, input: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
        let doubled = ops::transposed_conv2d(input, self.weight.clone());
        let [_, _, doubled_height, doubled_width] = doubled.dims();
        if [height, width] == [doubled_height, doubled_width] {
            return doubled;
        }
        doubled.narrow(2, 0, height).narrow(3, 0, width)
    }
}

/// The channels of all parts, the first part's first, side by side in memory as the kernels want them.
pub(super) fn concatenated(parts: Vec<Tensor<4>>) -> Tensor<4> {
    let parts = parts.into_iter().map(|part| part.permute([0, 2, 3, 1])).collect();
    Tensor::cat(parts, 3).permute([0, 3, 1, 2])
}

pub(super) fn parameter<const D: usize>(
    reader: &mut WeightReader,
    name: &str,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let values = reader.take(name, &shape);
    Tensor::from_data(TensorData::new(values, shape), device)
}
