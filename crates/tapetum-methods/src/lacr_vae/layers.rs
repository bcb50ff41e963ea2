//! How the layers start.

use tapetum_nn::{
    layers::{Builder, Convolution, DepthwiseConvolution, Initial, LayerNorm, Linear},
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
};

/// Biases, all 0.
const ZERO: Initial = Initial::Constant(0.0);
/// Linear layers and positions of the transformer.
pub(super) const TRANSFORMER: Initial = Initial::TruncatedNormal(0.02);

/// A convolution with stride 1 that keeps the size. `shape`: `[out, in, kernel, kernel]`.
pub(super) fn convolution(builder: &mut Builder, name: &str, shape: [usize; 4]) -> Convolution {
    with_options(builder, name, shape, ConvOptions::same(shape[2]))
}

/// A convolution of squares side by side.
pub(super) fn of_squares(builder: &mut Builder, name: &str, shape: [usize; 4]) -> Convolution {
    let same = ConvOptions::same(shape[2]);
    let options = ConvOptions { stride: [shape[2]; 2], padding: [0, 0], ..same };
    with_options(builder, name, shape, options)
}

/// The first kind without a bias.
pub(super) fn unbiased(builder: &mut Builder, name: &str, shape: [usize; 4]) -> Convolution {
    let options = ConvOptions::same(shape[2]);
    Convolution::without_bias(builder, name, shape, options, kaiming(&shape))
}

/// A linear layer of the transformer; `shape`: `[out, in]`.
pub(super) fn linear(builder: &mut Builder, name: &str, shape: [usize; 2]) -> Linear {
    Linear::build(builder, name, shape, [TRANSFORMER, ZERO])
}

pub(super) fn norm(
    builder: &mut Builder,
    name: &str,
    n_channels: usize,
    epsilon: f32,
) -> LayerNorm {
    LayerNorm::build(builder, name, n_channels, epsilon)
}

/// N(0, 2 / fan-in) ([He 2015] Eq. 10).
pub(super) fn kaiming(shape: &[usize]) -> Initial {
    let fan_in: usize = shape[1..].iter().product();
    Initial::Normal((2.0 / fan_in as f32).sqrt())
}

fn with_options(
    builder: &mut Builder,
    name: &str,
    shape: [usize; 4],
    options: ConvOptions,
) -> Convolution {
    Convolution::build(builder, name, shape, options, [kaiming(&shape), ZERO])
}

/// A 3x3 kernel for every channel, then a mixture of the channels and a rectifier (`DW` of the figure).
#[derive(Module, Debug)]
pub(super) struct Separable {
    depthwise: DepthwiseConvolution,
    pointwise: Convolution,
}

impl Separable {
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        [n_in, n_out, dilation]: [usize; 3],
    ) -> Self {
        let initial = [kaiming(&[n_in, 1, 3, 3]), ZERO];
        let sizes = [n_in, 3, dilation];
        Self {
            depthwise: DepthwiseConvolution::build(
                builder,
                &format!("{name}.depthwise"),
                sizes,
                initial,
            ),
            pointwise: convolution(builder, &format!("{name}.pointwise"), [n_out, n_in, 1, 1]),
        }
    }

    pub(super) fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let filtered = self.depthwise.forward(image, PaddingMode::Zeros, Activation::Identity);
        self.pointwise.forward(filtered, Activation::Relu)
    }

    /// Of the channel concatenation of two images.
    pub(super) fn forward_of_two(&self, images: [Tensor<4>; 2]) -> Tensor<4> {
        self.pointwise.forward_of_two(self.depthwise.forward_of_two(images), Activation::Relu)
    }
}
