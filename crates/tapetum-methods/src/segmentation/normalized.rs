//! Frozen convolutions that batch normalisation follows, folded into one.

use tapetum_nn::{
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
    weights::WeightReader,
};

use super::frozen::{ChannelScale, parameter};

/// Added to the variance of a batch normalisation (PyTorch's default).
const EPSILON: f32 = 1e-5;

/// A convolution without bias of a square and odd kernel, its batch normalisation by running statistics,
/// and what follows.
#[derive(Debug)]
pub(super) struct NormalizedConvolution {
    pub(super) weight: Tensor<4>,
    bias: Tensor<1>,
    options: ConvOptions,
    rectifier: Rectifier,
}

/// What follows a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rectifier {
    /// `x`.
    Linear,
    /// `max(0, x)`.
    Relu,
    /// `min(6, max(0, x))`.
    Relu6,
}

impl NormalizedConvolution {
    /// Reads `{convolution}.weight` of `shape` `[out, in, kernel, kernel]`, and the normalisation `norm`.
    /// Keeps the size, zeros around.
    pub(super) fn read(
        reader: &mut WeightReader,
        [convolution, norm]: [&str; 2],
        shape: [usize; 4],
        rectifier: Rectifier,
        device: &Device,
    ) -> Self {
        let (weight, bias) = read_folded(reader, [convolution, norm], shape, device);
        Self { weight, bias, options: ConvOptions::same(shape[2]), rectifier }
    }

    /// The same with its taps so far apart; keeps the size.
    pub(super) fn dilated(mut self, dilation: usize) -> Self {
        self.options.dilation = [dilation; 2];
        self.options.padding = self.options.padding.map(|padding| padding * dilation);
        self
    }

    /// The same with so many zeros on each side, whatever its kernel.
    pub(super) fn padded(mut self, padding: usize) -> Self {
        self.options.padding = [padding; 2];
        self
    }

    /// The same with only every second result along each axis.
    pub(super) fn halving(mut self) -> Self {
        self.options.stride = [2, 2];
        self
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        let activation = self.rectifier.activation();
        self.rectifier.limit(ops::conv2d(input, weight, bias, &self.options, activation))
    }
}

/// [`NormalizedConvolution`] of every channel with its own kernel of 3x3, with a rectifier up to 6.
#[derive(Debug)]
pub(super) struct NormalizedDepthwise {
    weight: Tensor<4>,
    bias: Tensor<1>,
    dilation: usize,
}

impl NormalizedDepthwise {
    /// As [`NormalizedConvolution::read`], with taps `dilation` apart.
    pub(super) fn read(
        reader: &mut WeightReader,
        names: [&str; 2],
        n_channels: usize,
        dilation: usize,
        device: &Device,
    ) -> Self {
        let (weight, bias) = read_folded(reader, names, [n_channels, 1, 3, 3], device);
        Self { weight, bias, dilation }
    }

    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.weight.clone(), Some(self.bias.clone()));
        let (zeros, rectifier) = (PaddingMode::Zeros, Rectifier::Relu6);
        let activation = rectifier.activation();
        rectifier.limit(ops::depthwise_conv2d(
            input,
            weight,
            bias,
            self.dilation,
            zeros,
            activation,
        ))
    }
}

impl Rectifier {
    /// The part that a convolution takes along.
    fn activation(self) -> Activation {
        match self {
            Self::Linear => Activation::Identity,
            Self::Relu | Self::Relu6 => Activation::Relu,
        }
    }

    /// The rest.
    fn limit(self, rectified: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Linear | Self::Relu => rectified,
            // In the order of the memory, which the engine keeps then.
            Self::Relu6 => rectified.permute([0, 2, 3, 1]).clamp_max(6.0).permute([0, 3, 1, 2]),
        }
    }
}

/// Weight and bias of both together.
fn read_folded(
    reader: &mut WeightReader,
    [convolution, norm]: [&str; 2],
    shape: [usize; 4],
    device: &Device,
) -> (Tensor<4>, Tensor<1>) {
    let weight = parameter(reader, &format!("{convolution}.weight"), shape, device);
    let scale = ChannelScale::read_batch_norm(reader, norm, shape[0], EPSILON, device);
    // How many batches the statistics are from; older programs did not write it.
    let _ = reader.take_if_there(&format!("{norm}.num_batches_tracked"), &[]);
    (weight * scale.factors, scale.summands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectifiers_limit_what_they_should() {
        let values = Tensor::<1>::from_floats([-7.0, -1.0, 0.5, 6.5], &Device::flex());
        let cases = [
            (Rectifier::Linear, [-7.0, -1.0, 0.5, 6.5]),
            (Rectifier::Relu, [0.0, 0.0, 0.5, 6.5]),
            (Rectifier::Relu6, [0.0, 0.0, 0.5, 6.0]),
        ];
        for (rectifier, expected) in cases {
            let image = values.clone().reshape([1, 1, 1, 4]);
            let found = rectifier.limit(ops::activate(image, rectifier.activation()));
            assert_eq!(found.into_data().try_into_vec::<f32>().expect("f32"), expected);
        }
    }
}
