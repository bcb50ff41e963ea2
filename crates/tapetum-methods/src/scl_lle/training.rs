//! Training SCL-LLE with the terms that need no other network.

use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, decay::WeightDecayConfig};
use burn::tensor::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};
use serde::{Deserialize, Serialize};
use tapetum_nn::{
    Weights, gradients,
    layers::InitialWeights,
    prelude::*,
    recipe::{Batch, Recipe, RecipeError, TermValue},
    weights::{from_safetensors, to_safetensors},
};

use super::{losses, network::CurveNetwork, weights};

/// Standard deviation of the initial convolution weights (authors' `train.py`, `weights_init`).
const INITIAL_DEVIATION: f32 = 0.02;

/// Everything that decides a training step. The defaults are the authors' (`train.py`), for the
/// terms that need no other network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Learning rate at the first step.
    pub learning_rate: f64,
    /// Learning rate at the last step, reached along half a cosine.
    pub learning_rate_end: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// Largest norm of the gradient of all parameters together.
    pub gradient_norm_max: f64,
    /// Weight of [`losses::curve_smoothness`].
    pub weight_smoothness: f64,
    /// Weight of [`losses::color_constancy`].
    pub weight_color: f64,
    /// Weight of [`losses::brightness_contrast`].
    pub weight_brightness: f64,
    /// Weight of [`losses::class_brightness`].
    pub weight_class_brightness: f64,
    /// Margin of [`losses::brightness_contrast`].
    pub brightness_margin: f64,
    /// Number of classes of the labels; CamVid's 11.
    pub n_classes: usize,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            learning_rate_end: 1e-4,
            weight_decay: 1e-4,
            gradient_norm_max: 0.1,
            weight_smoothness: 200.0,
            weight_color: 8.0,
            weight_brightness: 10.0,
            weight_class_brightness: 1.0,
            brightness_margin: 0.3,
            n_classes: 11,
        }
    }
}

/// The network in training, with its optimiser.
pub struct Training {
    config: TrainingConfig,
    network: CurveNetwork,
    optimizer: ModuleOptimizer,
    step: usize,
    n_steps: usize,
    device: Device,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`.
    pub fn new(config: TrainingConfig, n_steps: usize, seed: u64, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = CurveNetwork::new(|shape| initial_weights(shape, &mut random), &device);
        let optimizer = AdamConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .init();
        Self { config, network, optimizer, step: 0, n_steps, device }
    }

    fn learning_rate(&self) -> f64 {
        let TrainingConfig { learning_rate: start, learning_rate_end: end, .. } = self.config;
        let progress = self.step as f64 / self.n_steps.max(1) as f64;
        end + (start - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
    }

    /// Each term with its weight.
    fn losses(&self, batch: Batch) -> Vec<(&'static str, f64, Tensor<1>)> {
        let config = &self.config;
        // Labelled images take part in every term; they stand first in the batch.
        let n_labelled = batch.labelled.as_ref().map_or(0, |(images, _)| images.dims()[0]);
        let (low, labels) = match batch.labelled {
            Some((images, labels)) => (Tensor::cat(vec![images, batch.low], 0), Some(labels)),
            None => (batch.low, None),
        };
        let raw_curve_maps = self.network.raw_curve_maps(low.clone());
        let curve_maps = ops::activate(raw_curve_maps.clone(), ops::Activation::Tanh);
        let enhanced = ops::apply_curves(low, raw_curve_maps);
        let contrast = losses::brightness_contrast(
            enhanced.clone(),
            batch.positive,
            batch.negative,
            config.brightness_margin,
        );
        let mut terms = vec![
            ("smoothness", config.weight_smoothness, losses::curve_smoothness(curve_maps)),
            ("color", config.weight_color, losses::color_constancy(enhanced.clone())),
            ("brightness", config.weight_brightness, contrast),
        ];
        if let Some(labels) = labels {
            let enhanced = enhanced.narrow(0, 0, n_labelled);
            let term = losses::class_brightness(enhanced, labels, config.n_classes);
            terms.push(("class_brightness", config.weight_class_brightness, term));
        }
        terms
    }
}

impl Recipe for Training {
    fn step(&mut self, batch: Batch) -> Result<Vec<TermValue>, RecipeError> {
        let losses = self.losses(batch);
        let values = losses.iter().map(|(name, _, term)| {
            let value = f64::from(term.clone().into_scalar::<f32>());
            TermValue { name, value }
        });
        let mut values: Vec<TermValue> = values.collect();
        if let Some(broken) = values.iter().find(|term| !term.value.is_finite()) {
            return Err(RecipeError::NonFinite { term: broken.name, value: broken.value });
        }
        let weighted = losses.into_iter().map(|(_, weight, term)| term * weight);
        let total = weighted.reduce(|sum, term| sum + term).expect("there is a term");
        let grads = GradientsParams::from_grads(total.backward(), &self.network);
        let (grads, norm) =
            gradients::clip_norm(grads, &self.network, self.config.gradient_norm_max);
        let learning_rate = self.learning_rate();
        self.network = self.optimizer.step(learning_rate, self.network.clone(), grads);
        self.step += 1;
        values.push(TermValue { name: "gradient_norm", value: norm });
        values.push(TermValue { name: "learning_rate", value: learning_rate });
        Ok(values)
    }

    fn network(&self) -> Box<dyn Network> {
        Box::new(self.network.clone().valid())
    }

    fn weights(&self) -> Weights {
        let mut weights = weights::write(&self.network);
        weights.flush_denormals();
        weights
    }

    fn checkpoint(&self) -> Vec<u8> {
        let mut weights = weights::write(&self.network);
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
        let ids = weights.header.get("parameter_ids");
        let ids: Vec<u64> = ids
            .and_then(|ids| serde_json::from_str(ids).ok())
            .filter(|ids: &Vec<u64>| ids.len() == weights.tensors.len())
            .ok_or_else(|| bad("its parameter identities are missing"))?;
        let step = weights.header.get("step").and_then(|step| step.parse().ok());
        self.step = step.ok_or_else(|| bad("its step is missing"))?;
        let network = weights::read(&weights, &self.device)?;
        self.network = gradients::with_parameter_ids(network, &ids);
        let bytes = Bytes::from_bytes_vec(optimizer.to_vec());
        let restored = self.optimizer.clone().from_bytes(bytes);
        self.optimizer = restored.map_err(|e| RecipeError::Checkpoint(e.to_string()))?;
        Ok(())
    }
}

/// Weights from N(0, 0.02²); biases from U(-1/√fan, 1/√fan), the framework's default that the
/// authors' initialisation leaves alone.
fn initial_weights(shape: [usize; 4], random: &mut ChaCha8Rng) -> InitialWeights {
    let fan = shape[1..].iter().product::<usize>();
    let bound = 1.0 / (fan as f32).sqrt();
    let normal = Normal::new(0.0, INITIAL_DEVIATION).expect("the deviation is positive");
    let uniform = Uniform::new(-bound, bound).expect("the bound is positive");
    InitialWeights {
        weight: normal.sample_iter(&mut *random).take(shape[0] * fan).collect(),
        bias: uniform.sample_iter(&mut *random).take(shape[0]).collect(),
    }
}
