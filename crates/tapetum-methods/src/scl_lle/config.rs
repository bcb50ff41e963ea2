//! What decides a training step: rates, the seven terms' weights, and where the authors' code differs.

use serde::{Deserialize, Serialize};
use tapetum_nn::{
    backbones::VggInput,
    training::{
        AdamOptions, AverageConfig, LearnerConfig, OptimizerConfig, Schedule, SettingError, check,
    },
};

/// Everything that decides a training step. The numbers are the authors' (`train.py`, `Myloss.py`); the
/// default is [`TrainingConfig::paper`]. Three terms need a network trained elsewhere and are left out with a
/// weight of 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Learning rate that the schedule starts from.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Steps of a linear rise at the beginning.
    pub warmup_steps: usize,
    /// What makes steps of gradients.
    pub optimizer: OptimizerConfig,
    /// Largest norm of the gradient of all parameters together.
    pub gradient_norm_max: f64,
    /// A moving average of the weights, which users then get instead of the weights themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageConfig>,
    /// Weight of [`curve_smoothness`](super::losses::curve_smoothness).
    pub weight_smoothness: f64,
    /// Weight of [`color_constancy`](super::losses::color_constancy).
    pub weight_color: f64,
    /// Weight of [`brightness_contrast`](super::losses::brightness_contrast).
    pub weight_brightness: f64,
    /// Weight of [`style_contrast`](super::losses::style_contrast); needs VGG-16.
    pub weight_style: f64,
    /// Weight of [`feature_preservation`](super::losses::feature_preservation); needs VGG-16.
    pub weight_features: f64,
    /// Weight of the term that [`Self::class_brightness`] names.
    pub weight_class_brightness: f64,
    /// Weight of [`segmentation`](super::losses::segmentation); needs a segmenter.
    pub weight_segmentation: f64,
    /// Margin of [`brightness_contrast`](super::losses::brightness_contrast).
    pub brightness_margin: f64,
    /// Margin of [`style_contrast`](super::losses::style_contrast).
    pub style_margin: f64,
    /// Which of the two forms of `L_sbc`.
    pub class_brightness: ClassBrightness,
    /// Whether the segmentation term teaches anything.
    pub segmentation_gradient: SegmentationGradient,
    /// What VGG-16 sees.
    pub vgg_input: VggInput,
    /// Number of classes of the labels.
    pub n_classes: usize,
}

/// A form of semantic brightness consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassBrightness {
    /// [`class_brightness`](super::losses::class_brightness).
    PerImage,
    /// [`class_brightness_released`](super::losses::class_brightness_released).
    Released,
}

/// What becomes of the segmentation term's gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentationGradient {
    /// It flows through the segmenter to the enhanced image.
    Flows,
    /// It ends before the segmenter, as in `train.py`: the term is reported and teaches nothing.
    Cut,
}

impl TrainingConfig {
    /// All seven terms, each with a gradient that reaches the network, on Cityscapes' 19 classes.
    pub fn paper() -> Self {
        Self {
            learning_rate: 1e-4,
            schedule: Schedule::default(),
            warmup_steps: 0,
            optimizer: OptimizerConfig::Adam(AdamOptions {
                weight_decay: 1e-4,
                ..AdamOptions::default()
            }),
            gradient_norm_max: 0.1,
            average: None,
            weight_smoothness: 200.0,
            weight_color: 8.0,
            weight_brightness: 10.0,
            weight_style: 5.0,
            weight_features: 1.0,
            weight_class_brightness: 1.0,
            weight_segmentation: 1.0,
            brightness_margin: 0.3,
            style_margin: 0.04,
            class_brightness: ClassBrightness::PerImage,
            segmentation_gradient: SegmentationGradient::Flows,
            vgg_input: VggInput::Unscaled,
            n_classes: 19,
        }
    }

    /// Whether every number is one that can train.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        self.learner().check()?;
        let weights = [
            ("weight_smoothness", self.weight_smoothness),
            ("weight_color", self.weight_color),
            ("weight_brightness", self.weight_brightness),
            ("weight_style", self.weight_style),
            ("weight_features", self.weight_features),
            ("weight_class_brightness", self.weight_class_brightness),
            ("weight_segmentation", self.weight_segmentation),
            ("brightness_margin", self.brightness_margin),
            ("style_margin", self.style_margin),
        ];
        weights.into_iter().try_for_each(|(key, weight)| check(key, weight, 0.0..=1e9))?;
        // Labels are bytes.
        check("n_classes", self.n_classes as f64, 1.0..=255.0)
    }

    /// What of it concerns the optimiser.
    pub(super) fn learner(&self) -> LearnerConfig {
        LearnerConfig {
            learning_rate: self.learning_rate,
            optimizer: self.optimizer,
            schedule: self.schedule.clone(),
            warmup_steps: self.warmup_steps,
            gradient_norm_max: Some(self.gradient_norm_max),
            average: self.average,
        }
    }

    /// What the authors' code computes on batches of two.
    pub fn released() -> Self {
        Self {
            class_brightness: ClassBrightness::Released,
            segmentation_gradient: SegmentationGradient::Cut,
            ..Self::paper()
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self::paper()
    }
}
