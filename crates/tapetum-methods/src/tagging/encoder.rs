//! What every semantic encoder offers, and how an image is made ready for it.

use std::fmt::Debug;

use tapetum_nn::{Weights, WeightsError, backbones::InputScale, ops::Interpolation, prelude::*};

use super::{
    efficientnet_lite, mobilenet_v2,
    ram::{self, RamConfig},
};

/// What an encoder makes of images.
#[derive(Debug, Clone)]
pub struct Semantics {
    /// `[batch, tokens, width]`: the mean of all places first, then each place of the coarsest features, row
    /// by row.
    pub tokens: Tensor<3>,
    /// `[batch, tags]`, before any sigmoid or softmax.
    pub logits: Tensor<2>,
    /// Fine to coarse, `[batch, channels, height, width]` each, every level half as high and wide as the one
    /// before.
    pub pyramid: Vec<Tensor<4>>,
}

/// A frozen network that says what is in a photograph. It computes the same in every run, nothing is dropped
/// and no statistics are updated; gradients flow through to the image, none is asked for its weights.
pub trait SemanticEncoder: Send + Sync + Debug {
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, sRGB, meant to be 0..1 though other values are taken as they
    /// are; of any size, made as large as the encoder wants it here.
    fn encode(&self, image: Tensor<4>) -> Semantics;

    /// The [`Semantics::pyramid`] of [`Self::encode`]; nothing beyond its coarsest level is computed.
    fn pyramid(&self, image: Tensor<4>) -> Vec<Tensor<4>>;

    /// How many logits there are.
    fn n_tags(&self) -> usize;

    /// One of [`ENCODERS`].
    fn name(&self) -> &'static str;
}

/// The names that [`read`] knows.
pub const ENCODERS: [&str; 3] = ["ram", "efficientnet-lite0", "mobilenet-v2"];

/// What an image is turned into before the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// What the weights were trained with: `(image - mean) / deviation` of ImageNet's colours, or of
    /// TensorFlow's constants for EfficientNet-Lite.
    #[default]
    AsTrained,
    /// Values of 0..1, as the authors of Semi-LLIE feed RAM.
    None,
}

/// How an encoder is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncoderOptions {
    /// What comes before the first layer.
    pub normalization: Normalization,
    /// The side that images are resized to, in pixels; where there is none, the side that the weights were
    /// trained with. Less is faster, in proportion to its square.
    pub side_px: Option<usize>,
}

/// The largest [`EncoderOptions::side_px`].
pub const SIDE_PX_MAX: usize = 1024;

/// Builds the encoder `name`, one of [`ENCODERS`], from its released weights.
///
/// # Errors
/// There is no encoder of that name, it takes no images of that side, or a tensor is missing, left over or of
/// another shape.
pub fn read(
    name: &str,
    weights: &Weights,
    options: EncoderOptions,
    device: &Device,
) -> Result<Box<dyn SemanticEncoder>, WeightsError> {
    match name {
        ram::NAME => ram::read_ram(weights, &RamConfig::swin_large(), options, device),
        efficientnet_lite::NAME => Ok(Box::new(efficientnet_lite::read(weights, options, device)?)),
        mobilenet_v2::NAME => Ok(Box::new(mobilenet_v2::read(weights, options, device)?)),
        other => Err(WeightsError::Argument {
            name: "encoder",
            expected: format!("one of {}", ENCODERS.join(", ")),
            found: other.to_owned(),
        }),
    }
}

/// What happens to an image before the first layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    pub(super) side_px: usize,
    scale: Option<InputScale>,
}

impl Input {
    /// `side_px` and `scale` are those that the weights were trained with.
    ///
    /// # Errors
    /// Another side is asked for than 1 to [`SIDE_PX_MAX`].
    pub(super) fn new(
        options: EncoderOptions,
        side_px: usize,
        scale: InputScale,
    ) -> Result<Self, WeightsError> {
        let side_px = options.side_px.unwrap_or(side_px);
        if !(1..=SIDE_PX_MAX).contains(&side_px) {
            return Err(wrong_side(format!("1 to {SIDE_PX_MAX} px"), side_px));
        }
        let scale = match options.normalization {
            Normalization::AsTrained => Some(scale),
            Normalization::None => None,
        };
        Ok(Self { side_px, scale })
    }

    /// # Shapes
    /// `image`: `[batch, 3, height, width]`; result: `[batch, 3, side_px, side_px]`.
    pub(super) fn prepare(&self, image: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        let size = [self.side_px; 2];
        let resized = if [height, width] == size {
            image
        } else {
            ops::resize2d(image, size, Interpolation::Bilinear)
        };
        match self.scale {
            Some(scale) => scale.apply(resized),
            None => resized,
        }
    }
}

/// The encoder takes no images of that side.
pub(super) fn wrong_side(expected: String, side_px: usize) -> WeightsError {
    let name = "side of the encoder's input";
    WeightsError::Argument { name, expected, found: format!("{side_px} px") }
}

/// The tokens of features, as [`Semantics::tokens`] has them.
///
/// # Shapes
/// `places`: `[batch, places, width]`; result: `[batch, 1 + places, width]`.
pub(super) fn with_mean(places: Tensor<3>) -> Tensor<3> {
    Tensor::cat(vec![places.clone().mean_dim(1), places], 1)
}
