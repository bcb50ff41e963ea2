//! Training DeepLabv3+: a step of the optimiser, and its state.

use std::collections::BTreeMap;

use burn::tensor::Gradients;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_nn::{
    Weights, WeightsError,
    ops::BatchMoments,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    training::{
        Learner, LearnerConfig, OptimizerConfig, PolynomialDecay, Schedule, SettingError,
        SgdOptions, check, join, split,
    },
    weights::{from_safetensors, to_safetensors},
};
use thiserror::Error;

use super::{
    deeplab::{DeeplabNetwork, Head, logits},
    initial_weights::initial_weights,
    losses,
    mobilenet_v2::MobileNetV2,
    running::RunningStatistics,
    trained_layer::{TrainedLayer, TrainingPass},
    weights::{read_deeplab, read_statistics, read_trained_deeplab, write_trained_deeplab},
};

/// Everything that decides a training step. Where nothing else is said, the numbers are those of the
/// authors of the released weights (`main.py`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Learning rate of pyramid and decoder at the first step; from there it falls to 0.
    pub learning_rate: f64,
    /// Learning rate of the backbone, as a share of the others'.
    pub backbone_rate: f64,
    /// Power of the share of steps still to come that the learning rates are multiplied by.
    pub power: f64,
    /// Share of the last direction that a step keeps.
    pub momentum: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Largest norm of the gradient of the backbone, and of the rest; ours.
    pub gradient_norm_max: f64,
    /// Share of a batch's statistics in the running ones of the pyramid and the decoder.
    pub statistics_rate: f32,
    /// The same of the backbone. The authors' 0.01 needs thousands of steps to forget the classifier's.
    pub backbone_statistics_rate: f32,
    /// Share of the pyramid's results that a step leaves out (`_deeplab.py`).
    pub dropout: f32,
    /// Number of classes of the labels; labels beyond them are void.
    pub n_classes: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            backbone_rate: 0.1,
            power: 0.9,
            momentum: 0.9,
            weight_decay: 1e-4,
            gradient_norm_max: 10.0,
            statistics_rate: 0.1,
            backbone_statistics_rate: 0.1,
            dropout: 0.1,
            n_classes: 11,
        }
    }
}

/// What training starts from.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The names of the classes.
    pub classes: &'static [&'static str],
    /// A classifier trained on ImageNet, as
    /// [`backbone_of_classifier`](super::weights::backbone_of_classifier) takes it; the backbone starts from
    /// random weights where there is none.
    pub classifier: Option<&'a Weights>,
}

/// Why training cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration and the names disagree.
    #[error("expected the names of {expected} classes, got {found}")]
    Classes {
        /// By the configuration.
        expected: usize,
        /// Names.
        found: usize,
    },
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The classifier is another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The network in training, its two parts with an optimiser each.
pub struct Training {
    config: TrainingConfig,
    classes: &'static [&'static str],
    backbone: Learner<MobileNetV2<TrainedLayer>>,
    head: Learner<Head<TrainedLayer>>,
    statistics: RunningStatistics,
    seed: u64,
    device: Device,
}

impl TrainingConfig {
    fn check(&self) -> Result<(), SettingError> {
        self.learner(self.backbone_rate).check()?;
        self.learner(1.0).check()?;
        let rates = [
            ("statistics_rate", self.statistics_rate),
            ("backbone_statistics_rate", self.backbone_statistics_rate),
            ("dropout", self.dropout),
        ];
        rates.into_iter().try_for_each(|(key, rate)| check(key, f64::from(rate), 0.0..=1.0))
    }

    /// Of a part of the network, with a share of the learning rate.
    fn learner(&self, share: f64) -> LearnerConfig {
        LearnerConfig {
            learning_rate: self.learning_rate * share,
            optimizer: OptimizerConfig::Sgd(SgdOptions {
                momentum: self.momentum,
                nesterov: false,
                weight_decay: self.weight_decay,
            }),
            schedule: Schedule::Poly(PolynomialDecay { power: self.power, end: 0.0 }),
            warmup_steps: 0,
            gradient_norm_max: Some(self.gradient_norm_max),
            average: None,
        }
    }
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, one with
    /// gradients.
    ///
    /// # Errors
    /// A setting is out of its range, there are not as many names as classes, or the classifier is another
    /// network.
    pub fn new(
        config: TrainingConfig,
        start: Start,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        let Start { classes, classifier } = start;
        config.check()?;
        let (expected, found) = (config.n_classes, classes.len());
        if expected != found {
            return Err(StartError::Classes { expected, found });
        }
        let weights = initial_weights(expected, classifier, seed)?;
        let (network, statistics) = read_trained_deeplab(&weights, expected, device)?;
        let DeeplabNetwork { backbone, head } = network;
        let backbone = Learner::new(backbone, config.learner(config.backbone_rate), n_steps);
        let head = Learner::new(head, config.learner(1.0), n_steps);
        Ok(Self { config, classes, backbone, head, statistics, seed, device: device.clone() })
    }

