//! The one trait a network implements to be used by the pipeline.

use burn::tensor::Tensor;

use crate::card::MethodCard;

/// A network with its weights, ready to enhance.
///
/// Validation during training and inference for users run this same function.
pub trait Network: Send + Sync {
    /// The facts about the method that the pipeline plans with.
    fn card(&self) -> &'static MethodCard;

    /// Maps a dark image to a bright one.
    ///
    /// # Shapes
    /// `low` and the result: `[batch, 3, height, width]`, sRGB-encoded, 0..1. Any height and width
    /// from 1 that the card's size rule allows.
    fn enhance(&self, low: Tensor<4>) -> Tensor<4>;

    /// Number of learned values.
    fn n_parameters(&self) -> usize;
}
