//! What trains along with the network and is trained elsewhere.

use tapetum_nn::backbones::Vgg;

use super::{config::TrainingConfig, training::StartError};

/// Frozen networks; they are given as they are and never change.
#[derive(Default)]
pub struct Helpers {
    /// For the texture term, on images of at least 32 pixels a side.
    pub vgg: Option<Vgg>,
}

impl Helpers {
    /// Whether the settings are right, and every term with a weight has its network.
    pub(super) fn check(&self, config: &TrainingConfig) -> Result<(), StartError> {
        config.check()?;
        let weight = config.weight_texture;
        match self.vgg.is_none() && weight != 0.0 {
            true => Err(StartError::MissingVgg { weight }),
            false => Ok(()),
        }
    }
}
