//! Everything that can go wrong between bytes and bytes.

use tapetum_data::SynthesisError;
use tapetum_image::ImageError;
use tapetum_nn::{EnhanceError, WeightsError};
use thiserror::Error;

use crate::variations::Draws;

/// Why no bright photograph came out.
#[derive(Debug, Error)]
pub enum Error {
    /// The photograph cannot be read or written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// No dark photograph can be made of it so.
    #[error(transparent)]
    Synthesis(#[from] SynthesisError),
    /// The photograph cannot be enhanced.
    #[error(transparent)]
    Enhance(#[from] EnhanceError),
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// No built-in model has the name.
    #[error("no built-in model is called '{name}', there are: {known}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// No method has the name.
    #[error("no method is called '{name}', there are: {known}")]
    UnknownMethod {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Weights were given for a method that has none.
    #[error("the method {method} has no weights")]
    NoWeights {
        /// Its name.
        method: &'static str,
    },
    /// Variations were asked of a method that gives one result.
    #[error("{method} draws nothing, so its results have no variations")]
    CannotDraw {
        /// Its name.
        method: &'static str,
    },
    /// No method inside the program makes photographs so much larger.
    #[error("no method inside the program enlarges {scale} times")]
    NoScale {
        /// What was asked for.
        scale: u32,
    },
    /// The network does not lead to the size that was asked for.
    #[error("{method} gives results {found} times as large on each side, {expected} was asked for")]
    OtherScale {
        /// Its name, or those of a network and the one after it.
        method: String,
        /// What was asked for.
        expected: u32,
        /// What the network gives.
        found: u32,
    },
    /// That many variations are not drawn.
    #[error("expected {} to {} samples, got {found}", Draws::N_SAMPLES.start(), Draws::N_SAMPLES.end())]
    SampleCount {
        /// How many were asked for.
        found: u32,
    },
    /// The weights say that they belong to another method.
    #[error("the weights belong to {found}, {expected} was asked for")]
    OtherMethod {
        /// What was asked for.
        expected: String,
        /// What the weights say.
        found: String,
    },
}

impl Error {
    /// What to try next, as one clause.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Image(error) => error.hint(),
            Self::Synthesis(_) => None,
            Self::Enhance(error) => Some(error.hint().to_owned()),
            Self::Weights(error) => Some(error.hint().to_owned()),
            Self::UnknownModel { .. } => Some("'tapetum models list' shows them".to_owned()),
            Self::UnknownMethod { .. } => Some("'tapetum methods' shows them".to_owned()),
            Self::NoWeights { .. } => {
                Some("leave the weights out, or name another method".to_owned())
            }
            Self::CannotDraw { .. } => Some(
                "leave out --samples and --uncertainty, or name a method that draws".to_owned(),
            ),
            Self::NoScale { .. } => Some(
                "name a method, and its result is enlarged; or name weights that enlarge"
                    .to_owned(),
            ),
            Self::OtherScale { found, .. } => Some(format!("ask for {found}, or leave it out")),
            Self::SampleCount { .. } => None,
            Self::OtherMethod { found, .. } => Some(format!("leave --method out, or use {found}")),
        }
    }
}
