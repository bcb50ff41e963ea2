//! Training LACR-VAE: a step of the optimiser, and whether the latent still says something.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    Weights,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    training::{Learner, SettingError, StepValues},
};
use thiserror::Error;

use super::{helpers::Helpers, network::LacrVae, terms::Step, weights};

pub use super::config::{
    Anchor, Contrast, Latent, MultiScale, NetworkConfig, Positions, Reconstruction, Region,
    TrainingConfig,
};

/// What LACR-VAE learns from: pairs, photographed or made from well-lit photographs.
const NEEDS: &[Need] = &[
    Need { name: "paired", form: Form::Pairs, is_required: false },
    Need { name: "synthetic", form: Form::Pairs, is_required: false },
];

/// With fewer active channels than this the latent has collapsed.
const ACTIVE_UNITS_MIN: f64 = 3.0;
/// After so many steps of that, one is told.
const N_COLLAPSED: usize = 50;

/// Why training cannot start.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The texture term has a weight and not its network.
    #[error("the loss term texture has the weight {weight} and needs VGG-16, which was not given")]
    MissingVgg {
        /// Its weight.
        weight: f64,
    },
    /// Both say something about a variance that there is not.
    #[error(
        "a deterministic latent has no divergence, expected weight_divergence = 0, found {weight}"
    )]
    NoDivergence {
        /// The weight.
        weight: f64,
    },
}

/// The network in training, with its optimiser.
pub struct Training {
    config: TrainingConfig,
    helpers: Helpers,
    learner: Learner<LacrVae>,
    seed: u64,
    n_steps: usize,
    /// Steps in a row with a collapsed latent.
    n_collapsed: usize,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, one with
    /// gradients.
    ///
    /// # Errors
    /// A setting is out of its range, or a term with a weight cannot be computed.
    pub fn new(
        config: TrainingConfig,
        helpers: Helpers,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        helpers.check(&config)?;
        let weight = config.weight_divergence;
        if config.network.latent == Latent::Deterministic && weight != 0.0 {
            return Err(StartError::NoDivergence { weight });
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = LacrVae::random(config.network, &mut random, device);
        let learner = Learner::new(network, config.learner(), n_steps);
        Ok(Self { config, helpers, learner, seed, n_steps, n_collapsed: 0 })
    }
}

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let step = self.learner.step();
        let divergence_weight = self.config.divergence_weight_at(step, self.n_steps);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1 + step as u64);
        let mut values = StepValues::of(batches.len());
        for batch in batches {
            let mut step = Step {
                config: &self.config,
                helpers: &self.helpers,
                network: self.learner.module(),
                divergence_weight,
                random: &mut random,
            };
            let (terms, statistics) = step.terms(batch)?;
            self.learner.learn(terms, &mut values)?;
            statistics.into_iter().for_each(|TermValue { name, value }| values.add(name, value));
        }
        let values = self.learner.finish(values)?;
        let active = values.iter().find(|value| value.name == "active_units");
        let is_collapsed = active.is_some_and(|active| active.value < ACTIVE_UNITS_MIN);
        self.n_collapsed = if is_collapsed { self.n_collapsed + 1 } else { 0 };
        Ok(values)
    }

    fn warning(&self) -> Option<String> {
        let is_told =
            self.n_collapsed == N_COLLAPSED && self.config.network.latent == Latent::Gaussian;
        is_told.then(|| {
            format!(
                "the latent has collapsed: for {N_COLLAPSED} steps fewer than {ACTIVE_UNITS_MIN} of its \
                 channels said anything about the photograph; lower lacr-vae.weight_divergence, or let it \
                 rise longer"
            )
        })
    }

    fn trained(&self) -> Trained {
        Trained::Enhancer(Box::new(self.learner.averaged()))
    }

    fn weights(&self) -> Weights {
        let mut weights = weights::write(&self.learner.averaged());
        weights.flush_denormals();
        weights
    }

    fn checkpoint(&self) -> Vec<u8> {
        self.learner.checkpoint()
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        self.learner.restore(checkpoint)
    }
}
