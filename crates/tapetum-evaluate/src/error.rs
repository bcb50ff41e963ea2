//! Why an evaluation has no result.

use std::{io, path::PathBuf};

use tapetum_data::DataError;
use tapetum_image::ImageError;
use tapetum_metrics::MetricError;
use tapetum_nn::EnhanceError;
use thiserror::Error;

/// Why an evaluation, or the score of one image, has no result.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// The files of a set do not fit together.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no readable image.
    #[error("{path}: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        source: ImageError,
    },
    /// Images that belong together differ in size.
    #[error("expected images of one size in each pair, or references of a set 2 or 4 times as large, got: {}", misfits.join("; "))]
    Sizes {
        /// One sentence a pair.
        misfits: Vec<String>,
    },
    /// A label image does not hold 8-bit classes.
    #[error("{path}: expected 8-bit classes, got {depth_bits} bits")]
    Labels {
        /// The file.
        path: PathBuf,
        /// What it has.
        depth_bits: u8,
    },
    /// A method gave no result for an image.
    #[error("{contestant}: {source}")]
    Enhance {
        /// What ran.
        contestant: String,
        /// What the pipeline says.
        source: EnhanceError,
    },
    /// A metric gave no number.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The request makes no sense.
    #[error("{message}")]
    Request {
        /// What was expected and what was found.
        message: String,
        /// What to try next.
        hint: String,
    },
}

impl EvaluateError {
    /// What to try next, as one clause.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => Some(error.hint().to_owned()),
            Self::Image { source, .. } => source.hint(),
            Self::Sizes { .. } => Some("a pair shows one scene at one size".to_owned()),
            Self::Labels { .. } => Some("save the classes as 8-bit grey values".to_owned()),
            Self::Enhance { source, .. } => Some(source.hint().to_owned()),
            Self::Request { hint, .. } => Some(hint.clone()),
            Self::Io { .. } | Self::Metric(_) => None,
        }
    }
}
