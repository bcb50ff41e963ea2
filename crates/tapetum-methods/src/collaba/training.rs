//! Training CollaBA: the generator with the weights of its terms, and the discriminators.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    Weights, WeightsError,
    ops::PoolOptions,
    prelude::*,
    recipe::{Batch, Form, Need, Recipe, RecipeError, TermValue, Trained},
    training::{self, Learner, SettingError, StepValues},
};
use thiserror::Error;

use super::{
    config::NetworkConfig,
    discriminators::Discriminators,
    game::{self, Square},
    helpers::Helpers,
    losses,
    network::{CollaBa, Enhanced},
    weights,
};

pub use super::{
    config::{Implicit, TermWeights, TrainingConfig},
    discriminators::Adversary,
};

/// What CollaBA learns from: pairs whose references are larger by the scale, photographed or made from well-lit
/// photographs.
const NEEDS: &[Need] = &[
    Need { name: "paired", form: Form::Pairs, is_required: false },
    Need { name: "synthetic", form: Form::Pairs, is_required: false },
];
/// Sections of a checkpoint.
const SECTIONS: [&str; 2] = ["generator", "discriminators"];
/// What the term weights are called in the journal, in the order of their tensor.
const WEIGHT_NAMES: [&str; 5] = [
    "weight_pixel",
    "weight_perceptual",
    "weight_illumination",
    "weight_adversarial",
    "weight_smoothness",
];

/// Why training cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The perceptual term has a weight and not its network.
    #[error("the loss term perceptual has the weight {weight} and needs VGG, which was not given")]
    MissingVgg {
        /// Its weight.
        weight: f64,
    },
    /// The first weights are those of another network.
    #[error("the generator's first weights: {0}")]
    Weights(#[from] WeightsError),
    /// They are those of another size or scale.
    #[error("the generator's first weights: expected {expected:?}, found {found:?}")]
    Configuration {
        /// That of the recipe.
        expected: NetworkConfig,
        /// That of the weights.
        found: NetworkConfig,
    },
}

/// All that the generator's optimiser moves.
#[derive(Module, Debug)]
struct Generator {
    network: CollaBa,
    /// `ϱ`, in the order of [`WEIGHT_NAMES`].
    term_weights: Param<Tensor<1>>,
}

/// Generator and discriminators in training, with their optimisers.
pub struct Training {
    config: TrainingConfig,
    helpers: Helpers,
    generator: Learner<Generator>,
    discriminators: Option<Learner<Discriminators>>,
    seed: u64,
}

/// One term, before its weight.
struct Named {
    /// Place in [`WEIGHT_NAMES`].
    idx: usize,
    name: &'static str,
    loss: Tensor<1>,
}

