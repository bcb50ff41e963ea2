//! What a recipe file may say about a run, beside what the method itself takes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tapetum_nn::ops::Precision;

/// One training run. Folders are relative to the data root given at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Decides initial weights, crops and the order of the data.
    pub seed: u64,
    /// Steps of the optimiser.
    pub n_steps: usize,
    /// Dark photographs without labels in a batch.
    pub n_low: usize,
    /// Dark photographs with labels in a batch.
    pub n_labelled: usize,
    /// Side of the square that a photograph contributes, in pixels.
    pub crop_px: u32,
    /// Whether the channels of each dark crop are put in a random order: a network that sees every
    /// order treats the channels alike, so that grey stays grey.
    pub shuffle_channels: bool,
    /// Numbers that convolutions multiply in; sums, weights and gradients are `f32` always.
    #[serde(default)]
    pub precision: RunPrecision,
    /// Steps between checkpoints.
    pub checkpoint_every: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Where the photographs lie.
    pub data: DataConfig,
    /// Pairs to validate on.
    pub validation: ValidationConfig,
}

/// See [`Precision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Operands rounded to 16-bit floats.
    Bf16,
}

impl From<RunPrecision> for Precision {
    fn from(precision: RunPrecision) -> Self {
        match precision {
            RunPrecision::F32 => Self::F32,
            RunPrecision::Bf16 => Self::Bf16,
        }
    }
}

/// Folders of photographs to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Dark photographs: cropped at their own size.
    pub low: Vec<PathBuf>,
    /// Well-lit photographs: resized to the crop's size.
    pub positive: Vec<PathBuf>,
    /// Under-exposed photographs: resized.
    pub negative_under: Vec<PathBuf>,
    /// Over-exposed photographs: resized.
    pub negative_over: Vec<PathBuf>,
    /// Photographs with class labels; darkened, then cropped.
    pub labelled: Option<LabelledConfig>,
}

/// Well-lit photographs with class labels, darkened on the fly: linear light times an exposure
/// drawn log-uniformly from the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelledConfig {
    /// Folder of photographs.
    pub images: PathBuf,
    /// Folder of 8-bit label images with the same file stems.
    pub labels: PathBuf,
    /// Smallest exposure factor.
    pub exposure_min: f32,
    /// Largest exposure factor.
    pub exposure_max: f32,
}

/// Pairs to validate on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationConfig {
    /// Folders that hold `low` and `high`.
    pub pairs: Vec<PathBuf>,
}
