//! Training DeepLabv3+: a step of the optimiser, and its state.

use std::collections::BTreeMap;

use burn::optim::{
    GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig, decay::WeightDecayConfig,
    momentum::MomentumConfig,
};
use burn::tensor::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_nn::{
    Weights, WeightsError, gradients,
    ops::BatchMoments,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    weights::{from_safetensors, to_safetensors},
};
use thiserror::Error;

use super::{
    deeplab::DeeplabNetwork,
    initial_weights::initial_weights,
    losses,
    running::RunningStatistics,
    trained_layer::{TrainedLayer, TrainingPass},
    weights::{read_deeplab, read_trained_deeplab, write_trained_deeplab},
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
    pub weight_decay: f32,
    /// Largest norm of the gradient of all parameters together; ours.
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
    /// The classifier is another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The network in training, with its optimiser.
pub struct Training {
    config: TrainingConfig,
    classes: &'static [&'static str],
    network: DeeplabNetwork<TrainedLayer>,
    statistics: RunningStatistics,
    optimizer: ModuleOptimizer,
    step: usize,
    n_steps: usize,
    seed: u64,
    device: Device,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, one with gradients.
    ///
    /// # Errors
    /// There are not as many names as classes, or the classifier is another network.
    pub fn new(
        config: TrainingConfig,
        start: Start,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        let Start { classes, classifier } = start;
        let (expected, found) = (config.n_classes, classes.len());
        if expected != found {
            return Err(StartError::Classes { expected, found });
        }
        let device = device.clone();
        let weights = initial_weights(expected, classifier, seed)?;
        let (network, statistics) = read_trained_deeplab(&weights, expected, &device)?;
        // No dampening: the sum of directions, as PyTorch keeps it.
        let momentum =
            MomentumConfig { momentum: config.momentum, dampening: 0.0, nesterov: false };
        let optimizer = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .init();
        let step = 0;
        Ok(Self { config, classes, network, statistics, optimizer, step, n_steps, seed, device })
    }

    /// Of pyramid and decoder.
    fn learning_rate(&self) -> f64 {
        let progress = self.step as f64 / self.n_steps.max(1) as f64;
        self.config.learning_rate * (1.0 - progress.min(1.0)).powf(self.config.power)
    }

    /// The loss of a batch, its gradients times `share`, and its statistics.
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
        random.set_stream(((self.step as u64) << 16) | idx as u64);
        let mut pass = TrainingPass::new(random, self.config.dropout);
        let loss = losses::cross_entropy(self.network.logits(images, &mut pass), labels);
        let value = finite("cross_entropy", f64::from(loss.clone().into_scalar::<f32>()))?;
        let gradients = (loss * share).backward();
        let gradients = GradientsParams::from_grads(gradients, &self.network);
        Ok(Passed { loss: value, gradients, moments: pass.moments })
    }

    /// Moves the parameters, the backbone's more slowly than the others.
    fn descend(&mut self, mut gradients: GradientsParams, learning_rate: f64) {
        let of_backbone = gradients::take_part(&mut gradients, &self.network.backbone);
        let rates = [learning_rate * self.config.backbone_rate, learning_rate];
        for (rate, gradients) in rates.into_iter().zip([of_backbone, gradients]) {
            self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        }
    }
}

/// What a batch leaves behind.
struct Passed {
    loss: f64,
    gradients: GradientsParams,
    moments: BTreeMap<String, BatchMoments>,
}

fn finite(term: &'static str, value: f64) -> Result<f64, RecipeError> {
    if value.is_finite() { Ok(value) } else { Err(RecipeError::NonFinite { term, value }) }
}

const NEEDS: &[Need] = &[Need { name: "labelled", form: Form::Labelled, is_required: true }];

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let share = 1.0 / batches.len().max(1) as f64;
        let mut accumulator = GradientsAccumulator::new();
        let (mut loss, mut moments) = (0.0, Vec::new());
        for (idx, batch) in batches.into_iter().enumerate() {
            let passed = self.backward(idx, batch, share)?;
            loss += passed.loss * share;
            moments.push(passed.moments);
            accumulator.accumulate(&self.network, passed.gradients);
        }
        let norm_max = self.config.gradient_norm_max;
        let (gradients, norm) = gradients::clip_norm(accumulator.grads(), &self.network, norm_max);
        finite("gradient_norm", norm)?;
        let learning_rate = self.learning_rate();
        self.descend(gradients, learning_rate);
        let TrainingConfig { statistics_rate, backbone_statistics_rate, .. } = self.config;
        let is_backbone = |norm: &str| norm.starts_with("backbone.");
        let rate = |norm: &str| {
            if is_backbone(norm) { backbone_statistics_rate } else { statistics_rate }
        };
        moments.iter().for_each(|moments| self.statistics.update(moments, rate));
        self.step += 1;
        let values =
            [("cross_entropy", loss), ("gradient_norm", norm), ("learning_rate", learning_rate)];
        Ok(values.map(|(name, value)| TermValue { name, value }).to_vec())
    }

    fn trained(&self) -> Trained {
        let network = read_deeplab(&self.weights(), self.classes, &self.device);
        Trained::Segmenter(Box::new(network.expect("what is written can be read")))
    }

    fn weights(&self) -> Weights {
        let mut weights = write_trained_deeplab(&self.network, &self.statistics);
        weights.flush_denormals();
        weights
    }

    fn checkpoint(&self) -> Vec<u8> {
        let mut weights = write_trained_deeplab(&self.network, &self.statistics);
        let ids = gradients::parameter_ids(&self.network);
        let ids = serde_json::to_string(&ids).expect("numbers are JSON");
        weights.header.insert("parameter_ids".to_owned(), ids);
        weights.header.insert("step".to_owned(), self.step.to_string());
        let weights = to_safetensors(&weights);
        let optimizer = self.optimizer.into_bytes().expect("optimiser state is serializable");
        let length = (weights.len() as u64).to_le_bytes();
        [&length, weights.as_slice(), &optimizer].concat()
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        let bad = |detail: &str| RecipeError::Checkpoint(detail.to_owned());
        let (length, rest) = checkpoint.split_first_chunk().ok_or_else(|| bad("it is empty"))?;
        let length = u64::from_le_bytes(*length) as usize;
        let (weights, optimizer) =
            rest.split_at_checked(length).ok_or_else(|| bad("it is cut short"))?;
        let weights = from_safetensors(weights)?;
        let (network, statistics) =
            read_trained_deeplab(&weights, self.config.n_classes, &self.device)?;
        let ids = weights.header.get("parameter_ids");
        let ids: Vec<u64> = ids
            .and_then(|ids| serde_json::from_str(ids).ok())
            .filter(|ids: &Vec<u64>| ids.len() == gradients::parameter_ids(&network).len())
            .ok_or_else(|| bad("its parameter identities are missing"))?;
        let step = weights.header.get("step").and_then(|step| step.parse().ok());
        let step = step.ok_or_else(|| bad("its step is missing"))?;
        let bytes = Bytes::from_bytes_vec(optimizer.to_vec());
        let optimizer = self.optimizer.clone().from_bytes(bytes);
        self.optimizer = optimizer.map_err(|e| RecipeError::Checkpoint(e.to_string()))?;
        self.network = gradients::with_parameter_ids(network, &ids);
        (self.statistics, self.step) = (statistics, step);
        Ok(())
    }
}
