//! The singular vectors in the checkpoints of CollaBA's authors, which are not always those of the weights.

use tapetum_methods::collaba::illumination_report::{self, IlluminationReport};
use tapetum_nn::prelude::Device;

use crate::{error::Error, model::Model};

/// What the vectors of a model of CollaBA give, and what recomputed ones give.
///
/// # Errors
/// The weights are not those of CollaBA's network.
pub fn report(model: &Model) -> Result<IlluminationReport, Error> {
    Ok(IlluminationReport::of(&model.weights, &Device::flex())?)
}

/// Puts those of the weights in place of the vectors of a model of CollaBA, by the power iteration.
///
/// # Errors
/// The weights are not those of CollaBA's network.
pub fn recompute(model: &mut Model) -> Result<(), Error> {
    model.weights = illumination_report::recomputed(&model.weights, &Device::flex())?;
    Ok(())
}
