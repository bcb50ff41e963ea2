//! One batch through the network: the terms of the loss with their weights, and what the latents are like.

use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    backbones::VggStage,
    ops::PoolOptions,
    prelude::*,
    recipe::{Batch, RecipeError, TermValue},
    training::Term,
};

use super::{
    config::{Anchor, Contrast, Reconstruction, TrainingConfig},
    helpers::Helpers,
    losses,
    network::{LacrVae, Passed, Posterior},
};

/// A channel of the latent whose mean varies by more than this from image to image and from place to place is
/// active ([Burda 2016] §2).
const ACTIVE_VARIANCE: f32 = 0.01;
/// The window of the visual term.
const VISUAL_SIDE_MIN: usize = 11;
/// What five poolings leave a pixel of.
const TEXTURE_SIDE_MIN: usize = 32;

/// The network, and what decides a step.
pub(super) struct Step<'a> {
    pub(super) config: &'a TrainingConfig,
    pub(super) helpers: &'a Helpers,
    pub(super) network: &'a LacrVae,
    /// `β`.
    pub(super) divergence_weight: f64,
    /// Draws the latents.
    pub(super) random: &'a mut ChaCha8Rng,
}

impl Step<'_> {
    /// All terms, and statistics of the latents.
    pub(super) fn terms(
        &mut self,
        batch: Batch,
    ) -> Result<(Vec<Term>, Vec<TermValue>), RecipeError> {
        let config = self.config;
        let (low, reference) = pairs(batch)?;
        check_batch(config, low.dims())?;
        let passed = self.network.forward_training(low, self.random);
        let term = |name, weight, loss| Term { name, weight, loss };
        let compare = match config.reconstruction {
            Reconstruction::Squared => losses::squared,
            Reconstruction::Absolute => losses::absolute,
        };
        let enhanced = &passed.enhanced;
        let mut terms = vec![term(
            "reconstruction",
            config.weight_reconstruction,
            compare(enhanced.clone(), reference.clone()),
        )];
        if config.weight_visual != 0.0 {
            let loss = losses::visual(enhanced.clone(), reference.clone());
            terms.push(term("visual", config.weight_visual, loss));
        }
        if let Some(loss) = self.texture(enhanced, &reference) {
            terms.push(term("texture", config.weight_texture, loss));
        }
        let mut statistics = Vec::new();
        if let Posterior { mean, log_variance: Some(log_variance) } = &passed.posterior {
            let loss = losses::divergence(mean.clone(), log_variance.clone());
            terms.push(term("divergence", self.divergence_weight, loss));
            let mean_variance = log_variance.clone().inner().exp().mean();
            let mean_variance = f64::from(mean_variance.into_scalar::<f32>());
            statistics.push(TermValue { name: "latent_variance", value: mean_variance });
        }
        let active = active_units(passed.posterior.mean.clone().inner());
        statistics.push(TermValue { name: "active_units", value: active });
        if config.weight_contrast != 0.0 {
            let latents = self.latents(&passed, reference);
            statistics.extend(latents.distances());
            let contrast = match config.contrast {
                Contrast::Ratio => losses::contrast_ratio,
                Contrast::InfoNce => losses::contrast_classification,
            };
            let loss = contrast(&latents.anchor, &latents.positive, &latents.negatives);
            terms.push(term("contrast", config.weight_contrast, loss));
        }
        Ok((terms, statistics))
    }

    fn texture(&self, enhanced: &Tensor<4>, reference: &Tensor<4>) -> Option<Tensor<1>> {
        let vgg = self.helpers.vgg.as_ref().filter(|_| self.config.weight_texture != 0.0)?;
        let features = |image| {
            let stages = [VggStage::Relu5_3];
            let features = self.config.vgg_input.features(vgg, image, &stages).swap_remove(0);
            ops::max_pool2d(features, &PoolOptions::tiles([2, 2]))
        };
        let reference = features(reference.clone().inner()).autodiff();
        Some(losses::texture(features(enhanced.clone()), reference))
    }

    /// What the contrast compares. Positive and negatives are means, without gradients.
    fn latents(&self, passed: &Passed, reference: Tensor<4>) -> Latents {
        let dark = passed.posterior.mean.clone().detach();
        let n_batch = dark.dims()[0];
        let (anchor, first) = match self.config.anchor {
            Anchor::Reencoded => (self.network.mean(passed.enhanced.clone()), 0),
            Anchor::Latent => (passed.latent.clone(), 1),
        };
        let positive = self.network.valid().mean(reference.inner()).autodiff();
        // Every image's own dark one stands first, then those behind it, round the batch.
        let n_negatives = self.config.n_negatives.min(n_batch - first);
        let negatives = (first..first + n_negatives).map(|distance| {
            let halves = [(distance, n_batch - distance), (0, distance)];
            let halves = halves.into_iter().filter(|(_, n)| *n > 0);
            Tensor::cat(halves.map(|(first, n)| dark.clone().narrow(0, first, n)).collect(), 0)
        });
        Latents { anchor, positive, negatives: negatives.collect() }
    }
}

