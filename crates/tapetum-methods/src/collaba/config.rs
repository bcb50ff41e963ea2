//! What decides how the network is built and a training step: sizes, rates, weights.

use serde::{Deserialize, Serialize};
use tapetum_nn::{
    MethodCard,
    backbones::VggInput,
    training::{
        AdamOptions, AverageConfig, ExponentialDecay, LearnerConfig, MultiStepDecay,
        OptimizerConfig, Schedule, SettingError, check,
    },
};

use super::{cards, discriminators::Adversary};

/// How the generator is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// How wide it is.
    pub size: Size,
    /// How many times larger the result is on each side.
    pub scale: Scale,
    /// How features become a larger image.
    pub upscaler: Upscaler,
}

/// How wide the generator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// The paper's: 80 features.
    Large,
    /// The same structure for a CPU (ours, `collaba-s`): 32 features, and a quarter of the channels in the U-Net of
    /// the map.
    #[default]
    Compact,
}

/// How many times larger the result is on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum Scale {
    /// As large as the image.
    X1,
    /// Twice.
    #[default]
    X2,
    /// Four times.
    X4,
}

/// How features become a larger image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upscaler {
    /// Pixels doubled, then filtered: the authors' code.
    #[default]
    Nearest,
    /// A reconstruction of what the paper calls multi-substrate merging: pixels doubled, interpolated and shuffled
    /// from channels, each filtered, and fused.
    MultiSubstrate,
}

impl NetworkConfig {
    /// `q`: side in pixels of the squares that become channels. Features are as many times smaller than the
    /// image, and the result is four times as large as they are.
    pub fn unshuffling(&self) -> usize {
        4 / self.scale.factor()
    }

    pub(super) fn card(&self) -> &'static MethodCard {
        match (self.size, self.scale) {
            (Size::Compact, Scale::X1) => &cards::COMPACT_X1,
            (Size::Compact, Scale::X2) => &super::CARD,
            (Size::Compact, Scale::X4) => &cards::COMPACT_X4,
            (Size::Large, Scale::X1) => &cards::LARGE_X1,
            (Size::Large, Scale::X2) => &cards::LARGE_X2,
            (Size::Large, Scale::X4) => &cards::LARGE_X4,
        }
    }
}

impl Size {
    /// Features at the full size.
    pub(super) fn n_features(self) -> usize {
        match self {
            Self::Large => 80,
            Self::Compact => 32,
        }
    }

    /// Channels from the finest of three sizes on: half as many more each time.
    pub(super) fn widths(self) -> [usize; 3] {
        let n = self.n_features();
        [n, n * 3 / 2, n * 9 / 4]
    }

    /// Channels of the map's U-Net at the full size.
    pub(super) fn n_illumination(self) -> usize {
        match self {
            Self::Large => 64,
            Self::Compact => 16,
        }
    }

    /// Whether the convolution is there that the authors' network has and does not use.
    pub(super) fn carries_hr(self) -> bool {
        self == Self::Large
    }
}

impl Scale {
    /// As a number.
    pub fn factor(self) -> usize {
        match self {
            Self::X1 => 1,
            Self::X2 => 2,
            Self::X4 => 4,
        }
    }
}

impl TryFrom<u32> for Scale {
    type Error = String;

    fn try_from(factor: u32) -> Result<Self, String> {
        let known = [Self::X1, Self::X2, Self::X4];
        let found = known.into_iter().find(|scale| scale.factor() as u32 == factor);
        found.ok_or_else(|| format!("expected a scale of 1, 2 or 4, found {factor}"))
    }
}

impl From<Scale> for u32 {
    fn from(scale: Scale) -> Self {
        scale.factor() as Self
    }
}

/// Everything that decides a training step. The defaults are those of the authors' option file for twice the size, with
/// the implicit term reaching the generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// The generator.
    pub network: NetworkConfig,
    /// Learning rate of generator and discriminators, from which the schedule starts.
    pub learning_rate: f64,
    /// How it changes; steps are those of the discriminators, or of the generator where there are none.
    pub schedule: Schedule,
    /// Steps of a linear rise at the beginning.
    pub warmup_steps: usize,
    /// What makes steps of gradients.
    pub optimizer: OptimizerConfig,
    /// Largest norm of the gradient of each network's parameters together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm_max: Option<f64>,
    /// The generator's moving average, which users get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageConfig>,
    /// Which discriminators there are.
    pub adversary: Adversary,
    /// Their channels at the full size.
    pub n_discriminator: usize,
    /// Steps of the discriminators for each of the generator, which learns in the first of them.
    pub n_discriminator_steps: usize,
    /// Side in pixels of the squares that the patch discriminator judges.
    pub patch_px: usize,
    /// How many squares it judges in a step.
    pub n_patches: usize,
    /// What the generator is told of the discriminators' own loss.
    pub implicit: Implicit,
    /// Whether the weights of the terms are learned.
    pub weights: TermWeights,
    /// Factor on the absolute difference.
    pub weight_pixel: f64,
    /// `λ_p`: factor on the perceptual term, which needs VGG.
    pub weight_perceptual: f64,
    /// Factors on the layers of VGG, the last convolution of each block before its rectifier.
    pub layers_perceptual: [f64; 5],
    /// How VGG is to see images.
    pub vgg_input: VggInput,
    /// Factor on the illumination prior.
    pub weight_illumination: f64,
    /// Factor on the adversarial term.
    pub weight_adversarial: f64,
    /// Factor on the smoothness of the map.
    pub weight_smoothness: f64,
}

