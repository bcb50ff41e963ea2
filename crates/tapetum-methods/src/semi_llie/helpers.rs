//! What trains along with the network and is trained elsewhere, or not at all.

use tapetum_image::{Image, Srgb};

use super::{
    config::{Reliability, TrainingConfig},
    training::StartError,
};
use crate::tagging::SemanticEncoder;

/// Scores an image of 0..1 without a reference; more is better. An error says why it cannot.
pub type Judge = Box<dyn Fn(&Image<Srgb>) -> Result<f64, String> + Send + Sync>;

/// Frozen helpers; they are given as they are and never change.
#[derive(Default)]
pub struct Helpers {
    /// For the perceptual term and semantic contrast.
    pub encoder: Option<Box<dyn SemanticEncoder>>,
    /// For [`Reliability::Judged`].
    pub judge: Option<Judge>,
}

impl Helpers {
    /// Whether the settings are right, and everything with a weight has its helper.
    pub(super) fn check(&self, config: &TrainingConfig) -> Result<(), StartError> {
        config.check()?;
        let terms = [
            ("perceptual", config.weight_perceptual),
            ("contrast", config.weight_contrast * config.weight_unpaired),
        ];
        for (term, weight) in terms {
            if weight != 0.0 && self.encoder.is_none() {
                return Err(StartError::MissingEncoder { term, weight });
            }
        }
        if config.reliability == Reliability::Judged && self.judge.is_none() {
            return Err(StartError::MissingJudge);
        }
        Ok(())
    }
}