struct Latents {
    anchor: Tensor<4>,
    positive: Tensor<4>,
    negatives: Vec<Tensor<4>>,
}

impl Latents {
    /// How far anchors are from positives and from negatives.
    fn distances(&self) -> Vec<TermValue> {
        let anchor = self.anchor.clone().detach();
        let distance = |other: &Tensor<4>| {
            f64::from(losses::distance(&anchor, other).mean().into_scalar::<f32>())
        };
        let far: f64 = self.negatives.iter().map(distance).sum();
        let value = |name, value| TermValue { name, value };
        vec![
            value("distance_positive", distance(&self.positive)),
            value("distance_negative", far / self.negatives.len() as f64),
        ]
    }
}

/// The pairs of both parts, one behind the other.
fn pairs(mut batch: Batch) -> Result<(Tensor<4>, Tensor<4>), RecipeError> {
    let parts = ["paired", "synthetic"].into_iter().filter_map(|name| batch.pairs(name));
    let (low, reference): (Vec<_>, Vec<_>) = parts.unzip();
    let sizes: Vec<[usize; 2]> =
        low.iter().chain(&reference).map(|images| [images.dims()[2], images.dims()[3]]).collect();
    let Some(expected) = sizes.first() else {
        return Err(RecipeError::Data("expected [data.paired] or [data.synthetic]".to_owned()));
    };
    if let Some(found) = sizes.iter().find(|size| *size != expected) {
        let detail = format!("expected photographs of one size, found {expected:?} and {found:?}");
        return Err(RecipeError::Data(detail));
    }
    Ok((Tensor::cat(low, 0), Tensor::cat(reference, 0)))
}

/// Whether photographs are large enough, and enough of them, for every term with a weight.
fn check_batch(
    config: &TrainingConfig,
    [n_batch, _, height, width]: [usize; 4],
) -> Result<(), RecipeError> {
    let side = height.min(width);
    let is_compared = config.weight_contrast != 0.0 && config.anchor == Anchor::Latent;
    let needs = [
        ("visual", config.weight_visual != 0.0, side, VISUAL_SIDE_MIN, "pixels a side"),
        ("texture", config.weight_texture != 0.0, side, TEXTURE_SIDE_MIN, "pixels a side"),
        ("contrast with anchor = \"latent\"", is_compared, n_batch, 2, "photographs a batch"),
    ];
    for (term, is_there, found, expected, unit) in needs {
        if is_there && found < expected {
            let detail = format!("{term}: expected at least {expected} {unit}, found {found}");
            return Err(RecipeError::Data(detail));
        }
    }
    Ok(())
}

/// How many channels of the latent say something about the image.
///
/// # Shapes
/// `mean`: `[batch, channels, height, width]`.
fn active_units(mean: Tensor<4>) -> f64 {
    let difference = mean.clone() - mean.mean_dims(&[0, 2, 3]);
    let variance = (difference.clone() * difference).mean_dims(&[0, 2, 3]);
    f64::from(variance.greater_elem(ACTIVE_VARIANCE).float().sum().into_scalar::<f32>())
}