/// What the generator is told of the discriminators' own loss `f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Implicit {
    /// Its gradient through the made image, times `-κ`: the response of the discriminators to the generator.
    Attached,
    /// Nothing, as in the released code: `κ` is computed, but the made image is cut off from the generator.
    Detached,
    /// Nothing, and `κ` is not computed.
    Off,
}

/// Whether the weights of the terms are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermWeights {
    /// `ϱ`, with the generator.
    Learned,
    /// They stay at 1.
    Fixed,
}

impl TrainingConfig {
    /// Twice the size, all five terms, the implicit term reaching the generator.
    pub fn paper() -> Self {
        let drops = MultiStepDecay { steps: vec![20_000, 40_000, 60_000, 80_000], factor: 0.5 };
        let adam = AdamOptions { beta_1: 0.9, beta_2: 0.99, ..AdamOptions::default() };
        Self {
            network: NetworkConfig { size: Size::Large, ..NetworkConfig::default() },
            learning_rate: 1e-4,
            schedule: Schedule::MultiStep(drops),
            warmup_steps: 0,
            optimizer: OptimizerConfig::Adam(adam),
            gradient_norm_max: None,
            average: Some(AverageConfig { decay: 0.999, ramp: false }),
            adversary: Adversary::Global,
            n_discriminator: 64,
            n_discriminator_steps: 1,
            patch_px: 64,
            n_patches: 4,
            implicit: Implicit::Attached,
            weights: TermWeights::Learned,
            weight_pixel: 1.0,
            weight_perceptual: 1.2,
            layers_perceptual: [0.1, 0.1, 1.0, 1.0, 1.0],
            vgg_input: VggInput::Normalized,
            weight_illumination: 1.0,
            weight_adversarial: 0.1,
            weight_smoothness: 1.0,
        }
    }

    /// The authors' option file for twice the size, and their code: the implicit term has no effect.
    pub fn released_x2() -> Self {
        Self { implicit: Implicit::Detached, ..Self::paper() }
    }

    /// Their option file for four times the size: no implicit term, three steps of the discriminator for one of the
    /// generator.
    pub fn released_x4() -> Self {
        Self {
            network: NetworkConfig {
                size: Size::Large,
                scale: Scale::X4,
                ..NetworkConfig::default()
            },
            learning_rate: 2e-4,
            n_discriminator_steps: 3,
            implicit: Implicit::Off,
            weight_perceptual: 1.0,
            ..Self::paper()
        }
    }

    /// The generator alone, before the game; our reading, as there is no option file of this stage.
    pub fn first_stage() -> Self {
        Self { learning_rate: 2e-4, adversary: Adversary::None, ..Self::paper() }
    }

    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.learner().check()?;
        let [first, second, third, fourth, fifth] = self.layers_perceptual;
        let factors = [
            ("weight_pixel", self.weight_pixel),
            ("weight_perceptual", self.weight_perceptual),
            ("weight_illumination", self.weight_illumination),
            ("weight_adversarial", self.weight_adversarial),
            ("weight_smoothness", self.weight_smoothness),
            ("layers_perceptual", first),
            ("layers_perceptual", second),
            ("layers_perceptual", third),
            ("layers_perceptual", fourth),
            ("layers_perceptual", fifth),
        ];
        factors.into_iter().try_for_each(|(key, factor)| check(key, factor, 0.0..=1e9))?;
        let counts = [
            ("n_discriminator", self.n_discriminator, 1024),
            ("n_discriminator_steps", self.n_discriminator_steps, 1000),
            ("patch_px", self.patch_px, 4096),
            ("n_patches", self.n_patches, 4096),
        ];
        counts
            .into_iter()
            .try_for_each(|(key, count, most)| check(key, count as f64, 1.0..=f64::from(most)))
    }

    /// What of it concerns every optimiser.
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

    /// The generator's, which takes a step where the discriminators take several, and has an average.
    pub(super) fn generator_learner(&self) -> LearnerConfig {
        let n = match self.adversary {
            Adversary::None => 1,
            _ => self.n_discriminator_steps,
        };
        let schedule = match self.schedule.clone() {
            Schedule::MultiStep(MultiStepDecay { steps, factor }) => {
                let steps = steps.into_iter().map(|step| step.div_ceil(n)).collect();
                Schedule::MultiStep(MultiStepDecay { steps, factor })
            }
            Schedule::Exponential(ExponentialDecay { factor, every }) => {
                Schedule::Exponential(ExponentialDecay { factor, every: every.div_ceil(n) })
            }
            other => other,
        };
        let warmup_steps = self.warmup_steps.div_ceil(n);
        LearnerConfig { schedule, warmup_steps, average: self.average, ..self.learner() }
    }

    /// How many steps the generator takes in a run.
    pub(super) fn n_steps_of_generator(&self, n_steps: usize) -> usize {
        match self.adversary {
            Adversary::None => n_steps,
            _ => n_steps.div_ceil(self.n_discriminator_steps),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self::paper()
    }
}
