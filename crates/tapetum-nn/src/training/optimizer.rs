//! Which optimiser a recipe uses, and its settings; the learning rate is the schedule's.

use burn::optim::{
    AdamConfig, ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig,
};
use serde::{Deserialize, Serialize};

use super::{
    adamp::AdamP,
    setting::{SettingError, check},
};

/// The greatest decay of a mean: at 1 a mean never moves.
const BETA_MAX: f64 = 1.0 - f64::EPSILON;

/// An optimiser and its settings: `kind = "adam"`, `"adam-p"` or `"sgd"`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerConfig {
    /// [Kingma 2015], its weight decay added to the gradient (PyTorch's `Adam`).
    Adam(AdamOptions),
    /// [Heo 2021]: Adam that takes out of a step what would only lengthen a weight.
    AdamP(AdamPOptions),
    /// Stochastic gradient descent with momentum, its weight decay added to the gradient.
    Sgd(SgdOptions),
}

impl OptimizerConfig {
    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        let of_adam = |beta_1, beta_2, epsilon, weight_decay| {
            check("optimizer.beta_1", beta_1, 0.0..=BETA_MAX)?;
            check("optimizer.beta_2", beta_2, 0.0..=BETA_MAX)?;
            check("optimizer.epsilon", epsilon, f64::MIN_POSITIVE..=1.0)?;
            check("optimizer.weight_decay", weight_decay, 0.0..=1e6)
        };
        match *self {
            Self::Adam(AdamOptions { beta_1, beta_2, epsilon, weight_decay }) => {
                of_adam(beta_1, beta_2, epsilon, weight_decay)
            }
            Self::AdamP(options) => {
                let AdamPOptions { beta_1, beta_2, epsilon, weight_decay, .. } = options;
                of_adam(beta_1, beta_2, epsilon, weight_decay)?;
                check("optimizer.delta", options.delta, 0.0..=1e6)?;
                check("optimizer.weight_decay_ratio", options.weight_decay_ratio, 0.0..=1.0)
            }
            Self::Sgd(SgdOptions { momentum, weight_decay, .. }) => {
                check("optimizer.momentum", momentum, 0.0..=BETA_MAX)?;
                check("optimizer.weight_decay", weight_decay, 0.0..=1e6)
            }
        }
    }

    /// The optimiser, without any state yet.
    pub fn build(&self) -> ModuleOptimizer {
        match *self {
            Self::Adam(options) => options.build(),
            Self::AdamP(options) => AdamP::new(options).into(),
            Self::Sgd(options) => options.build(),
        }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamOptions::default())
    }
}

/// Settings of Adam; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamOptions {
    /// Decay `β₁` of the mean gradient; 0.9.
    pub beta_1: f64,
    /// Decay `β₂` of the mean squared gradient; 0.999.
    pub beta_2: f64,
    /// Added to the root of the mean squared gradient; 1e-8.
    pub epsilon: f64,
    /// Times the weight, added to the gradient; 0.
    pub weight_decay: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl AdamOptions {
    fn build(self) -> ModuleOptimizer {
        AdamConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(decay_of(self.weight_decay))
            .init()
    }
}

/// Settings of AdamP; the defaults are those of its authors' code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamPOptions {
    /// Decay `β₁` of the mean gradient; 0.9.
    pub beta_1: f64,
    /// Decay `β₂` of the mean squared gradient; 0.999.
    pub beta_2: f64,
    /// Added to the root of the mean squared gradient, and to lengths; 1e-8.
    pub epsilon: f64,
    /// Part of a weight that a step of learning rate 1 takes off, beside the gradient; 0.
    pub weight_decay: f64,
    /// Threshold `δ`: a view of `n` values is projected if all its cosines between gradient and
    /// weight are below `δ/√n`; 0.1.
    pub delta: f64,
    /// Factor on the weight decay of projected weights; 0.1.
    pub weight_decay_ratio: f64,
}

impl Default for AdamPOptions {
    fn default() -> Self {
        let AdamOptions { beta_1, beta_2, epsilon, weight_decay } = AdamOptions::default();
        Self { beta_1, beta_2, epsilon, weight_decay, delta: 0.1, weight_decay_ratio: 0.1 }
    }
}

/// Settings of stochastic gradient descent; the defaults are PyTorch's: plain descent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SgdOptions {
    /// Part of the last velocity that the next one keeps; 0.
    pub momentum: f64,
    /// Looks ahead along the velocity; off. Needs a momentum to have an effect.
    pub nesterov: bool,
    /// Times the weight, added to the gradient; 0.
    pub weight_decay: f64,
}

impl SgdOptions {
    fn build(self) -> ModuleOptimizer {
        let Self { momentum, nesterov, weight_decay } = self;
        let momentum =
            (momentum != 0.0).then_some(MomentumConfig { momentum, dampening: 0.0, nesterov });
        SgdConfig::new().with_momentum(momentum).with_weight_decay(decay_of(weight_decay)).init()
    }
}

fn decay_of(weight_decay: f64) -> Option<WeightDecayConfig> {
    (weight_decay != 0.0).then(|| WeightDecayConfig::new(weight_decay as f32))
}
