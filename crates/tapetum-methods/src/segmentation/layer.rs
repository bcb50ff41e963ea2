//! What a layer of DeepLabv3+ is like, whether it is frozen or trained: a convolution, batch normalisation
//! and a rectifier.

use burn::tensor::s;
use tapetum_nn::{
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
};

/// Added to the variance of a batch normalisation (PyTorch's default).
pub(super) const EPSILON: f32 = 1e-5;

/// A layer of some network, built from its [`LayerPlan`].
pub(super) trait Layer {
    /// What a forward pass carries along from layer to layer.
    type Pass;

    fn forward(&self, input: Tensor<4>, pass: &mut Self::Pass) -> Tensor<4>;
}

/// Everything about a layer but its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerPlan {
    /// Name of the convolution.
    pub(super) convolution: String,
    /// Name of its normalisation; a convolution without one has a bias.
    pub(super) norm: Option<String>,
    /// `[out, in, kernel, kernel]`, `in` 1 where every channel has its own kernel.
    pub(super) weight_shape: [usize; 4],
    filter: Filter,
    pub(super) rectifier: Rectifier,
    /// Whether training leaves some of its results out.
    pub(super) is_dropping: bool,
}

/// How a convolution goes over its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Of all channels together.
    Full(ConvOptions),
    /// Of every channel with its own kernel, without the `border` of the input's size, every `stride`-th
    /// pixel.
    Depthwise { dilation: usize, border: usize, stride: usize },
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

impl LayerPlan {
    /// A convolution of a square and odd kernel that keeps the size, zeros around; `names` are those of the
    /// convolution and of the normalisation.
    pub(super) fn normalized(
        names: [String; 2],
        weight_shape: [usize; 4],
        rectifier: Rectifier,
    ) -> Self {
        let [convolution, norm] = names;
        let filter = Filter::Full(ConvOptions::same(weight_shape[2]));
        Self { convolution, norm: Some(norm), weight_shape, filter, rectifier, is_dropping: false }
    }

    /// A convolution with a bias, and nothing after it.
    pub(super) fn biased(convolution: String, weight_shape: [usize; 4]) -> Self {
        let names = [convolution, String::new()];
        let plan = Self::normalized(names, weight_shape, Rectifier::Linear);
        Self { norm: None, ..plan }
    }

    /// The same of every channel with its own kernel, the input padded by `border` before; `dilation` is the
    /// distance of its taps.
    pub(super) fn depthwise(mut self, dilation: usize, border: usize, stride: usize) -> Self {
        self.filter = Filter::Depthwise { dilation, border, stride };
        self
    }

    /// The same with its taps so far apart; keeps the size.
    pub(super) fn dilated(self, dilation: usize) -> Self {
        self.with_options(|options| {
            options.dilation = [dilation; 2];
            options.padding = options.padding.map(|padding| padding * dilation);
        })
    }

    /// The same with so many zeros on each side, whatever its kernel.
    pub(super) fn padded(self, padding: usize) -> Self {
        self.with_options(|options| options.padding = [padding; 2])
    }

    /// The same with only every second result along each axis.
    pub(super) fn halving(self) -> Self {
        self.with_options(|options| options.stride = [2, 2])
    }

    /// The same with some of its results left out in training.
    pub(super) fn dropping(self) -> Self {
        Self { is_dropping: true, ..self }
    }

    /// Name and shape of every tensor in a file of weights.
    pub(super) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let LayerPlan { convolution, norm, weight_shape, .. } = self;
        let n_channels = vec![weight_shape[0]];
        let mut tensors = vec![(format!("{convolution}.weight"), weight_shape.to_vec())];
        match norm {
            None => tensors.push((format!("{convolution}.bias"), n_channels)),
            Some(norm) => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    tensors.push((format!("{norm}.{part}"), n_channels.clone()));
                }
                tensors.push((format!("{norm}.num_batches_tracked"), vec![]));
            }
        }
        tensors
    }

    /// `activation(bias + weight ∗ input)`, at the pixels where the layer has results.
    pub(super) fn convolve(
        &self,
        input: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        activation: Activation,
    ) -> Tensor<4> {
        match self.filter {
            Filter::Full(options) => ops::conv2d(input, weight, bias, &options, activation),
            Filter::Depthwise { dilation, border, stride } => {
                let zeros = PaddingMode::Zeros;
                let filtered =
                    ops::depthwise_conv2d(input, weight, bias, dilation, zeros, activation);
                inner(filtered, border, stride)
            }
        }
    }

    fn with_options(mut self, change: impl Fn(&mut ConvOptions)) -> Self {
        if let Filter::Full(options) = &mut self.filter {
            change(options);
        }
        self
    }
}

impl Rectifier {
    /// The smallest and the largest result.
    pub(super) fn limits(self) -> [f32; 2] {
        match self {
            Self::Linear => [f32::NEG_INFINITY, f32::INFINITY],
            Self::Relu => [0.0, f32::INFINITY],
            Self::Relu6 => [0.0, 6.0],
        }
    }
}

/// Without the `border`, every `stride`-th pixel, in the order of the memory.
fn inner(image: Tensor<4>, border: usize, stride: usize) -> Tensor<4> {
    if border == 0 && stride == 1 {
        return image;
    }
    let [_, _, height, width] = image.dims();
    let step = stride as isize;
    let image = image.permute([0, 2, 3, 1]);
    let image =
        image.slice(s![.., border..height - border; step, border..width - border; step, ..]);
    image.permute([0, 3, 1, 2])
}
