//! The multi-scale state-space block and its parts.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    layers::{Builder, Convolution, DepthwiseConvolution, Initial, LayerNorm},
    ops::{Activation, PaddingMode},
    prelude::*,
};

use super::{
    layers::{convolution, depthwise_convolution, norm},
    network::N_CHANNELS,
    state_space::StateSpace,
};

/// Channels in the middle of the channel-attention block: `64 / 3`.
const N_COMPRESSED: usize = N_CHANNELS / 3;
/// Channels in the middle of the attention itself: `64 / 30`.
const N_SQUEEZED: usize = N_CHANNELS / 30;

/// What a forward pass is given beside the image.
#[derive(Default)]
pub(super) struct Pass<'a> {
    /// Decides in training which branches are dropped; in inference none are.
    pub(super) random: Option<&'a mut ChaCha8Rng>,
    pub(super) attention: Attention,
}

/// Where the weights of channel attention come from, one set for each block.
#[derive(Default)]
pub(super) enum Attention {
    /// The image's own mean.
    #[default]
    Own,
    /// The same, and they are kept.
    Kept(Vec<Tensor<4>>),
    /// Another image, of which this one is a part.
    Given(std::vec::IntoIter<Tensor<4>>),
}

/// Two residual branches, a state-space model and a channel-attention block, each beside a learned scale
/// (`VSSBlock`).
#[derive(Module, Debug)]
pub(super) struct Block {
    scale_1: Param<Tensor<1>>,
    scale_2: Param<Tensor<1>>,
    norm_1: LayerNorm,
    state_space: StateSpace,
    attention_block: ChannelAttentionBlock,
    norm_2: LayerNorm,
    fusion: Option<GatedFusion>,
    /// How often the state-space branch is dropped in training.
    #[module(skip)]
    drop_probability: f32,
}

impl Block {
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        drop_probability: f32,
        is_guided: bool,
    ) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let mut scale =
            |part: &str| builder.parameter(at(part), [N_CHANNELS], Initial::Constant(1.0));
        let (scale_1, scale_2) = (scale("skip_scale"), scale("skip_scale2"));
        Self {
            scale_1,
            scale_2,
            norm_1: norm(builder, &at("ln_1"), N_CHANNELS),
            state_space: StateSpace::build(builder, &at("self_attention")),
            attention_block: ChannelAttentionBlock::build(builder, &at("conv_blk")),
            norm_2: norm(builder, &at("ln_2"), N_CHANNELS),
            fusion: is_guided.then(|| GatedFusion::build(builder, &at("fuse"))),
            drop_probability,
        }
    }

    /// `X₁ = s₁ ⊙ X + SS2D(LN₁(X))`, then `X₂ = s₂ ⊙ X₁ + CAB(LN₂(X₁))`. In the guided network `LN₁` sees
    /// the fusion of `X` and the guide.
    ///
    /// # Shapes
    /// All `[batch, channels, height, width]`.
    pub(super) fn forward(
        &self,
        image: Tensor<4>,
        guide: Option<&Tensor<4>>,
        pass: &mut Pass,
    ) -> Tensor<4> {
        let seen = match (&self.fusion, guide) {
            (Some(fusion), Some(guide)) => fusion.forward(image.clone(), guide.clone()),
            _ => image.clone(),
        };
        let branch = self.state_space.forward(self.norm_1.forward(seen));
        let kept = self.kept(&branch, pass);
        let image = ops::weighted_sum([image, branch], [channels(self.scale_1.val()), kept]);
        let (branch, weights) =
            self.attention_block.forward(self.norm_2.forward(image.clone()), pass);
        ops::weighted_sum([image, branch], [channels(self.scale_2.val()), weights])
    }

    /// DropPath: 0 for the images whose branch is dropped, and more than 1 for the others, so that the mean
    /// stays.
    fn kept(&self, branch: &Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        let ([n_batch, ..], device) = (branch.dims(), branch.device());
        match &mut pass.random {
            Some(random) if self.drop_probability > 0.0 => {
                let kept = 1.0 / (1.0 - self.drop_probability);
                let mut factor =
                    || if random.random::<f32>() < self.drop_probability { 0.0 } else { kept };
                let factors = (0..n_batch).flat_map(|_| [factor(); N_CHANNELS]).collect();
                let data = TensorData::new(factors, [n_batch, N_CHANNELS, 1, 1]);
                Tensor::from_data(data, &device)
            }
            _ => Tensor::ones([1, N_CHANNELS, 1, 1], &device),
        }
    }
}

