//! A network that learns: gradients are collected from losses, and an update applies them.

use std::any::type_name;

use burn::{
    module::Module,
    optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer},
    tensor::{Gradients, Tensor},
};
use serde::{Deserialize, Serialize};

use super::{
    average::{self, AverageConfig},
    module_tensors::{self, fitting},
    optimizer::OptimizerConfig,
    optimizer_state,
    schedule::{Schedule, warmup_at},
    sections,
    setting::{SettingError, check},
};
use crate::{
    gradients,
    recipe::RecipeError,
    weights::{from_safetensors, to_safetensors},
};

/// How a network learns. Only the learning rate has no default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerConfig {
    /// Base learning rate.
    pub learning_rate: f64,
    /// Adam with PyTorch's settings by default.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Constant by default.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps of a linear rise from zero that multiplies the schedule; none by default.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Largest joint L2 norm of the gradients, to which longer ones are shortened; no limit by
    /// default.
    #[serde(default)]
    pub gradient_norm_max: Option<f64>,
    /// The moving average that is kept beside the network; none by default.
    #[serde(default)]
    pub average: Option<AverageConfig>,
}

impl LearnerConfig {
    /// Adam at a constant learning rate, and nothing else.
    pub fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule::default(),
            warmup_steps: 0,
            gradient_norm_max: None,
            average: None,
        }
    }

    /// Whether every number is one that can train.
    ///
    /// # Errors
    /// The first that is not, by its key.
    pub fn check(&self) -> Result<(), SettingError> {
        check("learning_rate", self.learning_rate, 0.0..=1e6)?;
        self.optimizer.check()?;
        self.schedule.check()?;
        let norm = self.gradient_norm_max.unwrap_or(1.0);
        check("gradient_norm_max", norm, f64::MIN_POSITIVE..=f64::MAX)?;
        check("average.decay", self.average.map_or(0.0, |average| average.decay), 0.0..=1.0)
    }

    /// The learning rate at `step`, counted from 0, of a run of `n_steps`.
    pub fn learning_rate_at(&self, step: usize, n_steps: usize) -> f64 {
        let warmup = warmup_at(step, self.warmup_steps);
        self.learning_rate * self.schedule.factor_at(step, n_steps) * warmup
    }
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Joint L2 norm of the gradients before they were shortened.
    pub gradient_norm: f64,
    /// Learning rate that was used.
    pub learning_rate: f64,
}

/// A network in training with all that its training has to remember. A method has one for each
/// network with an optimiser of its own, such as a generator and a discriminator.
pub struct Learner<M> {
    config: LearnerConfig,
    n_steps: usize,
    step: usize,
    module: M,
    average: Option<M>,
    optimizer: ModuleOptimizer,
    gradients: GradientsAccumulator<M>,
    n_collected: usize,
}

impl<M: Module> Learner<M> {
    /// Starts from a module on a device with gradients (`device.autodiff()`), for a run of
    /// `n_steps` updates.
    pub fn new(module: M, config: LearnerConfig, n_steps: usize) -> Self {
        let average = config.average.map(|_| module.valid());
        let optimizer = config.optimizer.build();
        let gradients = GradientsAccumulator::new();
        Self { config, n_steps, step: 0, module, average, optimizer, gradients, n_collected: 0 }
    }

    /// The network as it stands, with gradients.
    pub fn module(&self) -> &M {
        &self.module
    }

    /// A copy without gradients of the moving average, or of the network where none is kept.
    pub fn averaged(&self) -> M {
        self.average.as_ref().unwrap_or(&self.module).valid()
    }

    /// Updates so far.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The learning rate of the next update.
    pub fn learning_rate(&self) -> f64 {
        self.config.learning_rate_at(self.step, self.n_steps)
    }

    /// Adds the gradients of `share` times a loss of one value to those of the next update.
    pub fn accumulate(&mut self, loss: Tensor<1>, share: f64) {
        self.collect(&mut (loss * share).backward());
    }

    /// Takes this network's part out of the gradients of a loss that other networks learn from too.
    pub fn collect(&mut self, gradients: &mut Gradients) {
        self.collect_params(GradientsParams::from_module(gradients, &self.module), 1.0);
    }

    /// Adds `share` times gradients of this network.
    pub fn collect_params(&mut self, gradients: GradientsParams, share: f64) {
        let gradients = match share {
            1.0 => gradients,
            share => gradients::scale(gradients, &self.module, share),
        };
        self.gradients.accumulate(&self.module, gradients);
        self.n_collected += 1;
    }

    /// Whether the next update can be applied, for methods of which several networks move or none.
    ///
    /// # Errors
    /// The collected gradients are not finite.
    pub fn check(&mut self) -> Result<(), RecipeError> {
        let gradients = self.gradients.grads();
        let norm = gradients::norm(&gradients, &self.module);
        self.gradients.accumulate(&self.module, gradients);
        finite(norm).map(drop)
    }

