//! Training SCL-LLE: a step of the optimiser, and its state.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};
use tapetum_nn::{
    Weights,
    layers::InitialWeights,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    training::{Learner, SettingError, StepValues, Term},
};
use thiserror::Error;

use super::{
    helpers::Helpers,
    network::CurveNetwork,
    terms::{Views, terms},
    weights,
};

pub use super::config::{ClassBrightness, SegmentationGradient, TrainingConfig};

/// Standard deviation of the initial convolution weights (authors' `train.py`, `weights_init`).
const INITIAL_DEVIATION: f32 = 0.02;

/// What SCL-LLE learns from: dark photographs, with labels or without, and as many well-lit and badly lit ones.
const NEEDS: &[Need] = &[
    Need { name: "low", form: Form::Images, is_required: false },
    Need { name: "labelled", form: Form::Labelled, is_required: false },
    Need { name: "positive", form: Form::Images, is_required: true },
    Need { name: "negative_under", form: Form::Images, is_required: true },
    Need { name: "negative_over", form: Form::Images, is_required: false },
];

/// Why training cannot start.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A term has a weight and not its network.
    #[error(
        "the loss term {term} has the weight {weight} and needs {network}, which was not given"
    )]
    Missing {
        /// Name of the term.
        term: &'static str,
        /// Its weight.
        weight: f64,
        /// What it needs.
        network: &'static str,
    },
    /// Labels have classes that the segmenter does not know.
    #[error("expected a segmenter of at least {expected} classes, got one of {found}")]
    Classes {
        /// Classes of the labels.
        expected: usize,
        /// Classes of the segmenter.
        found: usize,
    },
}

/// The network in training, with its optimiser.
pub struct Training {
    config: TrainingConfig,
    helpers: Helpers,
    learner: Learner<CurveNetwork>,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, one with
    /// gradients.
    ///
    /// # Errors
    /// A setting is out of its range, a term has a weight and not its helper, or the segmenter has fewer
    /// classes than the labels.
    pub fn new(
        config: TrainingConfig,
        helpers: Helpers,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        helpers.check(&config)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = CurveNetwork::new(|shape| initial_weights(shape, &mut random), device);
        let learner = Learner::new(network, config.learner(), n_steps);
        Ok(Self { config, helpers, learner })
    }

    fn terms(&self, batch: Batch) -> Result<Vec<Term>, RecipeError> {
        let views = Views::of(batch)?;
        Ok(terms(&self.config, &self.helpers, self.learner.module(), views))
    }
}

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let mut values = StepValues::of(batches.len());
        for batch in batches {
            let terms = self.terms(batch)?;
            self.learner.learn(terms, &mut values)?;
        }
        self.learner.finish(values)
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
