//! What decides how the network is built and a training step: switches, rates, weights.

use serde::{Deserialize, Serialize};
use tapetum_nn::{
    backbones::VggInput,
    training::{CosineDecay, LearnerConfig, OptimizerConfig, Schedule, SettingError, check},
};

/// Which parts the network is made of. The default is the whole method; the others are for ablation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// What each stage begins with.
    pub region: Region,
    /// What each stage goes on with, twice.
    pub multi_scale: MultiScale,
    /// What lies between encoder and decoder.
    pub latent: Latent,
    /// Whether the half that sees the whole image weights the half that sees its neighbours; another reading
    /// of *region-calibrated*.
    pub calibrate: bool,
    /// How the grid of regions follows the size of the image.
    pub positions: Positions,
}

/// What each stage begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// RCAM.
    #[default]
    Attention,
    /// A 3x3 convolution and a rectifier.
    Convolution,
}

/// What each stage goes on with, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MultiScale {
    /// AMSM.
    #[default]
    Attention,
    /// A 3x3 convolution and a rectifier.
    Convolution,
}

/// What lies between encoder and decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Latent {
    /// A normal distribution: a variational auto-encoder.
    #[default]
    Gaussian,
    /// Features: a plain auto-encoder.
    Deterministic,
}

/// How the grid of regions follows the size of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// Not at all: features are resized to the grid (LRCR-Net).
    #[default]
    Fixed,
    /// A region has 4x4 pixels of its stage, and the table of positions is resized to the grid.
    Interpolated,
}

/// Everything that decides a training step. The paper's text and code could not be had: the numbers are those
/// of the authors' sister code where it has them, else ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Which parts the network is made of.
    pub network: NetworkConfig,
    /// Learning rate that the schedule starts from.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Steps of a linear rise at the beginning.
    pub warmup_steps: usize,
    /// What makes steps of gradients.
    pub optimizer: OptimizerConfig,
    /// Largest norm of the gradient of all parameters together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm_max: Option<f64>,
    /// What [`super::losses`] the enhanced image is compared with the reference by.
    pub reconstruction: Reconstruction,
    /// Weight of that comparison.
    pub weight_reconstruction: f64,
    /// Weight of [`visual`](super::losses::visual).
    pub weight_visual: f64,
    /// Weight of [`texture`](super::losses::texture); needs VGG-16.
    pub weight_texture: f64,
    /// How VGG-16 is to see images.
    pub vgg_input: VggInput,
    /// `β`: weight of [`divergence`](super::losses::divergence), after its rise.
    pub weight_divergence: f64,
    /// Share of the run in which `β` rises from 0.
    pub divergence_rise: f64,
    /// `λ`: weight of the contrast between latents.
    pub weight_contrast: f64,
    /// Its form.
    pub contrast: Contrast,
    /// What is compared with the positive and the negatives.
    pub anchor: Anchor,
    /// `K`: dark images that an anchor is kept away from, its own first, at most as many as the batch has.
    pub n_negatives: usize,
}

/// How the enhanced image is compared with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reconstruction {
    /// By squares.
    Squared,
    /// By absolute differences.
    Absolute,
}

/// The form of the contrast between latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contrast {
    /// A ratio of distances: [`super::losses::contrast_ratio`].
    Ratio,
    /// A classification of directions: [`super::losses::contrast_classification`].
    InfoNce,
}

/// What is pulled to the latent of the reference and pushed from those of dark images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// The latent of the enhanced image, encoded again.
    Reencoded,
    /// The latent that the image is decoded from: cheaper, and its own dark image is no negative.
    Latent,
}

impl TrainingConfig {
    /// All five terms, each with a gradient.
    pub fn paper() -> Self {
        Self {
            network: NetworkConfig::default(),
            learning_rate: 2e-4,
            schedule: Schedule::Cosine(CosineDecay::default()),
            warmup_steps: 0,
            optimizer: OptimizerConfig::default(),
            gradient_norm_max: Some(1.0),
            reconstruction: Reconstruction::Squared,
            weight_reconstruction: 1.0,
            weight_visual: 1.0,
            weight_texture: 0.35,
            vgg_input: VggInput::Unscaled,
            weight_divergence: 1e-4,
            divergence_rise: 0.1,
            weight_contrast: 0.1,
            contrast: Contrast::Ratio,
            anchor: Anchor::Reencoded,
            n_negatives: 4,
        }
    }

    /// `β` at `step`, counted from 0, of a run of `n_steps`.
    pub fn divergence_weight_at(&self, step: usize, n_steps: usize) -> f64 {
        let rise = self.divergence_rise * n_steps as f64;
        let share = if rise > 0.0 { (step as f64 / rise).min(1.0) } else { 1.0 };
        self.weight_divergence * share
    }

    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.learner().check()?;
        let weights = [
            ("weight_reconstruction", self.weight_reconstruction),
            ("weight_visual", self.weight_visual),
            ("weight_texture", self.weight_texture),
            ("weight_divergence", self.weight_divergence),
            ("weight_contrast", self.weight_contrast),
        ];
        weights.into_iter().try_for_each(|(key, weight)| check(key, weight, 0.0..=1e9))?;
        check("divergence_rise", self.divergence_rise, 0.0..=1.0)?;
        check("n_negatives", self.n_negatives as f64, 1.0..=4096.0)
    }

    /// What of it concerns the optimiser.
    pub(super) fn learner(&self) -> LearnerConfig {
        LearnerConfig {
            learning_rate: self.learning_rate,
            optimizer: self.optimizer,
            schedule: self.schedule.clone(),
            warmup_steps: self.warmup_steps,
            gradient_norm_max: self.gradient_norm_max,
            average: None,
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self::paper()
    }
}
