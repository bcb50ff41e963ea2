//! MambaLowlight: illumination beside the image, two groups of state-space blocks, and a residual.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    enhance::to_tensor,
    layers::{Builder, Convolution, LayerNorm, Source, from_random},
    ops::Activation,
    prelude::*,
};

use super::{
    CARD,
    block::{Attention, Block, Pass},
    layers::{convolution, norm},
};

/// Channels of all features.
pub(super) const N_CHANNELS: usize = 64;
/// Groups of blocks.
const N_GROUPS: usize = 2;
/// Blocks of each group.
const N_BLOCKS: usize = 2;
/// How often the branch of the last block is dropped in training; the first's never, those between in
/// equal steps.
const DROP_PROBABILITY_MAX: f32 = 0.1;
/// `μ`, which is taken from the image.
const MEAN: [f32; 3] = [0.4488, 0.4371, 0.4040];

/// Which of the authors' two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// That of the paper: 610,530 parameters.
    #[default]
    Plain,
    /// A later one whose blocks are guided by the features of the illumination: 802,530.
    Guided,
}

/// Brightens an image (authors' `model_multiscale_mamba_lowlight.py`, `MambaLowlight`).
#[derive(Module, Debug)]
pub struct MambaLowlight {
    shallow: Convolution,
    embedding: LayerNorm,
    groups: Vec<Group>,
    norm: LayerNorm,
    after_body: Convolution,
    last: Convolution,
    estimator: IlluminationEstimator,
    #[module(skip)]
    variant: Variant,
    /// In the order of the parameters.
    #[module(skip)]
    names: Vec<String>,
}

impl MambaLowlight {
    pub(super) fn build(source: &mut Source, variant: Variant, device: &Device) -> Self {
        let builder = &mut Builder::new(source, device);
        let c = N_CHANNELS;
        let mut network = Self {
            shallow: convolution(builder, "conv_first", [c, 6, 3, 3], 1),
            embedding: norm(builder, "patch_embed.norm", c),
            groups: (0..N_GROUPS).map(|idx| Group::build(builder, idx, variant)).collect(),
            norm: norm(builder, "norm", c),
            after_body: convolution(builder, "conv_after_body", [c, c, 3, 3], 1),
            last: convolution(builder, "conv_last", [3, c, 3, 3], 1),
            estimator: IlluminationEstimator::build(builder),
            variant,
            names: Vec::new(),
        };
        network.names = builder.take_names();
        network
    }

    /// A network to train, as the authors' constructors leave it.
    pub fn random(variant: Variant, random: &mut ChaCha8Rng, device: &Device) -> Self {
        Self::build(&mut from_random(random), variant, device)
    }

    /// The parameters' names in the authors' checkpoints, in the order in which the engine visits them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The enhanced image, not clamped, without dropping branches.
    ///
    /// # Shapes
    /// `low` and result: `[batch, 3, height, width]`; `low` is sRGB-encoded, 0..1.
    pub fn forward(&self, low: Tensor<4>) -> Tensor<4> {
        self.forward_with(low, &mut Pass::default())
    }

    /// [`Self::forward`] in training: branches are dropped as `random` decides.
    pub fn forward_training(&self, low: Tensor<4>, random: &mut ChaCha8Rng) -> Tensor<4> {
        self.forward_with(low, &mut Pass { random: Some(random), ..Pass::default() })
    }

    /// The same network with the channel attention that it has for this image, for parts of the image.
    ///
    /// # Shapes
    /// `low`: `[1, 3, height, width]`, sRGB-encoded, 0..1.
    pub fn attending_as_to(&self, low: Tensor<4>) -> AttendingNetwork {
        let mut pass = Pass { attention: Attention::Kept(Vec::new()), ..Pass::default() };
        self.forward_with(low, &mut pass);
        let Attention::Kept(attention) = pass.attention else { unreachable!("it was kept") };
        AttendingNetwork { network: self.clone(), attention }
    }