/// Two convolutions whose result is weighted channel by channel (`CAB`).
#[derive(Module, Debug)]
struct ChannelAttentionBlock {
    compress: Convolution,
    expand: Convolution,
    squeeze: Convolution,
    excite: Convolution,
}

impl ChannelAttentionBlock {
    fn build(builder: &mut Builder, name: &str) -> Self {
        let mut part =
            |part: &str, shape| convolution(builder, &format!("{name}.cab.{part}"), shape, 1);
        Self {
            compress: part("0", [N_COMPRESSED, N_CHANNELS, 3, 3]),
            expand: part("2", [N_CHANNELS, N_COMPRESSED, 3, 3]),
            squeeze: part("3.attention.1", [N_SQUEEZED, N_CHANNELS, 1, 1]),
            excite: part("3.attention.3", [N_CHANNELS, N_SQUEEZED, 1, 1]),
        }
    }

    /// The convolved image, and the weights of its channels, `[batch, channels, 1, 1]`.
    fn forward(&self, image: Tensor<4>, pass: &mut Pass) -> (Tensor<4>, Tensor<4>) {
        let compressed = self.compress.forward(image, Activation::Gelu);
        let image = self.expand.forward(compressed, Activation::Identity);
        if let Attention::Given(weights) = &mut pass.attention {
            return (image, weights.next().expect("weights for every block"));
        }
        let squeezed =
            self.squeeze.forward(ops::global_average_pool(image.clone()), Activation::Relu);
        let weights = self.excite.forward(squeezed, Activation::Sigmoid);
        if let Attention::Kept(kept) = &mut pass.attention {
            kept.push(weights.clone());
        }
        (image, weights)
    }
}

/// What the image and its illumination say together, gated (`GFM` of
/// `model_multiscale_mamba_lowlight_guidied.py`).
#[derive(Module, Debug)]
struct GatedFusion {
    widen: Convolution,
    filter: DepthwiseConvolution,
    project: Convolution,
    mix: Convolution,
}

/// Channels of the two sources together.
const N_FUSED: usize = 2 * N_CHANNELS;

impl GatedFusion {
    fn build(builder: &mut Builder, name: &str) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        Self {
            widen: convolution(builder, &at("pwconv"), [2 * N_FUSED, N_FUSED, 1, 1], 1),
            filter: depthwise_convolution(builder, &at("dwconv"), 2 * N_FUSED, 3),
            project: convolution(builder, &at("project_out"), [N_CHANNELS, N_FUSED, 1, 1], 1),
            mix: convolution(builder, &at("mlp"), [N_CHANNELS, N_CHANNELS, 1, 1], 1),
        }
    }

    /// Mirrored at the borders; beyond a side of one pixel lies that pixel.
    fn filtered(&self, mut image: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        for (dim, side) in [(2, height), (3, width)] {
            if side == 1 {
                image = Tensor::cat(vec![image.clone(), image], dim);
            }
        }
        let filtered = self.filter.forward(image, PaddingMode::Reflect, Activation::Identity);
        filtered.narrow(2, 0, height).narrow(3, 0, width)
    }

    fn forward(&self, image: Tensor<4>, guide: Tensor<4>) -> Tensor<4> {
        let wide = self.widen.forward_of_two([image.clone(), guide], Activation::Identity);
        let wide = self.filtered(wide);
        let [gate, value] = [0, N_FUSED].map(|first| wide.clone().narrow(1, first, N_FUSED));
        let gated = ops::gated(value, gate, Activation::Gelu);
        let fused = self.project.forward(gated, Activation::Identity);
        self.mix.forward(ops::add(fused, image), Activation::Identity)
    }
}

/// `[channels]` as weights of an image.
fn channels(values: Tensor<1>) -> Tensor<4> {
    values.reshape([1, N_CHANNELS, 1, 1])
}
