//! What a method hands to the training loop: what it learns from, one step, and its state.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor};
use thiserror::Error;

use crate::{
    network::Network,
    segmenter::Segmenter,
    weights::{Weights, WeightsError},
};

/// What one step sees: the parts that the recipe's [`Need`]s name.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// By the names of the needs; those that are not required may be missing.
    pub parts: BTreeMap<String, Part>,
}

/// Photographs of one kind. Images are sRGB-encoded, 0..1, `[batch, 3, height, width]`.
#[derive(Debug, Clone)]
pub enum Part {
    /// Photographs alone.
    Images(Tensor<4>),
    /// Dark photographs and their references, which may be larger by a whole factor.
    Pairs {
        /// The dark ones.
        low: Tensor<4>,
        /// The well-lit ones.
        reference: Tensor<4>,
    },
    /// Two views of the same photographs, pixel by pixel.
    Views {
        /// As they are.
        weak: Tensor<4>,
        /// In other colours, or blurred.
        strong: Tensor<4>,
    },
    /// Photographs and the class of each pixel, `[batch, height, width]`; indices beyond the recipe's
    /// classes are void.
    Labelled {
        /// The photographs.
        images: Tensor<4>,
        /// The classes.
        labels: Tensor<3, Int>,
    },
}

/// The kind of a [`Part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// [`Part::Images`].
    Images,
    /// [`Part::Pairs`].
    Pairs,
    /// [`Part::Views`].
    Views,
    /// [`Part::Labelled`].
    Labelled,
}

/// Data that a recipe learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Name of the part, as in the recipe file.
    pub name: &'static str,
    /// What it is.
    pub form: Form,
    /// Whether there is no training without it.
    pub is_required: bool,
}

/// One term of a training loss, unweighted, or another number of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermValue {
    /// Name in the journal.
    pub name: &'static str,
    /// Value before its weight.
    pub value: f64,
}

/// What a recipe trains.
pub enum Trained {
    /// A network that brightens.
    Enhancer(Box<dyn Network>),
    /// A network that names what is where.
    Segmenter(Box<dyn Segmenter>),
}

/// A training strategy: owns its networks and their optimisers.
pub trait Recipe {
    /// The data it learns from.
    fn needs(&self) -> &'static [Need];

    /// Runs one step of the optimiser on the gradients of all batches together, each weighing the same;
    /// returns each term of the loss, averaged over the batches. Everything random in a step follows from
    /// the recipe's seed and the number of the step.
    ///
    /// # Errors
    /// A term or the gradient is not finite; the networks are left as they were.
    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError>;

    /// A copy of the network that users get, as it stands, without gradients, for validation.
    fn trained(&self) -> Trained;

    /// What whoever watches the run is to know after the last step.
    fn warning(&self) -> Option<String> {
        None
    }

    /// The weights that users get, as they stand.
    fn weights(&self) -> Weights;

    /// Everything that a resumed run needs beside the data: weights, averages and optimiser state.
    fn checkpoint(&self) -> Vec<u8>;

    /// Continues from what [`Recipe::checkpoint`] gave.
    ///
    /// # Errors
    /// The bytes are damaged, or belong to another network.
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
    /// The batch is not what the recipe learns from.
    #[error("{0}")]
    Data(String),
    /// The checkpoint is damaged.
    #[error("the checkpoint cannot be read: {0}")]
    Checkpoint(String),
    /// The checkpoint belongs to another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl Batch {
    /// Takes out photographs alone.
    ///
    /// # Panics
    /// When the part has another form than its need says.
    pub fn images(&mut self, name: &str) -> Option<Tensor<4>> {
        self.parts.remove(name).map(|part| match part {
            Part::Images(images) => images,
            other => panic!("{name} is to be photographs alone, not {:?}", other.form()),
        })
    }

    /// Takes out dark photographs and their references.
    ///
    /// # Panics
    /// When the part has another form than its need says.
    pub fn pairs(&mut self, name: &str) -> Option<(Tensor<4>, Tensor<4>)> {
        self.parts.remove(name).map(|part| match part {
            Part::Pairs { low, reference } => (low, reference),
            other => panic!("{name} is to be pairs, not {:?}", other.form()),
        })
    }

    /// Takes out the weak and the strong views of photographs.
    ///
    /// # Panics
    /// When the part has another form than its need says.
    pub fn views(&mut self, name: &str) -> Option<(Tensor<4>, Tensor<4>)> {
        self.parts.remove(name).map(|part| match part {
            Part::Views { weak, strong } => (weak, strong),
            other => panic!("{name} is to be two views, not {:?}", other.form()),
        })
    }

    /// Takes out photographs and their labels.
    ///
    /// # Panics
    /// When the part has another form than its need says.
    pub fn labelled(&mut self, name: &str) -> Option<(Tensor<4>, Tensor<3, Int>)> {
        self.parts.remove(name).map(|part| match part {
            Part::Labelled { images, labels } => (images, labels),
            other => panic!("{name} is to be labelled photographs, not {:?}", other.form()),
        })
    }
}

impl Part {
    /// Which kind it is.
    pub fn form(&self) -> Form {
        match self {
            Self::Images(_) => Form::Images,
            Self::Pairs { .. } => Form::Pairs,
            Self::Views { .. } => Form::Views,
            Self::Labelled { .. } => Form::Labelled,
        }
    }
}
