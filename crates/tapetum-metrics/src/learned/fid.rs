//! FID: how far two sets of pictures lie apart.

use tapetum_nn::{
    Weights,
    backbones::{Inception, InputScale},
    ops::{self, Interpolation},
    prelude::{Device, Tensor},
    weights::TensorValues,
};

use super::{frechet_distance, resize::bicubic, unfit, views::tensor};
use crate::{MetricError, Picture, scorable::expect_scorable};

const METRIC: &str = "FID";
const SIDE: usize = 299;

/// How a picture becomes 299x299, and its values those of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FidVariant {
    /// As clean-fid: bicubic with antialiasing, not rounded, then `(v - 128) / 128`.
    CleanFid,
    /// As pytorch-fid: bilinear between the nearest pixels, then `2 v - 1`.
    PytorchFid,
}

impl FidVariant {
    /// As reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CleanFid => "clean-fid",
            Self::PytorchFid => "pytorch-fid",
        }
    }
}

/// Fréchet distance of the Inception features of two sets of pictures. From 0; lower is better; it
/// depends on the number of pictures, and strongly below a few thousand, so name it beside the score.
/// [Heusel 2017]; variants by [Parmar 2022] and pytorch-fid 0.3.0.
#[derive(Debug)]
pub struct Fid {
    network: Inception,
    variant: FidVariant,
    device: Device,
}

impl Fid {
    /// From a state dict of pytorch-fid, or of torchvision's `inception_v3`, whose scores are not comparable with
    /// published ones.
    ///
    /// # Errors
    /// [`MetricError::Parameters`] names the tensors that are missing, unknown or of another shape.
    pub fn read(
        weights: &Weights,
        variant: FidVariant,
        device: &Device,
    ) -> Result<Self, MetricError> {
        let network = Inception::read(weights, device).map_err(unfit(METRIC))?;
        Ok(Self { network, variant, device: device.clone() })
    }

    /// The distance of two sets; `reference` is always named by the caller.
    ///
    /// # Errors
    /// As [`Fid::features`] and [`frechet_distance`].
    pub fn distance(
        &self,
        enhanced: impl IntoIterator<Item = Picture>,
        reference: impl IntoIterator<Item = Picture>,
    ) -> Result<f64, MetricError> {
        let enhanced = enhanced.into_iter().map(|picture| self.features(&picture));
        let enhanced: Vec<_> = enhanced.collect::<Result<_, _>>()?;
        let reference = reference.into_iter().map(|picture| self.features(&picture));
        let reference: Vec<_> = reference.collect::<Result<_, _>>()?;
        frechet_distance(&enhanced, &reference)
    }

    /// The 2048 features of one picture.
    ///
    /// # Errors
    /// When the picture has no pixel or a value is not finite.
    pub fn features(&self, picture: &Picture) -> Result<Vec<f64>, MetricError> {
        expect_scorable(METRIC, 1, picture)?;
        let features = TensorValues::of(self.network.features(self.input(picture))).values;
        if features.iter().all(|value| value.is_finite()) {
            return Ok(features.into_iter().map(f64::from).collect());
        }
        let detail = "expected finite features, got others; are all weights finite?";
        Err(MetricError::Undefined { metric: METRIC, detail: detail.to_owned() })
    }

    fn input(&self, picture: &Picture) -> Tensor<4> {
        match self.variant {
            FidVariant::CleanFid => {
                let planes = picture.planes.each_ref().map(|plane| bicubic(plane, SIDE, SIDE));
                let picture = Picture { planes }.map(|value| value.clamp(0.0, 255.0));
                InputScale::TENSORFLOW.apply(tensor(&picture, &self.device))
            }
            FidVariant::PytorchFid => {
                let image = tensor(picture, &self.device);
                let image = ops::resize2d(image, [SIDE, SIDE], Interpolation::Bilinear);
                InputScale::SYMMETRIC.apply(image)
            }
        }
    }
}
