//! From features to an image four times as large as they are.

use tapetum_nn::{
    layers::{Builder, Convolution},
    ops::{Activation, Interpolation},
    prelude::*,
};

use super::{
    config::Upscaler,
    fusion::{Fusion, Statistics},
    layers::{convolution, unbiased},
    shuffle::shuffled,
};

const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// Two steps that double the size, and a convolution to colours.
#[derive(Module, Debug)]
pub(super) struct UpScaler {
    steps: [Doubling; 2],
    /// Carried so that the authors' checkpoints go both ways; nothing reads it, there or here.
    conv_hr: Option<Convolution>,
    conv_out: Convolution,
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are two in a network")]
enum Doubling {
    Nearest(Convolution),
    MultiSubstrate(MultiSubstrate),
}

impl UpScaler {
    pub(super) fn build(builder: &mut Builder, n: usize, kind: Upscaler, carries_hr: bool) -> Self {
        let steps = [1, 2].map(|step| {
            let name = format!("conv_up{step}");
            match kind {
                Upscaler::Nearest => Doubling::Nearest(convolution(builder, &name, [n, n, 3, 3])),
                Upscaler::MultiSubstrate => {
                    Doubling::MultiSubstrate(MultiSubstrate::build(builder, &name, n))
                }
            }
        });
        let conv_hr = carries_hr.then(|| convolution(builder, "conv_hr", [n, n, 3, 3]));
        Self { steps, conv_hr, conv_out: unbiased(builder, "conv_out", [3, n, 3, 3]) }
    }

    /// # Shapes
    /// `features`: `[batch, n, height, width]`; result: `[batch, 3, 4 height, 4 width]`.
    pub(super) fn forward(&self, features: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        let features = self.steps.iter().fold(features, |features, step| match step {
            Doubling::Nearest(filter) => filter.forward_of_doubled(features, LEAKY),
            Doubling::MultiSubstrate(step) => step.forward(features, statistics),
        });
        self.conv_out.forward(features, Activation::Identity)
    }
}

/// Several kinds of sampling, merged: a reconstruction of the paper's multi-substrate merging up-scaler, of which
/// there is no code.
#[derive(Module, Debug)]
struct MultiSubstrate {
    nearest: Convolution,
    bilinear: Convolution,
    shuffle: Convolution,
    fuse: Fusion,
}

impl MultiSubstrate {
    fn build(builder: &mut Builder, name: &str, n: usize) -> Self {
        let mut filter =
            |part: &str, n_out| convolution(builder, &format!("{name}.{part}"), [n_out, n, 3, 3]);
        Self {
            nearest: filter("nearest", n),
            bilinear: filter("bilinear", n),
            shuffle: filter("shuffle", 4 * n),
            fuse: Fusion::build(builder, &format!("{name}.fuse"), n, 3),
        }
    }

    fn forward(&self, features: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        let linear = Activation::Identity;
        let [_, _, height, width] = features.dims();
        let size = [2 * height, 2 * width];
        let bilinear = ops::resize2d(features.clone(), size, Interpolation::Bilinear);
        let sources = vec![
            self.nearest.forward_of_doubled(features.clone(), linear),
            self.bilinear.forward(bilinear, linear),
            shuffled(self.shuffle.forward(features, linear), 2),
        ];
        ops::activate(self.fuse.forward(sources, statistics), LEAKY)
    }
}
