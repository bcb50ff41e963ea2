//! The networks trained elsewhere that three of the terms look through.

use tapetum_nn::{
    backbones::{InputScale, Vgg16, Vgg16Stage},
    prelude::Tensor,
};

use super::{
    config::{TrainingConfig, VggInput},
    training::StartError,
};
use crate::segmentation::Segmenter;

/// What the features of [`VggInput::Caffe`] are divided by.
const CAFFE_FEATURE_SCALE: f32 = 128.0;

/// Frozen networks that teach; they are given as they are and never change.
#[derive(Default)]
pub struct Helpers {
    /// For style contrast and feature preservation, on images of at least 8 pixels a side.
    pub vgg: Option<Vgg16>,
    /// For the segmentation term. Its first classes are those of the labels; it may have more.
    pub segmenter: Option<Box<dyn Segmenter>>,
}

impl Helpers {
    /// Whether the settings are right, and every term with a weight has its network.
    pub(super) fn check(&self, config: &TrainingConfig) -> Result<(), StartError> {
        config.check()?;
        let [has_vgg, has_segmenter] = [self.vgg.is_some(), self.segmenter.is_some()];
        let needs = [
            ("style", config.weight_style, "VGG-16", has_vgg),
            ("features", config.weight_features, "VGG-16", has_vgg),
            ("segmentation", config.weight_segmentation, "a segmenter", has_segmenter),
        ];
        for (term, weight, network, is_there) in needs {
            if weight != 0.0 && !is_there {
                return Err(StartError::Missing { term, weight, network });
            }
        }
        let expected = config.n_classes;
        match &self.segmenter {
            Some(segmenter) if segmenter.n_classes() < expected => {
                Err(StartError::Classes { expected, found: segmenter.n_classes() })
            }
            _ => Ok(()),
        }
    }
}

/// Features at `stages` of images as VGG-16 is to see them.
///
/// # Shapes
/// `image`: `[batch, 3, height, width]`, sRGB-encoded, 0..1.
pub(super) fn features(
    vgg: &Vgg16,
    input: VggInput,
    image: Tensor<4>,
    stages: &[Vgg16Stage],
) -> Vec<Tensor<4>> {
    let features = |image| vgg.features(image, stages);
    match input {
        VggInput::Unscaled => features(image),
        VggInput::Normalized => features(InputScale::TORCHVISION.apply(image)),
        VggInput::Caffe => {
            let features = features(InputScale::CAFFE.apply(image));
            features.into_iter().map(|feature| feature / CAFFE_FEATURE_SCALE).collect()
        }
    }
}