impl Training {
    /// A generator with seeded initial weights, or those it is to start from, that will be trained for `n_steps` on
    /// `device`, one with gradients.
    ///
    /// # Errors
    /// A setting is out of its range, a term with a weight cannot be computed, or the first weights do not fit.
    pub fn new(
        config: TrainingConfig,
        mut helpers: Helpers,
        n_steps: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self, StartError> {
        helpers.check(&config)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = match helpers.generator.take() {
            None => CollaBa::random(config.network, &mut random, device),
            Some(weights) => started(&config, &weights, device)?,
        };
        let ones = Tensor::ones([WEIGHT_NAMES.len()], device);
        let generator = Generator { network, term_weights: Param::from_tensor(ones) };
        let n_generator_steps = config.n_steps_of_generator(n_steps);
        let generator = Learner::new(generator, config.generator_learner(), n_generator_steps);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(u64::MAX);
        let n = config.n_discriminator;
        let discriminators = Discriminators::random(config.adversary, n, &mut random, device);
        let discriminators =
            discriminators.map(|module| Learner::new(module, config.learner(), n_steps));
        Ok(Self { config, helpers, generator, discriminators, seed })
    }

    /// Steps so far.
    fn step_idx(&self) -> usize {
        match &self.discriminators {
            Some(discriminators) => discriminators.step(),
            None => self.generator.step(),
        }
    }

    /// Both losses of a batch: `F` of the generator where it is its turn, `f` of the discriminators.
    fn learn(
        &mut self,
        batch: Batch,
        is_generators_turn: bool,
        random: &mut ChaCha8Rng,
        values: &mut StepValues,
    ) -> Result<(), RecipeError> {
        let scale = self.config.network.scale.factor();
        let (low, reference) = pairs(batch, scale)?;
        let plain = reference.clone().inner();
        let squares = self.squares(plain.dims(), random)?;
        if !is_generators_turn {
            let made = self.generator.module().network.valid().forward(low.inner()).image;
            let discriminators = self.discriminators.as_mut().expect("it is their turn");
            let (judgement, logits) =
                game::judge(discriminators, &made, &plain, &squares, values.share());
            return told(values, judgement, logits);
        }
        let Enhanced { image: made, illumination } =
            self.generator.module().network.forward_training(low.clone());
        let mut terms = self.terms(&made, &illumination, low, reference, scale);
        let learned = self.generator.module().term_weights.val();
        let term_weights = match self.config.weights {
            TermWeights::Learned => learned,
            TermWeights::Fixed => learned.detach(),
        };
        let mut from_discriminators = None;
        if let Some(discriminators) = &mut self.discriminators {
            let weight: f32 = term_weights.clone().narrow(0, 3, 1).into_scalar();
            let factor = self.config.weight_adversarial / (2.0 * f64::from(weight).powi(2));
            let how = (self.config.implicit, factor);
            let share = values.share();
            let image = made.clone().inner();
            let answer = game::play(discriminators, &image, &plain, &squares, how, share);
            told(values, answer.judgement, answer.logits)?;
            values.add("kappa", answer.kappa);
            // The made image learns of it below; here it counts for the term's weight.
            let loss = self.config.weight_adversarial * answer.adversarial;
            let loss = Tensor::<1>::from_floats([loss as f32], &made.device());
            terms.push(Named { idx: 3, name: "adversarial", loss });
            from_discriminators = Some((made * answer.to_made.autodiff()).sum());
        }
        let mut total = from_discriminators;
        for Named { idx, name, loss } in terms {
            let value = f64::from(loss.clone().into_scalar::<f32>());
            if !value.is_finite() {
                return Err(RecipeError::NonFinite { term: name, value });
            }
            values.add(name, value);
            let weighed = losses::weighed(loss, term_weights.clone().narrow(0, idx, 1));
            total = Some(match total {
                None => weighed,
                Some(total) => total + weighed,
            });
        }
        let total = total.expect("there is a term");
        self.generator.accumulate(total, values.share());
        Ok(())
    }

    /// All terms but the adversarial one.
    fn terms(
        &self,
        made: &Tensor<4>,
        illumination: &Tensor<4>,
        low: Tensor<4>,
        reference: Tensor<4>,
        scale: usize,
    ) -> Vec<Named> {
        let config = &self.config;
        let target = losses::sharpened(reference.clone());
        let mut terms = Vec::new();
        let mut add = |idx, name, weight: f64, loss: Option<Tensor<1>>| {
            if let Some(loss) = loss.filter(|_| weight != 0.0) {
                terms.push(Named { idx, name, loss: loss * weight });
            }
        };
        let pixel = losses::absolute(made.clone(), target.clone());
        add(0, "pixel", config.weight_pixel, Some(pixel));
        let perceptual = self.helpers.perceptual(config, made, &target);
        add(1, "perceptual", config.weight_perceptual, perceptual);
        let normal = ops::average_pool2d(reference, &PoolOptions::tiles([scale; 2]));
        let missing = losses::missing_light(normal, low);
        let prior = losses::illumination_prior(illumination.clone(), missing);
        add(2, "illumination", config.weight_illumination, Some(prior));
        let smoothness = losses::smoothness(illumination.clone());
        add(4, "smoothness", config.weight_smoothness, Some(smoothness));
        terms
    }

    /// Where the patch discriminator looks, drawn anew for each batch.
    fn squares(
        &self,
        [_, _, height, width]: [usize; 4],
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Square>, RecipeError> {
        if self.config.adversary != Adversary::GlobalAndPatch {
            return Ok(Vec::new());
        }
        let side = self.config.patch_px;
        if height.min(width) < side {
            let found = format!("found {width}x{height}");
            let detail =
                format!("patch_px: expected references of at least {side} pixels, {found}");
            return Err(RecipeError::Data(detail));
        }
        let mut square = || Square {
            x: random.random_range(0..=width - side),
            y: random.random_range(0..=height - side),
            height: side,
            width: side,
        };
        Ok((0..self.config.n_patches).map(|_| square()).collect())
    }

    /// The average, or the network where none is kept; with the singular vectors of the network, which an average of
    /// vectors would lose.
    fn kept(&self) -> CollaBa {
        let network = self.generator.averaged().network;
        network.copy_singular_vectors(&self.generator.module().network);
        network
    }

    fn discard(&mut self) {
        self.generator.discard();
        if let Some(discriminators) = &mut self.discriminators {
            discriminators.discard();
        }
    }

    /// Moves every network whose turn it is, or none.
    fn update(
        &mut self,
        is_generators_turn: bool,
        values: &mut StepValues,
    ) -> Result<(), RecipeError> {
        if is_generators_turn {
            self.generator.check()?;
        }
        if let Some(discriminators) = &mut self.discriminators {
            discriminators.check()?;
            let update = discriminators.update()?;
            values.set("gradient_norm_discriminators", update.gradient_norm);
        }
        if is_generators_turn {
            let update = self.generator.update()?;
            values.set("gradient_norm", update.gradient_norm);
            values.set("learning_rate", update.learning_rate);
            if self.config.weights == TermWeights::Learned {
                let learned = self.generator.module().term_weights.val().into_data();
                let learned: Vec<f32> = learned.try_into_vec().expect("they are floats");
                for (name, weight) in WEIGHT_NAMES.into_iter().zip(learned) {
                    values.set(name, f64::from(weight));
                }
            }
        }
        Ok(())
    }
}

impl Recipe for Training {
    fn needs(&self) -> &'static [Need] {
        NEEDS
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<Vec<TermValue>, RecipeError> {
        let step = self.step_idx();
        let n = if self.discriminators.is_some() { self.config.n_discriminator_steps } else { 1 };
        let is_generators_turn = step.is_multiple_of(n);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(1 + step as u64);
        let mut values = StepValues::of(batches.len());
        if let Some(discriminators) = &self.discriminators {
            discriminators.module().follow();
        }
        let learned = batches
            .into_iter()
            .try_for_each(|batch| self.learn(batch, is_generators_turn, &mut random, &mut values));
        let moved = learned.and_then(|()| self.update(is_generators_turn, &mut values));
        if let Err(error) = moved {
            self.discard();
            return Err(error);
        }
        Ok(values.take())
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
        let generator = self.generator.checkpoint();
        let discriminators = self.discriminators.as_ref().map(Learner::checkpoint);
        let [first, second] = SECTIONS;
        training::join(&[(first, &generator), (second, &discriminators.unwrap_or_default())])
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), RecipeError> {
        let [generator, discriminators] = training::split(checkpoint, SECTIONS)?;
        match &mut self.discriminators {
            Some(learner) => learner.restore(discriminators)?,
            None if discriminators.is_empty() => {}
            None => {
                let detail = "expected no discriminators, found some".to_owned();
                return Err(RecipeError::Checkpoint(detail));
            }
        }
        self.generator.restore(generator)
    }
}

fn told(values: &mut StepValues, judgement: f64, logits: [f64; 2]) -> Result<(), RecipeError> {
    if !judgement.is_finite() {
        return Err(RecipeError::NonFinite { term: "judgement", value: judgement });
    }
    values.add("judgement", judgement);
    let [real, fake] = logits;
    values.add("logit_real", real);
    values.add("logit_made", fake);
    Ok(())
}

/// The generator of the first stage.
fn started(
    config: &TrainingConfig,
    start: &Weights,
    device: &Device,
) -> Result<CollaBa, StartError> {
    let network = weights::read(start, device)?;
    match *network.config() == config.network {
        true => Ok(network),
        false => {
            Err(StartError::Configuration { expected: config.network, found: *network.config() })
        }
    }
}

/// The pairs of both parts, one behind the other.
fn pairs(mut batch: Batch, scale: usize) -> Result<(Tensor<4>, Tensor<4>), RecipeError> {
    let parts = NEEDS.iter().filter_map(|need| batch.pairs(need.name));
    let (low, reference): (Vec<Tensor<4>>, Vec<Tensor<4>>) = parts.unzip();
    let size = |images: &Tensor<4>| [images.dims()[2], images.dims()[3]];
    let Some(expected) = low.first().map(size) else {
        return Err(RecipeError::Data("expected [data.paired] or [data.synthetic]".to_owned()));
    };
    let larger = expected.map(|side| scale * side);
    let sizes = low.iter().map(|images| (size(images), expected));
    let mut sizes = sizes.chain(reference.iter().map(|images| (size(images), larger)));
    if let Some((found, expected)) = sizes.find(|(found, expected)| found != expected) {
        let detail = format!(
            "expected dark photographs of one size and references {scale} times as large, {expected:?}, \
             found {found:?}"
        );
        return Err(RecipeError::Data(detail));
    }
    Ok((Tensor::cat(low, 0), Tensor::cat(reference, 0)))
}