    /// Drops what was collected since the last update.
    pub fn discard(&mut self) {
        self.gradients = GradientsAccumulator::new();
        self.n_collected = 0;
    }

    /// Applies the collected gradients: a step of the optimiser, then one of the average.
    ///
    /// # Errors
    /// The gradients are not finite. They are dropped, and the network is as it was.
    ///
    /// # Panics
    /// If nothing was collected since the last update.
    pub fn update(&mut self) -> Result<Update, RecipeError> {
        assert!(self.n_collected > 0, "an update needs collected gradients");
        self.n_collected = 0;
        let gradients = self.gradients.grads();
        let gradient_norm = finite(gradients::norm(&gradients, &self.module))?;
        let gradients = match self.config.gradient_norm_max {
            Some(max) if gradient_norm > max => {
                gradients::scale(gradients, &self.module, max / gradient_norm)
            }
            _ => gradients,
        };
        let learning_rate = self.learning_rate();
        self.module = self.optimizer.step(learning_rate, self.module.clone(), gradients);
        if let (Some(average), Some(config)) = (self.average.take(), self.config.average) {
            let decay = config.decay_at(self.step);
            self.average = Some(average::follow(average, &self.module, decay));
        }
        self.step += 1;
        Ok(Update { gradient_norm, learning_rate })
    }

    /// All that a resumed run needs beside its configuration: network, average, optimiser and step.
    /// Gradients that no update has applied yet are not in it, nor are tensors of whole numbers.
    pub fn checkpoint(&self) -> Vec<u8> {
        let progress = Progress {
            step: self.step,
            parameter_ids: gradients::parameter_ids(&self.module),
            config: self.config.clone(),
        };
        let progress = serde_json::to_vec(&progress).expect("numbers and text are JSON");
        let tensors_of = |module: &M| to_safetensors(&module_tensors::read(module));
        let optimizer = self.optimizer.into_bytes().expect("optimiser state is serializable");
        sections::join(&[
            ("progress", &progress),
            ("network", &tensors_of(&self.module)),
            ("average", &self.average.as_ref().map(tensors_of).unwrap_or_default()),
            ("optimizer", &optimizer),
        ])
    }

    /// Continues from what [`Self::checkpoint`] gave, as if there had been no stop. The length of
    /// the run may be another.
    ///
    /// # Errors
    /// The checkpoint is damaged, or that of another network or configuration. The learner is as it
    /// was.
    pub fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        let names = ["progress", "network", "average", "optimizer"];
        let [progress, network, average, optimizer] = sections::split(checkpoint, names)?;
        let progress = self.checked_progress(progress)?;
        let name = type_name::<M>();
        let network = fitting(&self.module, &from_safetensors(network)?, name)?;
        let average = match &self.average {
            Some(module) => Some(fitting(module, &from_safetensors(average)?, name)?),
            None => None,
        };
        let ids = &progress.parameter_ids;
        let module = gradients::with_parameter_ids(self.module.clone(), ids);
        // The last step that can fail; running statistics are shared by clones of a module.
        self.optimizer =
            optimizer_state::restore(self.config.optimizer.build(), optimizer, &module)?;
        self.module = network.write_to(module);
        self.average =
            self.average.take().zip(average).map(|(module, values)| {
                values.write_to(gradients::with_parameter_ids(module, ids))
            });
        self.step = progress.step;
        self.discard();
        Ok(())
    }

    fn checked_progress(&self, bytes: &[u8]) -> Result<Progress, RecipeError> {
        let bad = RecipeError::Checkpoint;
        let progress: Progress =
            serde_json::from_slice(bytes).map_err(|e| bad(format!("its progress: {e}")))?;
        let text = |config: &LearnerConfig| {
            serde_json::to_string(config).expect("numbers and text are JSON")
        };
        let (expected, found) = (text(&self.config), text(&progress.config));
        if expected != found {
            return Err(bad(format!("expected the settings {expected}, found {found}")));
        }
        let n_expected = gradients::parameter_ids(&self.module).len();
        let n_found = progress.parameter_ids.len();
        if n_expected != n_found {
            return Err(bad(format!("expected {n_expected} parameters, found {n_found}")));
        }
        Ok(progress)
    }
}

fn finite(gradient_norm: f64) -> Result<f64, RecipeError> {
    match gradient_norm.is_finite() {
        true => Ok(gradient_norm),
        false => Err(RecipeError::NonFinite { term: "gradient_norm", value: gradient_norm }),
    }
}

/// What a checkpoint holds beside tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    /// Identities of the float tensors in visiting order; the optimiser's state is keyed by them.
    parameter_ids: Vec<u64>,
    config: LearnerConfig,
}
