//! How images are given to VGG by those who compare its features.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{InputScale, Vgg, VggStage};

/// What the features of [`VggInput::Caffe`] are divided by.
const CAFFE_FEATURE_SCALE: f32 = 128.0;

/// What VGG sees of an image of 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VggInput {
    /// The image as it is, as the authors of SCL-LLE and LRCR give it.
    Unscaled,
    /// Less ImageNet's mean, divided by its deviation, as torchvision's network was trained.
    Normalized,
    /// As Caffe's network was trained, blue first and 0..255 less its mean; the features are divided by 128,
    /// which brings them to the size that they have with the other two.
    Caffe,
}

impl VggInput {
    /// Features at `stages`.
    ///
    /// # Shapes
    /// `image`: `[batch, 3, height, width]`, sRGB-encoded, 0..1.
    pub fn features(self, vgg: &Vgg, image: Tensor<4>, stages: &[VggStage]) -> Vec<Tensor<4>> {
        let features = |image| vgg.features(image, stages);
        match self {
            Self::Unscaled => features(image),
            Self::Normalized => features(InputScale::TORCHVISION.apply(image)),
            Self::Caffe => {
                let features = features(InputScale::CAFFE.apply(image));
                features.into_iter().map(|feature| feature / CAFFE_FEATURE_SCALE).collect()
            }
        }
    }
}
