//! ST-LPIPS: LPIPS through networks that a shift of the picture changes little.

use tapetum_nn::{
    Weights,
    backbones::{AlexNet, AlexNetVariant, Vgg, VggDepth, VggPooling},
    prelude::Device,
};

use super::{
    PerceptualNet,
    perceptual::{Perceptual, Trunk},
    unfit,
};
use crate::{MetricError, MetricFile, Picture};

const METRIC: &str = "ST-LPIPS";

/// The formula of [`Lpips`](super::Lpips) through networks that are filtered before they skip pixels, trained
/// whole. From 0 for equal pictures to about 1; lower is better. [Ghildyal and Liu 2022], version
/// ST0.0 of the authors' package `stlpips-pytorch` 0.0.2, variant `shift_tolerant`.
#[derive(Debug)]
pub struct StLpips(Perceptual);

impl StLpips {
    /// From the package's file, which holds network and heads.
    ///
    /// # Errors
    /// [`MetricError::Parameters`] names the tensors that are missing, unknown or of another shape.
    pub fn read(
        net: PerceptualNet,
        weights: &Weights,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let trunk = match net {
            PerceptualNet::Alex => {
                AlexNet::read(weights, AlexNetVariant::ShiftTolerant, device).map(Trunk::Alex)
            }
            PerceptualNet::Vgg => {
                Vgg::read(weights, VggDepth::Sixteen, VggPooling::MaxThenBlur, device)
                    .map(Trunk::Vgg)
            }
        };
        let trunk = trunk.map_err(unfit(METRIC))?;
        Perceptual::new(METRIC, net, trunk, weights, device).map(Self)
    }

    /// The distance of two pictures, symmetric.
    ///
    /// # Errors
    /// When their sizes differ, a side is below 21 (AlexNet) or 18 pixels (VGG-16), or a value is not finite.
    pub fn score(&self, enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
        self.0.score(enhanced, reference)
    }
}

const LICENCE: &str =
    "the package says BSD-2-Clause; parts of its code say CC BY-NC-SA 4.0 (Adobe)";

pub(crate) static ALEX_FILES: [MetricFile; 1] = [MetricFile {
    name: "alex_shift_tolerant.pth",
    what: "ST-LPIPS, AlexNet and the weights of its channels",
    source: "PyPI stlpips-pytorch 0.0.2, weights/vST0.0/alex_shift_tolerant.pth",
    licence: LICENCE,
}];

pub(crate) static VGG_FILES: [MetricFile; 1] = [MetricFile {
    name: "vgg_shift_tolerant.pth",
    what: "ST-LPIPS, VGG-16 and the weights of its channels",
    source: "PyPI stlpips-pytorch 0.0.2, weights/vST0.0/vgg_shift_tolerant.pth",
    licence: LICENCE,
}];
