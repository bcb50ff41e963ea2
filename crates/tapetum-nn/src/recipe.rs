//! What a method hands to the training loop: one step on a batch, and its state.

use burn::tensor::{Int, Tensor};
use thiserror::Error;

use crate::{
    network::Network,
    weights::{Weights, WeightsError},
};

/// What one training step sees. Images are sRGB-encoded, 0..1, `[batch, 3, height, width]`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Dark photographs.
    pub low: Tensor<4>,
    /// Dark photographs with labels: class index per pixel, `[batch, height, width]`; indices
    /// beyond the recipe's classes are void.
    pub labelled: Option<(Tensor<4>, Tensor<3, Int>)>,
    /// Well-lit photographs that do not show the scenes of `low`.
    pub positive: Tensor<4>,
    /// Badly lit photographs, under- or over-exposed.
    pub negative: Tensor<4>,
}

/// One term of a training loss, unweighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermValue {
    /// Name in the journal.
    pub name: &'static str,
    /// Value before its weight.
    pub value: f64,
}

/// A training strategy: owns the network and its optimiser.
pub trait Recipe {
    /// Runs one step; returns each term of the loss.
    fn step(&mut self, batch: Batch) -> Result<Vec<TermValue>, RecipeError>;

    /// A copy of the network as it stands, without gradients, for validation.
    fn network(&self) -> Box<dyn Network>;

    /// The weights as they stand.
    fn weights(&self) -> Weights;

    /// Everything that a resumed run needs beside the data: weights and optimiser state.
    fn checkpoint(&self) -> Vec<u8>;

    /// Continues from what [`Recipe::checkpoint`] gave.
    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError>;
}

/// Why a step or a resumption failed.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// A term of the loss became NaN or infinite; the network was left as it was.
    #[error("the loss term {term} is {value}")]
    NonFinite {
        /// Name of the term.
        term: &'static str,
        /// NaN or an infinity.
        value: f64,
    },
    /// The checkpoint is damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(String),
    /// The checkpoint belongs to another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
