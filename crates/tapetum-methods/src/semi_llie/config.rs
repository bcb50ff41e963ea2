//! What decides a training step: rates, weights, the teacher, and where the authors' code differs.

use std::f64::consts::E;

use serde::{Deserialize, Serialize};
use tapetum_nn::training::{
    AdamPOptions, AverageConfig, LearnerConfig, MultiStepDecay, OptimizerConfig, Schedule,
    SettingError, check,
};

use super::network::Variant;

/// Epochs of the authors' training.
const N_EPOCHS: f64 = 200.0;
/// Epochs, of [`N_EPOCHS`], with the learning rate as it is, and with a tenth of it at most: the authors'
/// schedule drops after 100 and 150, and is moved on one epoch late.
const DROPS: [f64; 2] = [101.0, 151.0];
/// The epoch from which the terms without a reference weigh fully.
const RAMP_END: f64 = 100.0;

/// Everything that decides a training step. The numbers are the authors'
/// (`trainer_with_grad_ramperceputal.py`); the default is [`TrainingConfig::paper`]. Two terms look through
/// a semantic encoder and are left out with a weight of 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Which network.
    pub network: Variant,
    /// Learning rate that the schedule starts from.
    pub learning_rate: f64,
    /// How it changes; by default a tenth after each of 101 and 151 of 200 equal parts of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Steps of a linear rise at the beginning.
    pub warmup_steps: usize,
    /// What makes steps of gradients.
    pub optimizer: OptimizerConfig,
    /// Largest norm of the gradient of all parameters together; no limit by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm_max: Option<f64>,
    /// How the teacher follows the student.
    pub teacher: AverageConfig,
    /// Which of the two users get.
    pub kept: Kept,
    /// Weight of [`structure`](super::losses::structure).
    pub weight_structure: f64,
    /// Weight of [`perceptual`](super::losses::perceptual); needs an encoder.
    pub weight_perceptual: f64,
    /// Weight of [`gradient`](super::losses::gradient).
    pub weight_gradient: f64,
    /// Weight of [`consistency`](super::losses::consistency), times [`Self::ramp_at`].
    pub weight_consistency: f64,
    /// Weight of [`semantic_contrast`](super::losses::semantic_contrast), times [`Self::ramp_at`]; needs an
    /// encoder.
    pub weight_contrast: f64,
    /// `κ` at the end of its rise: what the terms without a reference weigh together.
    pub weight_unpaired: f64,
    /// Whether the encoder's terms teach anything.
    pub semantic_gradient: SemanticGradient,
    /// Which of the teacher's images are followed.
    pub reliability: Reliability,
}

/// Which network users get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The one with the gradients, as the authors save it.
    Student,
    /// Its moving average.
    Teacher,
}

/// What becomes of the gradients of the terms that look through an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SemanticGradient {
    /// They flow through the encoder to the student's image.
    Flows,
    /// They end before the encoder, as in the authors' code: the terms are reported and teach nothing.
    Cut,
}

/// Which of the teacher's images the student follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reliability {
    /// All.
    All,
    /// Those that a judge likes better than the student's own, as the authors' trainer could do and does
    /// not; needs a judge.
    Judged,
}

impl TrainingConfig {
    /// All five terms, each with a gradient that reaches the student.
    pub fn paper() -> Self {
        Self {
            network: Variant::Plain,
            learning_rate: 2e-4,
            schedule: None,
            warmup_steps: 0,
            optimizer: OptimizerConfig::AdamP(AdamPOptions {
                weight_decay: 1e-4,
                ..AdamPOptions::default()
            }),
            gradient_norm_max: None,
            teacher: AverageConfig { decay: 0.996, ramp: true },
            kept: Kept::Student,
            weight_structure: 1.0,
            weight_perceptual: 0.1,
            // 0.1 each of two branches that are the same.
            weight_gradient: 0.2,
            weight_consistency: 1.0,
            weight_contrast: 1.0,
            weight_unpaired: 0.1,
            semantic_gradient: SemanticGradient::Flows,
            reliability: Reliability::All,
        }
    }

    /// What the authors' code computes: both terms of the encoder without a gradient.
    pub fn released() -> Self {
        Self { semantic_gradient: SemanticGradient::Cut, ..Self::paper() }
    }

    /// `κ(e) = weight · exp(-5 (1 - min(e, 100) / 100)²)` of the epoch `e`, here a 200th of the run that
    /// `step`, counted from 0, lies in the middle of.
    // Deviation: it rises with every step, as epochs depend on how many photographs there are.
    pub fn ramp_at(&self, step: usize, n_steps: usize) -> f64 {
        let epoch = (step as f64 + 1.0) / n_steps.max(1) as f64 * N_EPOCHS;
        let left = 1.0 - epoch.min(RAMP_END) / RAMP_END;
        self.weight_unpaired * E.powf(-5.0 * left * left)
    }

    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.learner(1).check()?;
        let weights = [
            ("weight_structure", self.weight_structure),
            ("weight_perceptual", self.weight_perceptual),
            ("weight_gradient", self.weight_gradient),
            ("weight_consistency", self.weight_consistency),
            ("weight_contrast", self.weight_contrast),
            ("weight_unpaired", self.weight_unpaired),
        ];
        weights.into_iter().try_for_each(|(key, weight)| check(key, weight, 0.0..=1e9))
    }

    /// What of it concerns the optimiser.
    pub(super) fn learner(&self, n_steps: usize) -> LearnerConfig {
        let step = |epoch: f64| (epoch / N_EPOCHS * n_steps as f64).round() as usize;
        let drops = MultiStepDecay { steps: DROPS.map(step).to_vec(), factor: 0.1 };
        LearnerConfig {
            learning_rate: self.learning_rate,
            optimizer: self.optimizer,
            schedule: self.schedule.clone().unwrap_or(Schedule::MultiStep(drops)),
            warmup_steps: self.warmup_steps,
            gradient_norm_max: self.gradient_norm_max,
            average: Some(self.teacher),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self::paper()
    }
}
