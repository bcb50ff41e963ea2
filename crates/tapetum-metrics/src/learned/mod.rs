//! Metrics that look at pictures through trained networks. The weights are not shipped: whoever has the
//! files hands in what [`tapetum_nn::weights::Weights`] reads from them.
//!
//! A score holds all features of a picture at once: about 1.1 kB a pixel with VGG-16, 0.1 kB with AlexNet.

pub(crate) mod cards;
mod dists;
mod fid;
mod frechet;
mod lpips;
mod perceptual;
mod resize;
mod st_lpips;
mod views;

use tapetum_nn::WeightsError;

pub use self::{
    dists::Dists,
    fid::{Fid, FidVariant},
    frechet::frechet_distance,
    lpips::Lpips,
    perceptual::PerceptualNet,
    st_lpips::StLpips,
};
use crate::{MetricError, MetricFile};

/// VGG-16 of torchvision, which several metrics look through.
const VGG16_FILE: MetricFile = MetricFile {
    name: "vgg16-397923af.pth",
    what: "VGG-16 trained on ImageNet",
    source: "torchvision, models.vgg16, weights IMAGENET1K_V1",
    licence: "BSD-3-Clause (torchvision); trained on ImageNet, whose pictures are for research",
};

fn unfit(metric: &'static str) -> impl Fn(WeightsError) -> MetricError {
    move |error| MetricError::Parameters { metric, detail: error.to_string() }
}

fn finite(metric: &'static str, score: f64) -> Result<f64, MetricError> {
    if score.is_finite() {
        return Ok(score);
    }
    let detail = format!("expected a finite score, got {score}; are all weights finite?");
    Err(MetricError::Undefined { metric, detail })
}
