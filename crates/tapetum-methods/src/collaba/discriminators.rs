//! What judges whether an image is a photograph or made.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_nn::{
    layers::{Builder, Convolution, Source, from_random},
    ops::{Activation, ConvOptions},
    prelude::*,
};

use super::{layers::with_options, unet::SpectralUNet};

const LEAKY: Activation = Activation::LeakyRelu(0.2);
/// Each side of the U-Net's image is a multiple of this.
const MULTIPLE_PX: usize = 8;

/// Which discriminators there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Adversary {
    /// None: the first stage.
    #[serde(rename = "none")]
    None,
    /// One that judges every pixel of the whole image: the authors' option files.
    #[default]
    #[serde(rename = "global")]
    Global,
    /// A second one beside it, that judges squares of the image alone: the paper's figure.
    #[serde(rename = "global+patch")]
    GlobalAndPatch,
}

/// Both discriminators; they learn together.
#[derive(Module, Debug)]
pub struct Discriminators {
    pub(super) global: SpectralUNet,
    /// Where there are two.
    pub patch: Option<PatchDiscriminator>,
}

impl Discriminators {
    /// With `n` channels at the full size (64 in the paper), parameters `global.…` and `patch.…`; none where there is
    /// no adversary.
    pub fn build(
        adversary: Adversary,
        n: usize,
        source: &mut Source,
        device: &Device,
    ) -> Option<Self> {
        let builder = &mut Builder::new(source, device);
        let with_patch = match adversary {
            Adversary::None => return None,
            Adversary::Global => false,
            Adversary::GlobalAndPatch => true,
        };
        let global = SpectralUNet::build(builder, "global.", n);
        let patch = with_patch.then(|| PatchDiscriminator::build(builder, "patch.", n));
        Some(Self { global, patch })
    }

    /// To train, as the authors' framework starts them.
    pub fn random(
        adversary: Adversary,
        n: usize,
        random: &mut ChaCha8Rng,
        device: &Device,
    ) -> Option<Self> {
        Self::build(adversary, n, &mut from_random(random), device)
    }

    /// Logits, above 0 for a photograph, one a pixel.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, 0..1; result: `[batch, 1, height, width]`.
    pub fn judge(&self, image: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = image.dims();
        let size = [height, width].map(|side| side.next_multiple_of(MULTIPLE_PX));
        let logits = self.global.forward(ops::continued(image, size), Activation::Identity);
        logits.narrow(2, 0, height).narrow(3, 0, width)
    }

    /// Lets the singular vectors follow the weights: once before a step.
    pub(super) fn follow(&self) {
        self.global.follow();
    }

    /// How many tensors learn.
    pub(super) fn n_learned_tensors(&self) -> usize {
        let patch = self.patch.as_ref().map_or(0, |patch| 2 * patch.layers.len());
        4 + self.global.spectral().count() + patch
    }
}

/// PatchGAN without normalisation (authors' `discriminator_patch_arch.py`, `NoNorm`).
#[derive(Module, Debug)]
pub struct PatchDiscriminator {
    layers: Vec<Convolution>,
}

impl PatchDiscriminator {
    fn build(builder: &mut Builder, prefix: &str, n: usize) -> Self {
        let widths = [3, n, 2 * n, 4 * n, 8 * n, 1];
        let strides = [2, 2, 2, 1, 1];
        let layers = (0..strides.len()).map(|idx| {
            let options =
                ConvOptions { stride: [strides[idx]; 2], padding: [2, 2], ..ConvOptions::same(4) };
            let shape = [widths[idx + 1], widths[idx], 4, 4];
            with_options(builder, &format!("{prefix}conv{idx}"), shape, options)
        });
        Self { layers: layers.collect() }
    }

    /// Logits of overlapping squares.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`; result: `[batch, 1, rows, columns]`, an eighth of the sides and two or
    /// three more.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(image, |image, (idx, layer)| {
            layer.forward(image, if idx == last { Activation::Identity } else { LEAKY })
        })
    }
}
