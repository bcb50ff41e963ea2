//! The decoder: from a latent and what the encoder saw on the way, back to an image (LRCR-Net, as in the
//! framework figure).

use tapetum_nn::{
    layers::{BatchNorm, Builder, Convolution},
    ops::{Activation, Interpolation},
    prelude::*,
};

use super::{
    encoder::N_CHANNELS,
    layers::{Separable, convolution},
};

/// `ε` of the batch normalisations.
const EPSILON: f32 = 1e-5;

/// Whether batch normalisation goes by the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It does, and keeps its statistics.
    Training,
    /// It goes by what it kept.
    Inference,
}

#[derive(Module, Debug)]
pub(super) struct Decoder {
    /// One more than ups.
    layers: Vec<Separable>,
    ups: Vec<Up>,
    out: Convolution,
}

impl Decoder {
    pub(super) fn build(builder: &mut Builder) -> Self {
        let [finest, .., deepest] = N_CHANNELS;
        let mut layers = vec![Separable::build(builder, "dec.dw.0", [deepest, deepest, 1])];
        let downward = N_CHANNELS.windows(2).rev();
        for (idx, pair) in (1..).zip(downward.clone()) {
            let sizes = [2 * pair[0], pair[0], 1];
            layers.push(Separable::build(builder, &format!("dec.dw.{idx}"), sizes));
        }
        let ups = downward
            .enumerate()
            .map(|(idx, pair)| Up::build(builder, &format!("dec.up.{idx}"), [pair[1], pair[0]]));
        let ups = ups.collect();
        Self { layers, ups, out: convolution(builder, "dec.out", [3, finest, 3, 3]) }
    }

    /// Values that are kept and not learned.
    pub(super) fn n_statistics(&self) -> usize {
        self.ups.iter().map(|up| up.norm.n_statistics()).sum()
    }

    /// # Shapes
    /// `latent`: `[batch, 256, height / 8, width / 8]`; `skips`: as from the encoder; result:
    /// `[batch, 3, height, width]`.
    pub(super) fn forward(
        &self,
        latent: Tensor<4>,
        skips: [Tensor<4>; 3],
        mode: Mode,
    ) -> Tensor<4> {
        let [first, rest @ ..] = &self.layers[..] else { unreachable!("there are four layers") };
        let mut features = first.forward(latent);
        for ((up, skip), layer) in self.ups.iter().zip(skips.into_iter().rev()).zip(rest) {
            let up = up.forward(features, &skip, mode);
            features = layer.forward_of_two([up, skip]);
        }
        self.out.forward(features, Activation::Identity)
    }
}

/// To the size of the skip, through a convolution and its normalisation.
#[derive(Module, Debug)]
struct Up {
    convolution: Convolution,
    norm: BatchNorm,
}

impl Up {
    fn build(builder: &mut Builder, name: &str, [n_in, n_out]: [usize; 2]) -> Self {
        Self {
            convolution: convolution(builder, &format!("{name}.conv"), [n_out, n_in, 3, 3]),
            norm: BatchNorm::build(builder, &format!("{name}.norm"), n_out, EPSILON),
        }
    }

    fn forward(&self, features: Tensor<4>, skip: &Tensor<4>, mode: Mode) -> Tensor<4> {
        let [_, _, height, width] = skip.dims();
        let larger = ops::resize2d(features, [height, width], Interpolation::Bilinear);
        match mode {
            Mode::Training => self.norm.rectified_training(&self.convolution, larger),
            Mode::Inference => self.norm.rectified(&self.convolution, larger),
        }
    }
}
