//! Training Semi-LLIE: a student, and a teacher that is its moving average.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    Weights,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    training::{Learner, SettingError, StepValues},
};
use thiserror::Error;

use super::{helpers::Helpers, network::MambaLowlight, terms::Step, weights};

pub use super::config::{Kept, Reliability, SemanticGradient, TrainingConfig};

/// What Semi-LLIE learns from: pairs, and dark photographs in two views.
const NEEDS: &[Need] = &[
    Need { name: "paired", form: Form::Pairs, is_required: true },
    Need { name: "unpaired", form: Form::Views, is_required: false },
];

/// Why training cannot start.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A term has a weight and not its encoder.
    #[error(
        "the loss term {term} has the weight {weight} and needs a semantic encoder, which was not given"
    )]
    MissingEncoder {
        /// Name of the term.
        term: &'static str,
        /// Its weight.
        weight: f64,
    },
    /// The teacher's images are to be judged.
    #[error("reliability is judged and needs a judge, which was not given")]
    MissingJudge,
}

/// The student in training, with its optimiser and its teacher.
pub struct Training {
    config: TrainingConfig,
    helpers: Helpers,
    learner: Learner<MambaLowlight>,
    seed: u64,
    n_steps: usize,
}

impl Training {
    /// A network with seeded initial weights that will be trained for `n_steps` on `device`, one with
    /// gradients.
    ///
    /// # Errors
    /// A setting is out of its range, or something with a weight has not its helper.
    pub fn new(
        config: TrainingConfig,
        helpers: Helpers,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        helpers.check(&config)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = MambaLowlight::random(config.network, &mut random, device);
        let learner = Learner::new(network, config.learner(n_steps), n_steps);
        Ok(Self { config, helpers, learner, seed, n_steps })
    }

    fn kept(&self) -> MambaLowlight {
        match self.config.kept {
            Kept::Student => self.learner.module().valid(),
            Kept::Teacher => self.learner.averaged(),
        }
    }
}

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let ramp = self.config.ramp_at(self.learner.step(), self.n_steps);
        let teacher = self.learner.averaged();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1 + self.learner.step() as u64);
        let mut values = StepValues::of(batches.len());
        for batch in batches {
            let mut step = Step {
                config: &self.config,
                helpers: &self.helpers,
                student: self.learner.module(),
                teacher: &teacher,
                ramp,
                random: &mut random,
            };
            let (terms, statistics) = step.terms(batch)?;
            self.learner.learn(terms, &mut values)?;
            statistics.into_iter().for_each(|TermValue { name, value }| values.add(name, value));
        }
        values.set("ramp", ramp);
        self.learner.finish(values)
    }

    fn trained(&self) -> Trained {
        Trained::Enhancer(Box::new(self.kept()))
    }

    fn weights(&self) -> Weights {
        let mut weights = weights::write(&self.kept());
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
