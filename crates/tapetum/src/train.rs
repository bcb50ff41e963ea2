//! Training from a recipe file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tapetum_methods::scl_lle;
use tapetum_nn::{prelude::Device, recipe::Recipe};
use tapetum_train::{RunConfig, TrainError};
use thiserror::Error;

pub use tapetum_train::{Outcome, Score};

/// A recipe file: a run, and what the method itself takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    /// Data, length and seed of the run.
    pub run: RunConfig,
    /// The method and its settings; exactly one.
    #[serde(flatten)]
    pub method: MethodRecipe,
}

/// The method to train, with what differs from its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodRecipe {
    /// SCL-LLE.
    SclLle(scl_lle::training::TrainingConfig),
}

/// Why a recipe was not trained.
#[derive(Debug, Error)]
pub enum RecipeFileError {
    /// The recipe cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The recipe is not one.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, and what was expected there.
        source: Box<toml::de::Error>,
    },
    /// A term of the loss needs a network that no recipe can name yet.
    #[error(transparent)]
    Helper(#[from] scl_lle::helpers::HelperError),
    /// The run failed.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// Trains the recipe at `path` on the data below `data_root`, in the folder `run`; continues the run
/// that is there. The weights carry the recipe, the seed and `notes` in their header.
///
/// # Errors
/// The recipe has an unknown key or a wrong value, or the run fails.
pub fn train(
    path: &Path,
    data_root: &Path,
    run: &Path,
    notes: &[(String, String)],
) -> Result<Outcome, RecipeFileError> {
    let text = fs::read_to_string(path)
        .map_err(|source| RecipeFileError::Io { path: path.to_owned(), source })?;
    let recipe: RecipeFile = toml::from_str(&text).map_err(|source| RecipeFileError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let device = Device::flex();
    let RecipeFile { run: config, method } = &recipe;
    let mut training: Box<dyn Recipe> = match method {
        MethodRecipe::SclLle(settings) => Box::new(scl_lle::training::Training::new(
            settings.clone(),
            scl_lle::helpers::Helpers::default(),
            config.n_steps,
            config.seed,
            &device,
        )?),
    };
    let mut outcome = tapetum_train::run(&mut *training, config, data_root, run, &device)?;
    let fixed = [
        ("method", "scl-lle".to_owned()),
        ("recipe", text.clone()),
        ("seed", config.seed.to_string()),
        ("tapetum_version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let header = &mut outcome.weights.header;
    header.extend(fixed.map(|(key, value)| (key.to_owned(), value)));
    header.extend(notes.iter().cloned());
    let hash = outcome.weights.content_hash();
    outcome.weights.header.insert("content_sha256".to_owned(), hash);
    Ok(outcome)
}
