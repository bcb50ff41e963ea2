//! The generator: a dark image, its illumination map, features modulated by the map, a larger bright image.

use rand_chacha::ChaCha8Rng;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    enhance::to_tensor,
    layers::{Builder, Convolution, Source, SpectralConvolution, from_random},
    ops::Activation,
    prelude::*,
};

use super::{
    config::NetworkConfig,
    fusion::Statistics,
    layers::unbiased,
    modulation::{Condition, Modulation},
    multi_scale::MultiScale,
    shuffle::unshuffled,
    unet::SpectralUNet,
    upscaler::UpScaler,
};

/// Groups of convolutions in each of the four parts of the trunk.
const GROUPS: [usize; 4] = [1, 2, 4, 4];
/// The map is halved three times.
const MAP_MULTIPLE_PX: usize = 8;
/// Features are halved twice.
const FEATURES_MULTIPLE: usize = 4;

/// Brightens an image and enlarges it (authors' `Netv2ueatten`).
#[derive(Module, Debug)]
pub struct CollaBa {
    conv_in: Convolution,
    condition: Condition,
    trunk: Vec<Group>,
    upscaler: UpScaler,
    illumination: SpectralUNet,
    #[module(skip)]
    config: NetworkConfig,
    /// In the order of the parameters.
    #[module(skip)]
    names: Vec<String>,
}

/// What comes out of a pass.
#[derive(Debug, Clone)]
pub struct Enhanced {
    /// `y`, `[batch, 3, scale height, scale width]`, not clamped.
    pub image: Tensor<4>,
    /// `A`, `[batch, 1, height, width]`, 0..1: how much light each pixel lacks.
    pub illumination: Tensor<4>,
}

impl CollaBa {
    pub(super) fn build(source: &mut Source, config: NetworkConfig, device: &Device) -> Self {
        let builder = &mut Builder::new(source, device);
        let (n, q) = (config.size.n_features(), config.unshuffling());
        let mut network = Self {
            conv_in: unbiased(builder, "conv_in", [n, 3 * q * q, 3, 3]),
            condition: Condition::build(builder, [q * q, n]),
            trunk: (0..GROUPS.len())
                .map(|idx| Group::build(builder, idx, config.size.widths()))
                .collect(),
            upscaler: UpScaler::build(builder, n, config.upscaler, config.size.carries_hr()),
            illumination: SpectralUNet::build(
                builder,
                "atten_network.",
                config.size.n_illumination(),
            ),
            config,
            names: Vec::new(),
        };
        network.names = builder.take_names();
        network
    }

    /// A network to train, as the authors' framework starts one.
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

    /// The enhanced image and the map.
    ///
    /// # Shapes
    /// `low`: `[batch, 3, height, width]`, sRGB-encoded, 0..1. Sides that are no multiples of 8, or of 16 at
    /// scale 1, are continued by reflection and cut back.
    pub fn forward(&self, low: Tensor<4>) -> Enhanced {
        self.pass(low, &mut Statistics::Own)
    }

    /// [`Self::forward`] in training: the singular vectors of the spectral norm follow the weights.
    pub fn forward_training(&self, low: Tensor<4>) -> Enhanced {
        self.illumination.follow();
        self.forward(low)
    }

    /// A form of the network for parts of this image, which all have the statistics of the whole.
    ///
    /// # Shapes
    /// `low`: `[1, 3, height, width]`.
    pub fn with_statistics_of(&self, low: Tensor<4>) -> PartNetwork {
        let mut statistics = Statistics::Kept(Vec::new());
        self.pass(low, &mut statistics);
        let Statistics::Kept(statistics) = statistics else { unreachable!("they were kept") };
        PartNetwork { network: self.clone(), statistics }
    }

    /// Brings the singular vectors of the spectral norm to those of the weights, by so many steps of the power
    /// iteration.
    pub fn recompute_spectral_norm(&self, n_steps: usize) {
        self.spectral().for_each(|layer| layer.iterate(n_steps));
    }

