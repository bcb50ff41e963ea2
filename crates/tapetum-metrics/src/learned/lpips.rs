//! LPIPS: learned perceptual image patch similarity.

use tapetum_nn::{
    Weights,
    backbones::{AlexNet, AlexNetVariant, Vgg, VggDepth, VggPooling},
    prelude::Device,
};

use super::{
    PerceptualNet, VGG16_FILE,
    perceptual::{Perceptual, Trunk},
    unfit,
};
use crate::{MetricError, MetricFile, Picture};

const METRIC: &str = "LPIPS";

/// LPIPS, version 0.1 of its weights: `Σ_stages mean over pixels of Σ_c w_c (a_c / |a| - b_c / |b|)²` with
/// `a`, `b` the features of the two pictures behind five ReLUs. From 0 for equal pictures to about 1;
/// lower is better. [Zhang 2018], as the authors' package `lpips` 0.1.4.
#[derive(Debug)]
pub struct Lpips(Perceptual);

impl Lpips {
    /// From torchvision's classifier and the package's heads, or twice from one saved module.
    ///
    /// # Errors
    /// [`MetricError::Parameters`] names the tensors that are missing, unknown or of another shape.
    pub fn read(
        net: PerceptualNet,
        trunk: &Weights,
        heads: &Weights,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let trunk = match net {
            PerceptualNet::Alex => {
                AlexNet::read(trunk, AlexNetVariant::Plain, device).map(Trunk::Alex)
            }
            PerceptualNet::Vgg => {
                Vgg::read(trunk, VggDepth::Sixteen, VggPooling::Max, device).map(Trunk::Vgg)
            }
        };
        let trunk = trunk.map_err(unfit(METRIC))?;
        Perceptual::new(METRIC, net, trunk, heads, device).map(Self)
    }

    /// The distance of two pictures, symmetric.
    ///
    /// # Errors
    /// When their sizes differ, a side is below 31 (AlexNet) or 16 pixels (VGG-16), or a value is not finite.
    pub fn score(&self, enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
        self.0.score(enhanced, reference)
    }
}

const HEAD_LICENCE: &str = "BSD-2-Clause";

pub(crate) static ALEX_FILES: [MetricFile; 2] = [
    MetricFile {
        name: "alexnet-owt-7be5be79.pth",
        what: "AlexNet trained on ImageNet",
        source: "torchvision, models.alexnet, weights IMAGENET1K_V1",
        licence: VGG16_FILE.licence,
    },
    MetricFile {
        name: "alex.pth",
        what: "LPIPS v0.1, weights of AlexNet's channels",
        source: "PyPI lpips 0.1.4, weights/v0.1/alex.pth",
        licence: HEAD_LICENCE,
    },
];

pub(crate) static VGG_FILES: [MetricFile; 2] = [
    VGG16_FILE,
    MetricFile {
        name: "vgg.pth",
        what: "LPIPS v0.1, weights of VGG-16's channels",
        source: "PyPI lpips 0.1.4, weights/v0.1/vgg.pth",
        licence: HEAD_LICENCE,
    },
];
