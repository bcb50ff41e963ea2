//! The distance that LPIPS and ST-LPIPS share: features of five stages, each pixel's scaled to length 1,
//! their squared differences weighted by channel.

use tapetum_nn::{
    Weights,
    backbones::{AlexNet, InputScale, Vgg, VggStage},
    prelude::{Device, Tensor},
    weights::WeightReader,
};

use super::{
    finite, unfit,
    views::{Features, tensor},
};
use crate::{MetricError, Picture, scorable::expect_scorable_pair};

/// Which network the pictures are seen through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerceptualNet {
    /// AlexNet, the usual choice for reports.
    Alex,
    /// VGG-16, the usual choice as a loss.
    Vgg,
}

impl PerceptualNet {
    /// Channels of the five stages.
    fn n_channels(self) -> [usize; 5] {
        match self {
            Self::Alex => [64, 192, 384, 256, 256],
            Self::Vgg => [64, 128, 256, 512, 512],
        }
    }
}

#[derive(Debug)]
pub(super) enum Trunk {
    Alex(AlexNet),
    Vgg(Vgg),
}

impl Trunk {
    fn features(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        match self {
            Self::Alex(network) => network.features(image),
            Self::Vgg(network) => network.features(image, &VggStage::BLOCK_ENDS_16),
        }
    }

    fn side_min(&self) -> usize {
        match self {
            Self::Alex(network) => network.side_min(),
            Self::Vgg(network) => network.side_min(VggStage::Relu5_3),
        }
    }
}

/// A trunk and the weights of its channels.
#[derive(Debug)]
pub(super) struct Perceptual {
    metric: &'static str,
    trunk: Trunk,
    heads: Vec<Vec<f32>>,
    device: Device,
}

impl Perceptual {
    /// Takes `lin0.model.1.weight` to `lin4` from `heads`.
    pub(super) fn new(
        metric: &'static str,
        net: PerceptualNet,
        trunk: Trunk,
        heads: &Weights,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let heads = heads_of(heads);
        let mut reader = WeightReader::new(&heads);
        let heads = net.n_channels().into_iter().enumerate().map(|(stage, n_channels)| {
            reader.take(&format!("lin{stage}.model.1.weight"), &[1, n_channels, 1, 1])
        });
        let heads = heads.collect();
        check_input_scale(metric, &mut reader)?;
        reader.finish(metric).map_err(unfit(metric))?;
        Ok(Self { metric, trunk, heads, device: device.clone() })
    }

    pub(super) fn score(
        &self,
        enhanced: &Picture,
        reference: &Picture,
    ) -> Result<f64, MetricError> {
        expect_scorable_pair(self.metric, self.trunk.side_min(), enhanced, reference)?;
        let [first, second] = [enhanced, reference].map(|picture| {
            self.trunk.features(InputScale::LPIPS.apply(tensor(picture, &self.device)))
        });
        let stages = first.into_iter().zip(second).zip(&self.heads);
        let distances = stages.map(|((first, second), head)| {
            stage_distance(&Features::of(first), &Features::of(second), head)
        });
        finite(self.metric, distances.sum())
    }
}

/// What a file holds beside the features: a whole module keeps its heads twice.
fn heads_of(weights: &Weights) -> Weights {
    let is_head = |name: &str| {
        !["features.", "classifier.", "net.", "lins."].iter().any(|part| name.starts_with(part))
    };
    let tensors = weights.tensors.iter().filter(|(name, _)| is_head(name));
    let tensors = tensors.map(|(name, values)| (name.clone(), values.clone())).collect();
    Weights { tensors, header: weights.header.clone() }
}

/// A file that keeps the scale of its input must keep the one that is used here.
fn check_input_scale(metric: &'static str, reader: &mut WeightReader) -> Result<(), MetricError> {
    let expected = [("shift", [-0.030, -0.088, -0.188]), ("scale", [0.458, 0.448, 0.450])];
    for (part, expected) in expected {
        let name = format!("scaling_layer.{part}");
        let Some(values) = reader.take_if_there(&name, &[1, 3, 1, 1]) else {
            continue;
        };
        if values.iter().zip(expected).any(|(a, b): (&f32, f32)| (a - b).abs() > 1e-6) {
            let detail = format!("{name}: expected {expected:?}, got {values:?}");
            return Err(MetricError::Parameters { metric, detail });
        }
    }
    Ok(())
}

/// `mean over pixels of Σ_c head_c (a_c / |a| - b_c / |b|)²`.
fn stage_distance(first: &Features, second: &Features, head: &[f32]) -> f64 {
    let sum: f64 =
        first.pixels().zip(second.pixels()).map(|(a, b)| pixel_distance(a, b, head)).sum();
    sum / first.pixels().len() as f64
}

fn pixel_distance(first: &[f32], second: &[f32], head: &[f32]) -> f64 {
    let [length_first, length_second] = [first, second].map(|pixel| {
        pixel.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt() + 1e-10
    });
    let terms = first.iter().zip(second).zip(head).map(|((&a, &b), &weight)| {
        let difference = f64::from(a) / length_first - f64::from(b) / length_second;
        f64::from(weight) * difference * difference
    });
    terms.sum()
}