    fn forward_with(&self, low: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let mean = Tensor::<1>::from_floats(MEAN, &low.device()).reshape([1, 3, 1, 1]);
        let centred = low.clone() - mean;
        let (illumination, features) = self.estimator.forward(centred.clone());
        let guide = (self.variant == Variant::Guided).then_some(features);
        let shallow = self.shallow.forward_of_two([centred, illumination], Activation::Identity);
        let mut features = self.embedding.forward(shallow.clone());
        for group in &self.groups {
            features = group.forward(features, guide.as_ref(), pass);
        }
        let deep = self.after_body.forward(self.norm.forward(features), Activation::Identity);
        let change = self.last.forward(ops::add(deep, shallow), Activation::Identity);
        // The mean that was taken from the image comes back with it.
        ops::add(low, change)
    }
}

impl Network for MambaLowlight {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.forward(low).clamp(0.0, 1.0)
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, device: &Device) -> Option<Box<dyn Network>> {
        Some(Box::new(self.attending_as_to(to_tensor(reduced, device))))
    }

    fn n_parameters(&self) -> usize {
        self.num_params()
    }
}

/// A network for the parts of one image, which all have the channel attention of the whole.
#[derive(Debug)]
pub struct AttendingNetwork {
    network: MambaLowlight,
    /// Of every block, `[1, channels, 1, 1]`.
    attention: Vec<Tensor<4>>,
}

impl Network for AttendingNetwork {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let attention = Attention::Given(self.attention.clone().into_iter());
        let pass = &mut Pass { attention, ..Pass::default() };
        self.network.forward_with(low, pass).clamp(0.0, 1.0)
    }

    fn n_parameters(&self) -> usize {
        self.network.n_parameters()
    }
}

/// Blocks and a convolution beside a residual connection (`ResidualGroup`).
#[derive(Module, Debug)]
struct Group {
    blocks: Vec<Block>,
    convolution: Convolution,
}

impl Group {
    fn build(builder: &mut Builder, idx: usize, variant: Variant) -> Self {
        let name = format!("layers.{idx}");
        let is_guided = variant == Variant::Guided;
        let block = |block: usize| {
            let place = (idx * N_BLOCKS + block) as f32 / (N_GROUPS * N_BLOCKS - 1) as f32;
            let name = format!("{name}.residual_group.blocks.{block}");
            Block::build(builder, &name, DROP_PROBABILITY_MAX * place, is_guided)
        };
        let blocks = (0..N_BLOCKS).map(block).collect();
        let shape = [N_CHANNELS, N_CHANNELS, 3, 3];
        Self { blocks, convolution: convolution(builder, &format!("{name}.conv"), shape, 1) }
    }

    fn forward(&self, image: Tensor<4>, guide: Option<&Tensor<4>>, pass: &mut Pass) -> Tensor<4> {
        let features = self
            .blocks
            .iter()
            .fold(image.clone(), |features, block| block.forward(features, guide, pass));
        ops::add(self.convolution.forward(features, Activation::Identity), image)
    }
}

/// A linear estimate of the light on the scene, `L` (`Illumination_Estimator`).
#[derive(Module, Debug)]
struct IlluminationEstimator {
    expand: Convolution,
    spread: Convolution,
    project: Convolution,
}

impl IlluminationEstimator {
    fn build(builder: &mut Builder) -> Self {
        let c = N_CHANNELS;
        Self {
            expand: convolution(builder, "estimator.conv1", [c, 4, 1, 1], 1),
            spread: convolution(builder, "estimator.depth_conv", [c, c / 4, 5, 5], 4),
            project: convolution(builder, "estimator.conv2", [3, c, 1, 1], 1),
        }
    }

    /// The map, `[batch, 3, height, width]`, and the features behind it.
    fn forward(&self, image: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let mean = image.clone().mean_dim(1);
        let features = self.expand.forward_of_two([image, mean], Activation::Identity);
        let features = self.spread.forward(features, Activation::Identity);
        (self.project.forward(features.clone(), Activation::Identity), features)
    }
}
