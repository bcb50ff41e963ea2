//! What is wrong with a data set, with the names of the files.

use std::{
    io,
    path::{Path, PathBuf},
};

use tapetum_image::ImageError;
use thiserror::Error;

/// How many file names a message lists.
const N_NAMES_MAX: usize = 10;

/// What is wrong with a data set.
#[derive(Debug, Error)]
pub enum DataError {
    /// A folder or file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The folder or file.
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
    /// A folder holds no image.
    #[error("{path}: expected images, found none")]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has none of the known layouts.
    #[error("{path}: expected {expected}, found neither")]
    Layout {
        /// The folder.
        path: PathBuf,
        /// The sub-folders that were looked for.
        expected: String,
    },
    /// The folder has more than one of the known layouts.
    #[error("{path}: expected one data set, found the folders of {}", layouts.join(" and "))]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// The names of the layouts.
        layouts: Vec<&'static str>,
    },
    /// A folder of a known layout lacks the one that its files belong with.
    #[error("{folder}: expected its partner {expected}, found no such folder")]
    PartnerFolder {
        /// The folder that is there.
        folder: PathBuf,
        /// The folders that were looked for.
        expected: String,
    },
    /// A data set that is known and cannot be read.
    #[error("{path}: found {detail}")]
    Unsupported {
        /// The folder.
        path: PathBuf,
        /// What it holds, and what is read.
        detail: String,
    },
    /// Files without a partner.
    #[error("expected a partner for each file, found none for {}", listed(files))]
    Unpaired {
        /// All of them.
        files: Vec<PathBuf>,
    },
    /// Files that claim the same partner.
    #[error("expected one file of a name, found several: {}", listed(files))]
    Duplicate {
        /// All of them.
        files: Vec<PathBuf>,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// What to try next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::NoImages { .. } => "check the path",
            Self::Image { .. } => "move the file away, or fetch it again",
            Self::Layout { .. } => "rename the folders, or name a folder of images",
            Self::Ambiguous { .. } => "name the folder of one of them",
            Self::PartnerFolder { .. } => "add the missing folder, or move this one away",
            Self::Unsupported { .. } => "convert the labels to class indices first",
            Self::Unpaired { .. } => "add the missing files, or move these away",
            Self::Duplicate { .. } => "keep one of them",
        }
    }
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<String> =
        files.iter().take(N_NAMES_MAX).map(|file| file.display().to_string()).collect();
    let rest = files.len().saturating_sub(N_NAMES_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    names.join(", ") + &more
}
