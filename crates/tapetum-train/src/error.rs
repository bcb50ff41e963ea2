//! Why a run cannot start or go on.

use std::path::{Path, PathBuf};

use tapetum_image::ImageError;
use tapetum_nn::{EnhanceError, recipe::RecipeError};
use thiserror::Error;

/// Why a run cannot start or go on; files are named.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no usable image.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The data does not have the form that the recipe expects.
    #[error("{}: {detail}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        detail: String,
    },
    /// An image cannot be validated on.
    #[error("{}: {source}", path.display())]
    Enhance {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EnhanceError,
    },
    /// A step failed.
    #[error("step {step}: {source}")]
    Step {
        /// Which step.
        step: usize,
        /// Why.
        source: RecipeError,
    },
    /// A number in the recipe makes no sense.
    #[error("{name}: {detail}")]
    Config {
        /// Key in the recipe.
        name: &'static str,
        /// What was expected and what was found.
        detail: String,
    },
}

impl TrainError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn data(path: &Path, detail: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), detail: detail.into() }
    }
}
