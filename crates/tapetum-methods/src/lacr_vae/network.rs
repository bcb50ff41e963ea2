//! The whole network: an image, the distribution of its latent, a latent, an image.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tapetum_nn::{
    layers::{Builder, Source, from_random},
    prelude::*,
};

use super::{
    CARD,
    config::{Latent, NetworkConfig},
    decoder::{Decoder, Mode},
    encoder::Encoder,
};

pub use super::encoder::Posterior;

/// Both sides of what the network works on are multiples of this.
const MULTIPLE_PX: usize = 8;
/// The smallest side that it works on.
const SIDE_PX_MIN: usize = 32;

/// Brightens an image by way of a latent with a mean and a variance.
#[derive(Module, Debug)]
pub struct LacrVae {
    encoder: Encoder,
    decoder: Decoder,
    #[module(skip)]
    config: NetworkConfig,
    /// In the order of the parameters.
    #[module(skip)]
    names: Vec<String>,
}

/// Where the latent comes from.
enum Draw<'a> {
    /// Its mean.
    Mean,
    /// `μ + σ ⊙ ε`, `ε` drawn from N(0, 1).
    Random(&'a mut ChaCha8Rng),
}

/// What a step of training looks at.
pub(super) struct Passed {
    /// Not clamped.
    pub(super) enhanced: Tensor<4>,
    pub(super) posterior: Posterior,
    /// What was decoded.
    pub(super) latent: Tensor<4>,
}

impl LacrVae {
    pub(super) fn build(source: &mut Source, config: NetworkConfig, device: &Device) -> Self {
        let builder = &mut Builder::new(source, device);
        let encoder = Encoder::build(builder, &config);
        let decoder = Decoder::build(builder);
        Self { encoder, decoder, config, names: builder.take_names() }
    }

    /// A network to train: convolutions from N(0, 2 / fan-in), the transformer's layers from a truncated
    /// N(0, 0.02²).
    pub fn random(config: NetworkConfig, random: &mut ChaCha8Rng, device: &Device) -> Self {
        Self::build(&mut from_random(random), config, device)
    }

    /// How it is built.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// The names of all tensors, in the order in which the engine visits them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The distribution of the image's latent.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, sRGB-encoded, 0..1; sides that are no multiples of 8, or below
    /// 32, are continued by reflection, as in [`Self::forward`].
    pub fn posterior(&self, image: Tensor<4>) -> Posterior {
        self.encoder.forward(padded(image)).0
    }

    /// The latent's mean alone.
    pub(super) fn mean(&self, image: Tensor<4>) -> Tensor<4> {
        self.encoder.mean(padded(image))
    }

    /// The enhanced image of the latent's mean, not clamped.
    ///
    /// # Shapes
    /// `low` and result: `[batch, 3, height, width]`; `low` is sRGB-encoded, 0..1.
    pub fn forward(&self, low: Tensor<4>) -> Tensor<4> {
        self.pass(low, Draw::Mean, Mode::Inference).enhanced
    }

    /// [`Self::forward`] of a latent that `random` draws.
    pub fn forward_drawn(&self, low: Tensor<4>, random: &mut ChaCha8Rng) -> Tensor<4> {
        self.pass(low, Draw::Random(random), Mode::Inference).enhanced
    }

    /// One pass in training: a drawn latent, normalised by the batch.
    pub(super) fn forward_training(&self, low: Tensor<4>, random: &mut ChaCha8Rng) -> Passed {
        self.pass(low, Draw::Random(random), Mode::Training)
    }

    fn pass(&self, low: Tensor<4>, draw: Draw, mode: Mode) -> Passed {
        let [_, _, height, width] = low.dims();
        let (posterior, skips) = self.encoder.forward(padded(low));
        let latent = match draw {
            Draw::Mean => posterior.mean.clone(),
            Draw::Random(random) => posterior.draw(random),
        };
        let enhanced = self.decoder.forward(latent.clone(), skips, mode);
        let enhanced = enhanced.narrow(2, 0, height).narrow(3, 0, width);
        Passed { enhanced, posterior, latent }
    }
}

impl Posterior {
    /// `μ + e^(ℓ/2) ⊙ ε`, or `μ` where there is no variance.
    fn draw(&self, random: &mut ChaCha8Rng) -> Tensor<4> {
        let Some(log_variance) = &self.log_variance else { return self.mean.clone() };
        let shape = self.mean.dims();
        let n_values = shape.iter().product();
        let noise: Vec<f32> = StandardNormal.sample_iter(random).take(n_values).collect();
        let noise = Tensor::<4>::from_data(TensorData::new(noise, shape), &self.mean.device());
        self.mean.clone() + (log_variance.clone() * 0.5).exp() * noise
    }
}

impl Network for LacrVae {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.forward(low)
    }

    fn sampled(&self, seed: u64) -> Option<Box<dyn Network>> {
        let is_uncertain = self.config.latent == Latent::Gaussian;
        is_uncertain.then(|| -> Box<dyn Network> {
            Box::new(SampledNetwork { network: self.clone(), seed })
        })
    }

    fn n_parameters(&self) -> usize {
        // Statistics are visited as parameters are.
        self.num_params() - self.decoder.n_statistics()
    }
}

/// The network with latents that are drawn, the same for the same seed and image.
#[derive(Debug)]
pub struct SampledNetwork {
    network: LacrVae,
    seed: u64,
}

impl Network for SampledNetwork {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        self.network.forward_drawn(low, &mut random)
    }

    fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }
}

/// Continued by reflection to sides that the network works on.
fn padded(image: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = image.dims();
    let target = |side: usize| side.max(SIDE_PX_MIN).next_multiple_of(MULTIPLE_PX);
    ops::continued(image, [target(height), target(width)])
}
