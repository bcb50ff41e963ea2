//! Training SCL-LLE: a step of the optimiser, and its state.

use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, decay::WeightDecayConfig};
use burn::tensor::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};
use tapetum_nn::{
    Weights, gradients,
    layers::InitialWeights,
    prelude::*,
    recipe::{Batch, Recipe, RecipeError, TermValue},
    weights::{from_safetensors, to_safetensors},
};

use super::{
    helpers::{HelperError, Helpers},
    network::CurveNetwork,
    terms::terms,
    weights,
};

pub use super::config::{ClassBrightness, SegmentationGradient, TrainingConfig, VggInput};

/// Standard deviation of the initial convolution weights (authors' `train.py`, `weights_init`).
const INITIAL_DEVIATION: f32 = 0.02;

/// The network in training, with its optimiser.
pub struct Training {
    config: TrainingConfig,
    helpers: Helpers,
    network: CurveNetwork,
    optimizer: ModuleOptimizer,
    step: usize,
    n_steps: usize,
    device: Device,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, which is that
    /// of the helpers too.
    ///
    /// # Errors
    /// A term has a weight and not its helper, or the segmenter has fewer classes than the labels.
    pub fn new(
        config: TrainingConfig,
        helpers: Helpers,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, HelperError> {
        helpers.check(&config)?;
        let device = device.clone().autodiff();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = CurveNetwork::new(|shape| initial_weights(shape, &mut random), &device);
        let optimizer = AdamConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(Some(WeightDecayConfig::new(config.weight_decay)))
            .init();
        Ok(Self { config, helpers, network, optimizer, step: 0, n_steps, device })
    }

    fn learning_rate(&self) -> f64 {
        let TrainingConfig { learning_rate: start, learning_rate_end: end, .. } = self.config;
        let progress = self.step as f64 / self.n_steps.max(1) as f64;
        end + (start - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
    }
}

impl Recipe for Training {
    fn step(&mut self, batch: Batch) -> Result<Vec<TermValue>, RecipeError> {
        let terms = terms(&self.config, &self.helpers, &self.network, batch);
        let values = terms.iter().map(|term| {
            let value = f64::from(term.loss.clone().into_scalar::<f32>());
            TermValue { name: term.name, value }
        });
        let mut values: Vec<TermValue> = values.collect();
        if let Some(broken) = values.iter().find(|term| !term.value.is_finite()) {
            return Err(RecipeError::NonFinite { term: broken.name, value: broken.value });
        }
        let weighted = terms.into_iter().map(|term| term.loss * term.weight);
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
