//! Whether a checkpoint's singular vectors are those of its weights, told by the illumination map.
//!
//! The authors average the parameters of the generator and not the vectors of its spectral norm, so that those of
//! `params_ema` are the random ones of the start: `σ = uᵀ W v` is then far too small, or negative, and the map is 0 or
//! 1 nearly everywhere. Whoever imports such a file sees here what either way gives.

use tapetum_nn::{
    Weights, WeightsError, layers::SpectralConvolution, prelude::*, weights::TensorValues,
};

use super::{network::CollaBa, weights};

/// Steps of the power iteration that find the singular vectors.
const N_STEPS: usize = 200;
/// Side of the test picture in pixels.
const SIDE_PX: usize = 64;
/// Where a sigmoid has nearly nothing left to say.
const SATURATED: [f64; 2] = [0.01, 0.99];
/// A larger share of such pixels is no map.
const SATURATED_SHARE_MAX: f64 = 0.25;
/// Ratio of singular values within which vectors are those of the weights.
const RATIO_NEAR: f64 = 1.05;
/// And below which they are others: vectors that followed the weights in training are never so far behind.
const RATIO_FAR: f64 = 0.5;

/// What the vectors of the file give, and what recomputed ones give.
#[derive(Debug, Clone, PartialEq)]
pub struct IlluminationReport {
    /// The layers with a spectral norm, in the order of the data.
    pub layers: Vec<LayerNorm>,
    /// The map by the vectors in the file.
    pub stored: MapStatistics,
    /// The map by vectors of the power iteration.
    pub recomputed: MapStatistics,
}

/// Singular values of one layer's weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNorm {
    /// `uᵀ W v` with the vectors in the file, by which the weight is divided.
    pub stored: f64,
    /// The largest singular value, by which it should be.
    pub largest: f64,
}

/// The map of the test picture, which goes from black to white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapStatistics {
    /// Of all pixels.
    pub mean: f64,
    /// Of all pixels.
    pub deviation: f64,
    /// The least light that is missed anywhere.
    pub smallest: f64,
    /// The most.
    pub largest: f64,
    /// Share of pixels below 0.01 or above 0.99.
    pub saturated_share: f64,
    /// Correlation with darkness, `1 - V(x)`, -1..1; 0 where the map is constant.
    pub with_darkness: f64,
}

/// Which vectors to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Those of the file are those of the weights.
    Same,
    /// Those of the file give a sane map, as they followed the weights from afar.
    Stored,
    /// Those of the file do not give a sane map, recomputed ones do.
    Recompute,
    /// Neither map says where a picture is dark.
    Neither,
}

impl IlluminationReport {
    /// Of a checkpoint.
    ///
    /// # Errors
    /// The tensors are not those of the network.
    pub fn of(weights: &Weights, device: &Device) -> Result<Self, WeightsError> {
        let network = weights::read(weights, device)?;
        let stored = sigmas(&network);
        let of_stored = MapStatistics::of(&network, device);
        network.recompute_spectral_norm(N_STEPS);
        let layers = stored.into_iter().zip(sigmas(&network));
        Ok(Self {
            layers: layers.map(|(stored, largest)| LayerNorm { stored, largest }).collect(),
            stored: of_stored,
            recomputed: MapStatistics::of(&network, device),
        })
    }

    /// What the numbers say.
    pub fn verdict(&self) -> Verdict {
        let ratios = || self.layers.iter().map(|layer| layer.stored / layer.largest);
        let follows = ratios().all(|ratio| ratio > RATIO_FAR);
        match (self.stored.is_sane() && follows, self.recomputed.is_sane()) {
            _ if ratios().all(|ratio| (1.0 / RATIO_NEAR..=RATIO_NEAR).contains(&ratio)) => {
                Verdict::Same
            }
            (true, _) => Verdict::Stored,
            (false, true) => Verdict::Recompute,
            (false, false) => Verdict::Neither,
        }
    }
}

/// The same weights with the singular vectors that the power iteration finds; the header stays.
///
/// # Errors
/// The tensors are not those of the network.
pub fn recomputed(weights: &Weights, device: &Device) -> Result<Weights, WeightsError> {
    let network = weights::read(weights, device)?;
    network.recompute_spectral_norm(N_STEPS);
    Ok(Weights { header: weights.header.clone(), ..weights::write(&network) })
}

impl MapStatistics {
    /// Whether it says more than 0 and 1, and more of it where the picture is darker.
    pub fn is_sane(&self) -> bool {
        self.saturated_share <= SATURATED_SHARE_MAX && self.with_darkness > 0.0
    }

    fn of(network: &CollaBa, device: &Device) -> Self {
        let picture = ramp(device);
        let darkness = values(picture.clone().max_dim(1).neg() + 1.0);
        let map = values(network.forward(picture).illumination);
        let n_pixels = map.len() as f64;
        let [low, high] = SATURATED;
        // What is no number counts as well.
        let n_saturated = map.iter().filter(|&&value| !(low..=high).contains(&value)).count();
        let centre = mean(&map);
        let squares: Vec<f64> = map.iter().map(|value| (value - centre).powi(2)).collect();
        Self {
            mean: centre,
            deviation: mean(&squares).sqrt(),
            smallest: map.iter().copied().fold(f64::INFINITY, f64::min),
            largest: map.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            saturated_share: n_saturated as f64 / n_pixels,
            with_darkness: correlation(&map, &darkness),
        }
    }
}

/// From black on the left to white on the right, of a warm colour, with a fine texture.
fn ramp(device: &Device) -> Tensor<4> {
    let value = |idx: usize| {
        let (channel, row, column) = (idx / SIDE_PX.pow(2), idx / SIDE_PX % SIDE_PX, idx % SIDE_PX);
        let light = column as f32 / (SIDE_PX - 1) as f32 * [1.0, 0.9, 0.75][channel];
        light * (1.0 - 0.1 * ((row + 2 * column) % 5) as f32 / 4.0)
    };
    let values: Vec<f32> = (0..3 * SIDE_PX.pow(2)).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, SIDE_PX, SIDE_PX]), device)
}

fn sigmas(network: &CollaBa) -> Vec<f64> {
    network.spectral().map(SpectralConvolution::singular_value).map(f64::from).collect()
}

fn values(tensor: Tensor<4>) -> Vec<f64> {
    TensorValues::of(tensor).values.into_iter().map(f64::from).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Pearson's; 0 where either does not vary.
fn correlation(first: &[f64], second: &[f64]) -> f64 {
    let [of_first, of_second] = [first, second].map(mean);
    let centred = || first.iter().zip(second).map(|(a, b)| (a - of_first, b - of_second));
    let product: f64 = centred().map(|(a, b)| a * b).sum();
    let squares =
        centred().map(|(a, _)| a * a).sum::<f64>() * centred().map(|(_, b)| b * b).sum::<f64>();
    if squares > 0.0 { product / squares.sqrt() } else { 0.0 }
}
