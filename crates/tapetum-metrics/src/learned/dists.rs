//! DISTS: deep image structure and texture similarity.

use tapetum_nn::{
    Weights,
    backbones::{InputScale, Vgg, VggDepth, VggPooling, VggStage},
    prelude::{Device, Tensor},
    weights::WeightReader,
};

use super::{
    VGG16_FILE, finite, unfit,
    views::{Features, tensor},
};
use crate::{MetricError, MetricFile, Picture, scorable::expect_scorable_pair};

const METRIC: &str = "DISTS";
const N_CHANNELS: [usize; 6] = [3, 64, 128, 256, 512, 512];
/// Keeps the two terms defined where features vanish (`c1`, `c2`).
const STABILIZER: f64 = 1e-6;

/// `1 - Σ_c (α_c l_c + β_c s_c)` over the channels `c` of the picture itself and of five stages of VGG-16, with
/// `l = (2 μ_a μ_b + c1) / (μ_a² + μ_b² + c1)` (texture) and `s = (2 σ_ab + c2) / (σ_a² + σ_b² + c2)` (structure) of
/// each whole channel. From 0 for equal pictures to about 1; lower is better. [Ding 2020], as the
/// authors' package `DISTS_pytorch` 0.1, without its optional reduction to 256 pixels.
#[derive(Debug)]
pub struct Dists {
    trunk: Vgg,
    /// `α` and `β`, all of them together 1.
    shares: [Vec<f64>; 2],
    device: Device,
}

impl Dists {
    /// From torchvision's classifier and the package's `alpha` and `beta`.
    ///
    /// # Errors
    /// [`MetricError::Parameters`] names the tensors that are missing, unknown or of another shape.
    pub fn read(trunk: &Weights, shares: &Weights, device: &Device) -> Result<Self, MetricError> {
        let trunk =
            Vgg::read(trunk, VggDepth::Sixteen, VggPooling::L2, device).map_err(unfit(METRIC))?;
        let mut reader = WeightReader::new(shares);
        let shape = [1, N_CHANNELS.iter().sum(), 1, 1];
        let shares = ["alpha", "beta"].map(|name| reader.take(name, &shape));
        reader.finish(METRIC).map_err(unfit(METRIC))?;
        let sum: f64 = shares.iter().flatten().map(|&share| f64::from(share)).sum();
        if sum <= 0.0 {
            let detail = format!("expected alpha and beta with a sum above 0, got {sum}");
            return Err(MetricError::Parameters { metric: METRIC, detail });
        }
        let shares = shares.map(|shares| shares.iter().map(|&s| f64::from(s) / sum).collect());
        Ok(Self { trunk, shares, device: device.clone() })
    }

    /// The distance of two pictures, symmetric.
    ///
    /// # Errors
    /// When their sizes differ, they have no pixel, or a value is not finite.
    pub fn score(&self, enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
        expect_scorable_pair(METRIC, 1, enhanced, reference)?;
        let [first, second] = [enhanced, reference].map(|picture| self.features(picture));
        let stages = first.into_iter().zip(second);
        let similarities = stages
            .flat_map(|(first, second)| similarities(&Features::of(first), &Features::of(second)));
        let [alpha, beta] = &self.shares;
        let shares = alpha.iter().zip(beta);
        // The shares sum to 1: written so, equal pictures give exactly 0.
        let losses = similarities
            .zip(shares)
            .map(|([texture, structure], (a, b))| a * (1.0 - texture) + b * (1.0 - structure));
        finite(METRIC, losses.sum())
    }

    fn features(&self, picture: &Picture) -> Vec<Tensor<4>> {
        let image = tensor(picture, &self.device);
        let mut features = vec![image.clone()];
        let image = InputScale::TORCHVISION.apply(image);
        features.extend(self.trunk.features(image, &VggStage::BLOCK_ENDS_16));
        features
    }
}

/// Texture and structure of every channel.
fn similarities(first: &Features, second: &Features) -> Vec<[f64; 2]> {
    let [mean_a, mean_b] = [first, second].map(means);
    let n_channels = first.n_channels;
    let mut moments = vec![[0.0; 3]; n_channels];
    for (a, b) in first.pixels().zip(second.pixels()) {
        for (idx, [square_a, square_b, product]) in moments.iter_mut().enumerate() {
            let (a, b) = (f64::from(a[idx]) - mean_a[idx], f64::from(b[idx]) - mean_b[idx]);
            *square_a += a * a;
            *square_b += b * b;
            *product += a * b;
        }
    }
    let n_pixels = first.pixels().len() as f64;
    let channels = mean_a.iter().zip(&mean_b).zip(&moments);
    let channels = channels.map(|((&mean_a, &mean_b), moments)| {
        let [variance_a, variance_b, covariance] = moments.map(|sum| sum / n_pixels);
        [
            alike(mean_a * mean_b, mean_a * mean_a + mean_b * mean_b),
            alike(covariance, variance_a + variance_b),
        ]
    });
    channels.collect()
}

fn alike(product: f64, squares: f64) -> f64 {
    (2.0 * product + STABILIZER) / (squares + STABILIZER)
}

fn means(features: &Features) -> Vec<f64> {
    let mut sums = vec![0.0; features.n_channels];
    for pixel in features.pixels() {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let n_pixels = features.pixels().len() as f64;
    sums.iter().map(|sum| sum / n_pixels).collect()
}

pub(crate) static FILES: [MetricFile; 2] = [
    VGG16_FILE,
    MetricFile {
        name: "weights.pt",
        what: "DISTS, alpha and beta of its channels",
        source: "PyPI DISTS_pytorch 0.1, weights.pt",
        licence: "MIT",
    },
];
