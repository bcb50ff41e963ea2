//! The encoder: four stages, each half as large as the one before.

use tapetum_nn::{
    layers::{Builder, Convolution, Initial},
    ops::{Activation, ConvOptions, PoolOptions},
    prelude::*,
};

use super::{
    config::{Latent, MultiScale, NetworkConfig, Region},
    layers::convolution,
    multi_scale::MultiScaleAttention,
    region::{Grid, RegionAttention},
};

/// Channels of each stage.
pub(super) const N_CHANNELS: [usize; 4] = [32, 64, 128, 256];
/// `S` of each stage.
const SIDES: [usize; 4] = [256, 128, 64, 32];
/// `ρ` of each stage.
const REDUCTIONS: [usize; 4] = [7, 5, 3, 1];
const N_HEADS: [usize; 4] = [4, 4, 8, 8];
/// The logarithm of the variance is kept between these two (ours).
const LOG_VARIANCES: [f32; 2] = [-10.0, 10.0];
/// What the head of the variance starts at, as a share of the others, so that it starts near 1 (ours).
const LOG_VARIANCE_START: f32 = 0.1;

/// From an image to the distribution of its latent.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    stem: Convolution,
    stages: Vec<Stage>,
    downs: Vec<Convolution>,
    mean: Convolution,
    log_variance: Option<Convolution>,
}

/// What the encoder finds in an image.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `μ`, `[batch, 256, height / 8, width / 8]`.
    pub mean: Tensor<4>,
    /// `ℓ = ln σ²`, of the same shape; `None` in an auto-encoder whose latent has no variance.
    pub log_variance: Option<Tensor<4>>,
}

impl Encoder {
    pub(super) fn build(builder: &mut Builder, config: &NetworkConfig) -> Self {
        let stem = convolution(builder, "stem", [N_CHANNELS[0], 3, 3, 3]);
        let stages = (0..N_CHANNELS.len()).map(|idx| Stage::build(builder, idx, config)).collect();
        let pairs = N_CHANNELS.windows(2).enumerate();
        let downs = pairs.map(|(idx, pair)| {
            convolution(builder, &format!("ds.{idx}"), [pair[1], pair[0], 3, 3])
        });
        let downs = downs.collect();
        let n = N_CHANNELS[3];
        let head = [n, n, 3, 3];
        Self {
            stem,
            stages,
            downs,
            mean: convolution(builder, "mu", head),
            log_variance: (config.latent == Latent::Gaussian)
                .then(|| Self::log_variance_head(builder, head)),
        }
    }

    fn log_variance_head(builder: &mut Builder, shape: [usize; 4]) -> Convolution {
        let fan_in: usize = shape[1..].iter().product();
        let deviation = LOG_VARIANCE_START * (2.0 / fan_in as f32).sqrt();
        let initial = [Initial::Normal(deviation), Initial::Constant(0.0)];
        Convolution::build(builder, "logvar", shape, ConvOptions::same(shape[2]), initial)
    }

    /// The latent's distribution, and the first three stages, finest first, for the decoder.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, both sides multiples of 8.
    pub(super) fn forward(&self, image: Tensor<4>) -> (Posterior, [Tensor<4>; 3]) {
        let (deepest, skips) = self.climb(image);
        let mean = self.mean.forward(deepest.clone(), Activation::Identity);
        let log_variance = self.log_variance.as_ref().map(|head| {
            let [lowest, highest] = LOG_VARIANCES;
            head.forward(deepest, Activation::Identity).clamp(lowest, highest)
        });
        (Posterior { mean, log_variance }, skips)
    }

    /// The latent's mean alone.
    pub(super) fn mean(&self, image: Tensor<4>) -> Tensor<4> {
        self.mean.forward(self.climb(image).0, Activation::Identity)
    }

    fn climb(&self, image: Tensor<4>) -> (Tensor<4>, [Tensor<4>; 3]) {
        let [first, rest @ ..] = &self.stages[..] else { unreachable!("there are four stages") };
        let mut features = first.forward(self.stem.forward(image, Activation::Identity));
        let mut skips = Vec::with_capacity(rest.len());
        for (down, stage) in self.downs.iter().zip(rest) {
            let halved = ops::max_pool2d(features.clone(), &PoolOptions::tiles([2, 2]));
            skips.push(features);
            features = stage.forward(down.forward(halved, Activation::Identity));
        }
        (features, skips.try_into().expect("three of four stages go down"))
    }
}

/// One RCAM and two AMSMs, or plain convolutions in their places.
#[derive(Module, Debug)]
struct Stage {
    region: RegionModule,
    scales: Vec<ScaleModule>,
}

impl Stage {
    fn build(builder: &mut Builder, idx: usize, config: &NetworkConfig) -> Self {
        let n_channels = N_CHANNELS[idx];
        let plain = [n_channels, n_channels, 3, 3];
        let grid = Grid {
            side: SIDES[idx],
            reduction: REDUCTIONS[idx],
            n_heads: N_HEADS[idx],
            positions: config.positions,
        };
        let name = format!("enc.{idx}.rcam");
        let region = match config.region {
            Region::Attention => RegionModule::Attention(RegionAttention::build(
                builder,
                &name,
                n_channels,
                grid,
                config.calibrate,
            )),
            Region::Convolution => RegionModule::Plain(convolution(builder, &name, plain)),
        };
        let scales = (0..2).map(|module| {
            let name = format!("enc.{idx}.amsm{module}");
            match config.multi_scale {
                MultiScale::Attention => {
                    ScaleModule::Attention(MultiScaleAttention::build(builder, &name, n_channels))
                }
                MultiScale::Convolution => ScaleModule::Plain(convolution(builder, &name, plain)),
            }
        });
        let scales = scales.collect();
        Self { region, scales }
    }

    fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let image = match &self.region {
            RegionModule::Attention(module) => module.forward(image),
            RegionModule::Plain(module) => module.forward(image, Activation::Relu),
        };
        self.scales.iter().fold(image, |image, module| match module {
            ScaleModule::Attention(module) => module.forward(image),
            ScaleModule::Plain(module) => module.forward(image, Activation::Relu),
        })
    }
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are four in a network")]
enum RegionModule {
    Attention(RegionAttention),
    Plain(Convolution),
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are eight in a network")]
enum ScaleModule {
    Attention(MultiScaleAttention),
    Plain(Convolution),
}
