//! The U-Net with spectral norm: it predicts the illumination map within the network, and judges images beside it.

use tapetum_nn::{
    layers::{Builder, Convolution, SpectralConvolution},
    ops::{Activation, Interpolation},
    prelude::*,
};

use super::layers::{convolution, spectral};

/// After every convolution but the last.
const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// Three halvings and three doublings, features added across (authors' `UNetDiscriminatorSN`).
#[derive(Module, Debug)]
pub(super) struct SpectralUNet {
    conv0: Convolution,
    downs: Vec<SpectralConvolution>,
    ups: Vec<SpectralConvolution>,
    ends: Vec<SpectralConvolution>,
    conv9: Convolution,
}

impl SpectralUNet {
    /// With `n` channels at the full size, twice as many at each halving.
    pub(super) fn build(builder: &mut Builder, prefix: &str, n: usize) -> Self {
        let at = |idx: usize| format!("{prefix}conv{idx}");
        Self {
            conv0: convolution(builder, &at(0), [n, 3, 3, 3]),
            downs: (1..=3)
                .map(|idx| spectral(builder, &at(idx), [n << idx, n << (idx - 1), 4, 4]))
                .collect(),
            ups: (4..=6)
                .map(|idx| spectral(builder, &at(idx), [n << (6 - idx), n << (7 - idx), 3, 3]))
                .collect(),
            ends: (7..=8).map(|idx| spectral(builder, &at(idx), [n, n, 3, 3])).collect(),
            conv9: convolution(builder, &at(9), [1, n, 3, 3]),
        }
    }

    /// One value a pixel, through `last`.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, both sides multiples of 8; result: `[batch, 1, height, width]`.
    pub(super) fn forward(&self, image: Tensor<4>, last: Activation) -> Tensor<4> {
        let mut features = self.conv0.forward(image, LEAKY);
        let mut skips = Vec::with_capacity(self.downs.len());
        for down in &self.downs {
            skips.push(features.clone());
            features = down.forward(features, LEAKY);
        }
        for up in &self.ups {
            let skip = skips.pop().expect("a size on the way up for each on the way down");
            let [_, _, height, width] = skip.dims();
            features = ops::resize2d(features, [height, width], Interpolation::Bilinear);
            features = ops::add(up.forward(features, LEAKY), skip);
        }
        for end in &self.ends {
            features = end.forward(features, LEAKY);
        }
        self.conv9.forward(features, last)
    }

    /// Lets the singular vectors follow the weights by one step: once before a pass in training.
    pub(super) fn follow(&self) {
        self.spectral().for_each(|layer| layer.iterate(1));
    }

    /// Values that are kept and not learned.
    pub(super) fn n_kept(&self) -> usize {
        self.spectral().map(SpectralConvolution::n_kept).sum()
    }

    /// The layers with a spectral norm, in the order of the data.
    pub(super) fn spectral(&self) -> impl Iterator<Item = &SpectralConvolution> {
        self.downs.iter().chain(&self.ups).chain(&self.ends)
    }
}
