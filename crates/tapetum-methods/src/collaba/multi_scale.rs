//! MSFI, multi-scale feature interaction: three sizes, filtered each for itself and fused from the coarsest up.

use tapetum_nn::{
    layers::{Builder, Convolution},
    ops::{Activation, PoolOptions},
    prelude::*,
};

use super::{
    fusion::{Fusion, Statistics},
    layers::{grouped, unbiased},
};

const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// `MRB_douinp`.
#[derive(Module, Debug)]
pub(super) struct MultiScale {
    top: ResidualContext,
    middle: ResidualContext,
    bottom: ResidualContext,
    down_to_middle: Convolution,
    /// From the top again.
    down_to_bottom: [Convolution; 2],
    up_to_top: [Convolution; 2],
    up_to_middle: [Convolution; 2],
    conv_out: Convolution,
    fuse_top: Fusion,
    fuse_middle: Fusion,
}

impl MultiScale {
    /// `widths`: channels from the finest on.
    pub(super) fn build(
        builder: &mut Builder,
        name: &str,
        widths: [usize; 3],
        groups: usize,
    ) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let [n, n_middle, n_bottom] = widths;
        let mut block = |part: &str, n| ResidualContext::build(builder, &at(part), n, groups);
        let (top, middle, bottom) =
            (block("dau_top", n), block("dau_mid", n_middle), block("dau_bot", n_bottom));
        let mut mix = |part: &str, [out, inside]: [usize; 2]| {
            unbiased(builder, &at(part), [out, inside, 1, 1])
        };
        Self {
            top,
            middle,
            bottom,
            down_to_middle: mix("down2.body.0.bot.1", [n_middle, n]),
            down_to_bottom: [
                mix("down4.0.body.0.bot.1", [n_middle, n]),
                mix("down4.1.body.0.bot.1", [n_bottom, n_middle]),
            ],
            up_to_top: [1, 2].map(|idx| mix(&format!("up21_{idx}.body.0.bot.0"), [n, n_middle])),
            up_to_middle: [1, 2]
                .map(|idx| mix(&format!("up32_{idx}.body.0.bot.0"), [n_middle, n_bottom])),
            conv_out: mix("conv_out", [n, n]),
            fuse_top: Fusion::build(builder, &at("skff_top"), n, 2),
            fuse_middle: Fusion::build(builder, &at("skff_mid"), n_middle, 2),
        }
    }

    /// # Shapes
    /// `features` and result: `[batch, n, height, width]`, both sides multiples of 4.
    pub(super) fn forward(&self, features: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        let mut top = features.clone();
        let halved = halved(features.clone());
        let mut middle = mixed(&self.down_to_middle, halved.clone());
        let [first, second] = &self.down_to_bottom;
        let mut bottom = mixed(second, self::halved(mixed(first, halved)));
        // The same blocks and fusions both times; only the ways up are two.
        for (up_to_middle, up_to_top) in self.up_to_middle.iter().zip(&self.up_to_top) {
            top = self.top.forward(top, statistics);
            middle = self.middle.forward(middle, statistics);
            bottom = self.bottom.forward(bottom, statistics);
            let raised = mixed(up_to_middle, bottom.clone());
            middle = self.fuse_middle.forward_of_doubled(middle, raised, statistics);
            let raised = mixed(up_to_top, middle.clone());
            top = self.fuse_top.forward_of_doubled(top, raised, statistics);
        }
        ops::add(mixed(&self.conv_out, top), features)
    }
}

fn mixed(layer: &Convolution, features: Tensor<4>) -> Tensor<4> {
    layer.forward(features, Activation::Identity)
}

fn halved(features: Tensor<4>) -> Tensor<4> {
    let options = PoolOptions { ceil_mode: true, ..PoolOptions::tiles([2, 2]) };
    ops::average_pool2d(features, &options)
}

/// Two convolutions and what the whole image says, beside a residual connection (`RCB`).
#[derive(Module, Debug)]
struct ResidualContext {
    body: [Convolution; 2],
    mask: Convolution,
    transform: [Convolution; 2],
}

impl ResidualContext {
    fn build(builder: &mut Builder, name: &str, n: usize, groups: usize) -> Self {
        let at = |part: &str| format!("{name}.{part}");
        let filter = [n, n / groups, 3, 3];
        let body = [0, 2].map(|idx| grouped(builder, &at(&format!("body.{idx}")), filter, groups));
        let mask = unbiased(builder, &at("gcnet.conv_mask"), [1, n, 1, 1]);
        let transform = [0, 2].map(|idx| {
            let name = at(&format!("gcnet.channel_add_conv.{idx}"));
            unbiased(builder, &name, [n, n, 1, 1])
        });
        Self { body, mask, transform }
    }

    /// `lrelu(r + c) + x`, `r` the filtered features and `c` their global context.
    fn forward(&self, input: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        let [first, second] = &self.body;
        let filtered = first.forward(input.clone(), LEAKY);
        let filtered = second.forward(filtered, Activation::Identity);
        let context = statistics.next(|| self.context(&filtered));
        ops::add_in_context(filtered, context, input, LEAKY)
    }

    /// `[batch, n, 1, 1]`: a mean over the places, weighted by a softmax over them, transformed.
    fn context(&self, features: &Tensor<4>) -> Tensor<4> {
        let [batch, n, height, width] = features.dims();
        let scores = self.mask.forward(features.clone(), Activation::Identity);
        let weights = ops::softmax(scores.reshape([batch, 1, height * width]), 2);
        let places = features.clone().permute([0, 2, 3, 1]).reshape([batch, height * width, n]);
        let context = ops::matmul(weights, places).reshape([batch, n, 1, 1]);
        let [first, second] = &self.transform;
        second.forward(first.forward(context, LEAKY), Activation::Identity)
    }
}
