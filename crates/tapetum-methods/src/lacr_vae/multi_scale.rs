//! AMSM, the attention-guided multi-scale module.

use tapetum_nn::{
    layers::{Builder, Convolution},
    ops::Activation,
    prelude::*,
};

use super::layers::{Separable, convolution, unbiased};

/// Distances of the taps of the three branches.
const DILATIONS: [usize; 3] = [1, 2, 3];
/// Channels for each in the middle of channel attention: few where there are few.
fn reduction(n_channels: usize) -> usize {
    if n_channels < 64 { 8 } else { 16 }
}

/// Three branches of different reach, then attention to channels and to places, beside a residual connection
/// (our reconstruction).
#[derive(Module, Debug)]
pub(super) struct MultiScaleAttention {
    branches: [Separable; 3],
    fuse: Convolution,
    squeeze: Convolution,
    excite: Convolution,
    spatial: Convolution,
}

impl MultiScaleAttention {
    pub(super) fn build(builder: &mut Builder, name: &str, n_channels: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let (c, few) = (n_channels, n_channels / reduction(n_channels));
        let mut branch = |idx: usize| {
            let name = at(&format!("branch.{idx}"));
            Separable::build(builder, &name, [c, c, DILATIONS[idx]])
        };
        Self {
            branches: [branch(0), branch(1), branch(2)],
            fuse: convolution(builder, &at("fuse"), [c, DILATIONS.len() * c, 1, 1]),
            squeeze: unbiased(builder, &at("squeeze"), [few, c, 1, 1]),
            excite: unbiased(builder, &at("excite"), [c, few, 1, 1]),
            spatial: unbiased(builder, &at("spatial"), [1, 2, 7, 7]),
        }
    }

    /// # Shapes
    /// `image` and result: `[batch, channels, height, width]`.
    pub(super) fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let branches = self.branches.each_ref().map(|branch| branch.forward(image.clone()));
        let features = self.fuse.forward_of_three(branches, Activation::Identity);
        let channels = self.channel_attention(&features);
        let statistics = ops::channel_statistics(features.clone(), channels.clone());
        let places = self.spatial.forward(statistics, Activation::Sigmoid);
        ops::attend(image, features, channels, places)
    }

    /// `σ(W₂ relu(W₁ mean) + W₂ relu(W₁ max))` of every channel, `[batch, channels, 1, 1]`.
    fn channel_attention(&self, features: &Tensor<4>) -> Tensor<4> {
        let pools =
            [ops::global_average_pool(features.clone()), ops::global_max_pool(features.clone())];
        let [a, b] = pools.map(|pooled| {
            let squeezed = self.squeeze.forward(pooled, Activation::Relu);
            self.excite.forward(squeezed, Activation::Identity)
        });
        ops::activate(ops::add(a, b), Activation::Sigmoid)
    }
}
