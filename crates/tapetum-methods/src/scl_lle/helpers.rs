//! The networks trained elsewhere that three of the terms look through.

use tapetum_nn::backbones::Vgg;

use super::{config::TrainingConfig, training::StartError};
use crate::segmentation::Segmenter;

/// Frozen networks that teach; they are given as they are and never change.
#[derive(Default)]
pub struct Helpers {
    /// For style contrast and feature preservation, on images of at least 8 pixels a side.
    pub vgg: Option<Vgg>,
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