    /// Takes over the singular vectors of another network of the same configuration.
    pub(super) fn copy_singular_vectors(&self, other: &Self) {
        self.spectral().zip(other.spectral()).for_each(|(own, other)| own.copy_vectors(other));
    }

    pub(super) fn spectral(&self) -> impl Iterator<Item = &SpectralConvolution> {
        self.illumination.spectral()
    }

    fn pass(&self, low: Tensor<4>, statistics: &mut Statistics) -> Enhanced {
        let [_, _, height, width] = low.dims();
        let q = self.config.unshuffling();
        let multiple = MAP_MULTIPLE_PX.max(FEATURES_MULTIPLE * q);
        let low = ops::continued(low, [height, width].map(|side| side.next_multiple_of(multiple)));
        let map = self.illumination.forward(low.clone(), Activation::Sigmoid);
        let condition = self.condition.forward(unshuffled(map.clone(), q));
        let features = self.conv_in.forward(unshuffled(low, q), Activation::Identity);
        let features = self
            .trunk
            .iter()
            .fold(features, |features, group| group.forward(features, &condition, statistics));
        let image = self.upscaler.forward(features, statistics);
        let scale = self.config.scale.factor();
        let cropped = |image: Tensor<4>, scale| {
            image.narrow(2, 0, scale * height).narrow(3, 0, scale * width)
        };
        Enhanced { image: cropped(image, scale), illumination: cropped(map, 1) }
    }
}

impl Network for CollaBa {
    fn card(&self) -> &'static MethodCard {
        self.config.card()
    }

    fn scale(&self) -> u32 {
        self.config.scale.factor() as u32
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.forward(low).image
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, device: &Device) -> Option<Box<dyn Network>> {
        Some(Box::new(self.with_statistics_of(to_tensor(reduced, device))))
    }

    fn n_parameters(&self) -> usize {
        self.num_params() - self.illumination.n_kept()
    }
}

/// A network for the parts of one image, which all have the statistics of the whole.
#[derive(Debug)]
pub struct PartNetwork {
    network: CollaBa,
    statistics: Vec<Tensor<4>>,
}

impl Network for PartNetwork {
    fn card(&self) -> &'static MethodCard {
        self.network.card()
    }

    fn scale(&self) -> u32 {
        self.network.scale()
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let mut statistics = Statistics::Given(self.statistics.clone().into_iter());
        self.network.pass(low, &mut statistics).image
    }

    fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }
}

/// Two modulations and two multi-scale blocks by turns, and a convolution, beside a residual connection (`CFMRRG`).
#[derive(Module, Debug)]
struct Group {
    halves: [Half; 2],
    conv: Convolution,
}

#[derive(Module, Debug)]
struct Half {
    modulation: Modulation,
    multi_scale: MultiScale,
}

impl Group {
    fn build(builder: &mut Builder, idx: usize, widths: [usize; 3]) -> Self {
        let n = widths[0];
        let halves = [0, 1].map(|half| {
            let at = |place: usize| format!("body.{idx}.body.{place}");
            Half {
                modulation: Modulation::build(builder, &at(2 * half), n),
                multi_scale: MultiScale::build(builder, &at(2 * half + 1), widths, GROUPS[idx]),
            }
        });
        Self { halves, conv: unbiased(builder, &format!("body.{idx}.conv"), [n, n, 3, 3]) }
    }

    fn forward(
        &self,
        features: Tensor<4>,
        condition: &Tensor<4>,
        statistics: &mut Statistics,
    ) -> Tensor<4> {
        let modulated = self.halves.iter().fold(features.clone(), |features, half| {
            half.multi_scale.forward(half.modulation.forward(features, condition), statistics)
        });
        ops::add(self.conv.forward(modulated, Activation::Identity), features)
    }
}