    /// The loss of a batch and its gradients times `share`; its statistics join the others.
    fn backward(&self, idx: usize, mut batch: Batch, share: f64) -> Result<Passed, RecipeError> {
        let data = |message: String| RecipeError::Data(message);
        let part = batch.labelled("labelled");
        let (images, labels) = part.ok_or_else(|| data("expected [data.labelled]".to_owned()))?;
        let n_images = images.dims()[0];
        if n_images < 2 {
            // The pyramid normalises means over whole images.
            return Err(data(format!("expected at least 2 photographs a batch, got {n_images}")));
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(((self.head.step() as u64) << 16) | idx as u64);
        let mut pass = TrainingPass::new(random, self.config.dropout);
        let logits = logits(self.backbone.module(), self.head.module(), images, &mut pass);
        let loss = losses::cross_entropy(logits, labels);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(RecipeError::NonFinite { term: "cross_entropy", value });
        }
        let gradients = (loss * share).backward();
        Ok(Passed { loss: value, gradients, moments: pass.moments })
    }

    /// Collects the gradients of all batches; gives the mean loss and the statistics of each.
    fn collect(
        &mut self,
        batches: Vec<Batch>,
    ) -> Result<(f64, Vec<BTreeMap<String, BatchMoments>>), RecipeError> {
        let share = 1.0 / batches.len().max(1) as f64;
        let (mut loss, mut moments) = (0.0, Vec::new());
        for (idx, batch) in batches.into_iter().enumerate() {
            let mut passed = self.backward(idx, batch, share)?;
            loss += passed.loss * share;
            moments.push(passed.moments);
            self.backbone.collect(&mut passed.gradients);
            self.head.collect(&mut passed.gradients);
        }
        // Neither part moves where the other could not.
        self.backbone.check()?;
        self.head.check()?;
        Ok((loss, moments))
    }

    fn written(&self) -> Weights {
        let layers = self.backbone.module().layers().chain(self.head.module().layers());
        write_trained_deeplab(layers, &self.statistics)
    }
}

/// What a batch leaves behind.
struct Passed {
    loss: f64,
    gradients: Gradients,
    moments: BTreeMap<String, BatchMoments>,
}

const NEEDS: &[Need] = &[Need { name: "labelled", form: Form::Labelled, is_required: true }];

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let (loss, moments) = self.collect(batches).inspect_err(|_| {
            self.backbone.discard();
            self.head.discard();
        })?;
        let of_backbone = self.backbone.update()?;
        let of_head = self.head.update()?;
        let TrainingConfig { statistics_rate, backbone_statistics_rate, .. } = self.config;
        let is_backbone = |norm: &str| norm.starts_with("backbone.");
        let rate = |norm: &str| {
            if is_backbone(norm) { backbone_statistics_rate } else { statistics_rate }
        };
        moments.iter().for_each(|moments| self.statistics.update(moments, rate));
        let values = [
            ("cross_entropy", loss),
            ("gradient_norm", of_head.gradient_norm),
            ("backbone_gradient_norm", of_backbone.gradient_norm),
            ("learning_rate", of_head.learning_rate),
        ];
        Ok(values.map(|(name, value)| TermValue { name, value }).to_vec())
    }

    fn trained(&self) -> Trained {
        let network = read_deeplab(&self.weights(), self.classes, &self.device);
        Trained::Segmenter(Box::new(network.expect("what is written can be read")))
    }

    fn weights(&self) -> Weights {
        let mut weights = self.written();
        weights.flush_denormals();
        weights
    }

    fn checkpoint(&self) -> Vec<u8> {
        let mut statistics = Weights::default();
        self.statistics.write(&mut statistics);
        join(&[
            ("backbone", &self.backbone.checkpoint()),
            ("head", &self.head.checkpoint()),
            ("statistics", &to_safetensors(&statistics)),
        ])
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        let [backbone, head, statistics] = split(checkpoint, ["backbone", "head", "statistics"])?;
        let statistics = read_statistics(&from_safetensors(statistics)?, self.config.n_classes)?;
        self.backbone.restore(backbone)?;
        self.head.restore(head)?;
        self.statistics = statistics;
        Ok(())
    }
}
