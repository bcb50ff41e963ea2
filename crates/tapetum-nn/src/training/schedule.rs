//! How the learning rate changes over a run. Functions of the step alone, so that a resumed run
//! needs to remember nothing.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::setting::{SettingError, check};

/// Factor on the base learning rate over a run: `kind = "constant"`, `"cosine"`, `"multi-step"`,
/// `"exponential"` or `"poly"`. Steps count from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// 1 throughout.
    Constant(Unchanged),
    /// Half a cosine from 1 to `end`.
    Cosine(CosineDecay),
    /// A drop at each of some steps.
    MultiStep(MultiStepDecay),
    /// A drop every so many steps.
    Exponential(ExponentialDecay),
    /// A power of the part of the run that is left.
    Poly(PolynomialDecay),
}

/// No settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {}

/// `end + (1 - end) (1 + cos(π step / n_steps)) / 2`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineDecay {
    /// Factor after the last step; 0.
    pub end: f64,
}

/// `factor` to the power of how many of `steps` have been reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiStepDecay {
    /// First steps with a smaller learning rate, in any order; a step named twice counts twice.
    pub steps: Vec<usize>,
    /// Factor at each of them; 0.1.
    #[serde(default = "tenth")]
    pub factor: f64,
}

/// `factor` to the power of `step / every`, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDecay {
    /// Factor at each drop.
    pub factor: f64,
    /// Steps between drops; 1. An epoch's steps give the decay by epoch.
    #[serde(default = "one")]
    pub every: usize,
}

/// `end + (1 - end) (1 - step / n_steps)^power`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolynomialDecay {
    /// 0.9, as segmentation networks are trained with; 1 is linear.
    pub power: f64,
    /// Factor after the last step; 0.
    pub end: f64,
}

impl Default for PolynomialDecay {
    fn default() -> Self {
        Self { power: 0.9, end: 0.0 }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(Unchanged {})
    }
}

impl Schedule {
    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        match *self {
            Self::Constant(_) => Ok(()),
            Self::Cosine(CosineDecay { end }) => check("schedule.end", end, 0.0..=1e6),
            Self::MultiStep(MultiStepDecay { factor, .. })
            | Self::Exponential(ExponentialDecay { factor, .. }) => {
                check("schedule.factor", factor, 0.0..=1e6)
            }
            Self::Poly(PolynomialDecay { power, end }) => {
                check("schedule.power", power, 0.0..=1e6)?;
                check("schedule.end", end, 0.0..=1e6)
            }
        }
    }

    /// Factor on the base learning rate at `step` of a run of `n_steps`; beyond its end, that of
    /// the end.
    pub fn factor_at(&self, step: usize, n_steps: usize) -> f64 {
        let step = step.min(n_steps);
        let progress = step as f64 / n_steps.max(1) as f64;
        let down_to = |end: f64, left: f64| end + (1.0 - end) * left;
        match self {
            Self::Constant(Unchanged {}) => 1.0,
            Self::Cosine(CosineDecay { end }) => down_to(*end, 0.5 * (1.0 + (PI * progress).cos())),
            Self::MultiStep(MultiStepDecay { steps, factor }) => {
                power(*factor, steps.iter().filter(|&&drop| drop <= step).count())
            }
            Self::Exponential(ExponentialDecay { factor, every }) => {
                power(*factor, step / every.max(&1))
            }
            Self::Poly(PolynomialDecay { power, end }) => {
                down_to(*end, (1.0 - progress).powf(*power))
            }
        }
    }
}

/// Factor of a linear rise over the first `warmup_steps`: `1 / warmup_steps` at step 0, and 1 from
/// step `warmup_steps - 1` on.
pub(crate) fn warmup_at(step: usize, warmup_steps: usize) -> f64 {
    match step + 1 < warmup_steps {
        true => (step + 1) as f64 / warmup_steps as f64,
        false => 1.0,
    }
}

fn power(factor: f64, n_drops: usize) -> f64 {
    factor.powf(n_drops as f64)
}

fn tenth() -> f64 {
    0.1
}

fn one() -> usize {
    1
}
