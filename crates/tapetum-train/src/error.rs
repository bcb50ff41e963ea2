//! Why a run cannot start or go on.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use tapetum_data::{DataError, SynthesisError};
use tapetum_image::ImageError;
use tapetum_nn::{EnhanceError, device::Unavailable, recipe::RecipeError};
use thiserror::Error;

/// How many names a message lists.
const N_NAMES_MAX: usize = 10;

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
    /// The device of the run cannot be used.
    #[error("run.device: {0}")]
    Device(#[from] Unavailable),
    /// A data set is not as it should be.
    #[error(transparent)]
    Set(#[from] DataError),
    /// Photographs are not of the size that the recipe needs, or differ from their partners.
    #[error("{}", listed(misfits))]
    Sizes {
        /// What was expected and found, for each.
        misfits: Vec<String>,
    },
    /// A file of the run, or of its data, is not what it should be.
    #[error("{}: {detail}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        detail: String,
    },
    /// A dark photograph cannot be made.
    #[error("{}: {source}", path.display())]
    Synthesis {
        /// The well-lit photograph.
        path: PathBuf,
        /// Why.
        source: SynthesisError,
    },
    /// An image cannot be validated on.
    #[error("{}: {source}", path.display())]
    Enhance {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EnhanceError,
    },
    /// A term of the loss, or the gradient, is not a finite number any more.
    #[error(
        "step {step}: {term} became {value} on a batch of {}; the network before it is saved",
        listed(photographs)
    )]
    NonFinite {
        /// Which step, the first being 1.
        step: usize,
        /// Name of the term.
        term: &'static str,
        /// NaN or an infinity.
        value: f64,
        /// What was in the batch.
        photographs: Vec<String>,
    },
    /// A step failed.
    #[error("step {step}: {source}")]
    Step {
        /// Which step, the first being 1.
        step: usize,
        /// Why.
        source: RecipeError,
    },
    /// The recipe says something that makes no sense.
    #[error("{key}: {detail}")]
    Config {
        /// Key in the recipe.
        key: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// The folder of the run holds another run.
    #[error("{}: {detail}", run.display())]
    OtherRun {
        /// The folder.
        run: PathBuf,
        /// What differs.
        detail: String,
    },
}

impl TrainError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the path and its permissions",
            Self::Image { .. } => "move the file away, or fetch it again",
            Self::Device(_) => "set run.device to cpu or auto",
            Self::Set(error) => error.hint(),
            Self::Sizes { .. } => "move these away, or change size_px in the recipe",
            Self::Data { .. } | Self::Enhance { .. } => "move the file away",
            Self::Synthesis { .. } | Self::Config { .. } => "change the recipe",
            Self::NonFinite { .. } => "lower the learning rate or look at those photographs",
            Self::Step { .. } => "change the recipe",
            Self::OtherRun { .. } => "name another folder for this run",
        }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn data(path: &Path, detail: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), detail: detail.into() }
    }

    /// The same with the table before the key.
    pub(crate) fn below(self, table: &str) -> Self {
        match self {
            Self::Config { key, detail } => Self::Config { key: format!("{table}.{key}"), detail },
            other => other,
        }
    }

    pub(crate) fn config(
        key: impl Into<String>,
        expected: impl Display,
        found: impl Display,
    ) -> Self {
        Self::Config { key: key.into(), detail: format!("expected {expected}, found {found}") }
    }
}

fn listed(items: &[String]) -> String {
    let shown: Vec<&str> = items.iter().take(N_NAMES_MAX).map(String::as_str).collect();
    let rest = items.len().saturating_sub(N_NAMES_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    shown.join(", ") + &more
}
