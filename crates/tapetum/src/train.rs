//! Training from a recipe file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tapetum_methods::scl_lle::{self, helpers::Helpers};
use tapetum_nn::{
    Weights, WeightsError,
    backbones::{Vgg16, Vgg16Pooling},
    prelude::Device,
    recipe::Recipe,
};
use tapetum_train::{RunConfig, TrainError};
use thiserror::Error;

pub use tapetum_train::{Outcome, Score};

use crate::evaluate::{SEGMENTERS, read_segmenter};

/// A recipe file: a run, and what the method itself takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeFile {
    /// Data, length and seed of the run.
    pub run: RunConfig,
    /// Frozen networks that terms of the loss look through.
    #[serde(default)]
    pub helpers: HelperFiles,
    /// The method and its settings; exactly one.
    #[serde(flatten)]
    pub method: MethodRecipe,
}

/// Files of frozen networks, relative to the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperFiles {
    /// VGG-16 with torchvision's names and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vgg16: Option<PathBuf>,
    /// A network that names the class of each pixel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<SegmenterFile>,
}

/// A segmenter and its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterFile {
    /// One of [`SEGMENTERS`].
    pub name: String,
    /// Its weights.
    pub weights: PathBuf,
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
    /// A term of the loss needs a network that the recipe does not name.
    #[error("{0}; name its file under [helpers]")]
    Helper(#[from] scl_lle::helpers::HelperError),
    /// The recipe names a segmenter that there is not.
    #[error("no segmenter is called '{name}', there are: {}", SEGMENTERS.join(", "))]
    Segmenter {
        /// What it names.
        name: String,
    },
    /// The weights of a helper are not those of its network.
    #[error("{}: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What was expected.
        source: WeightsError,
    },
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
    let RecipeFile { run: config, helpers, method } = &recipe;
    let mut training: Box<dyn Recipe> = match method {
        MethodRecipe::SclLle(settings) => Box::new(scl_lle::training::Training::new(
            settings.clone(),
            helpers.open(data_root, &device)?,
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

impl HelperFiles {
    fn open(&self, root: &Path, device: &Device) -> Result<Helpers, RecipeFileError> {
        let vgg = self.vgg16.as_ref().map(|file| {
            let path = root.join(file);
            let read = |weights: &Weights| Vgg16::read(weights, Vgg16Pooling::Max, device);
            read(&read_weights(&path)?).map_err(|source| RecipeFileError::Weights { path, source })
        });
        let segmenter = self.segmenter.as_ref().map(|file| {
            let path = root.join(&file.weights);
            let name = SEGMENTERS.into_iter().find(|name| *name == file.name);
            let name =
                name.ok_or_else(|| RecipeFileError::Segmenter { name: file.name.clone() })?;
            read_segmenter(name, &read_weights(&path)?)
                .map_err(|source| RecipeFileError::Weights { path, source })
        });
        Ok(Helpers { vgg: vgg.transpose()?, segmenter: segmenter.transpose()? })
    }
}

fn read_weights(path: &Path) -> Result<Weights, RecipeFileError> {
    let bytes =
        fs::read(path).map_err(|source| RecipeFileError::Io { path: path.to_owned(), source })?;
    Weights::from_bytes(&bytes)
        .map_err(|source| RecipeFileError::Weights { path: path.to_owned(), source })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const RUN: &str = "[run]\nseed = 1\nn_steps = 1\nn_low = 1\nn_labelled = 0\ncrop_px = 16\nshuffle_channels = false\ncheckpoint_every = 1\nvalidate_every = 1\n\
                       [run.data]\nlow = []\npositive = []\nnegative_under = []\nnegative_over = []\n\
                       [run.validation]\npairs = []\n";

    /// What is wrong with a recipe, before any data is read.
    fn refused(rest: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        fs::write(&path, format!("{RUN}{rest}")).unwrap();
        train(&path, folder.path(), &folder.path().join("run"), &[]).err().unwrap().to_string()
    }

    #[test]
    fn a_term_without_its_network_says_where_to_name_it() {
        let error = refused("[scl-lle]\nweight_style = 5.0\n");
        assert!(error.contains("style") && error.contains("[helpers]"), "{error}");
        let error = refused("[scl-lle]\nweight_segmentation = 1.0\n");
        assert!(error.contains("segmentation") && error.contains("[helpers]"), "{error}");
    }

    #[test]
    fn helpers_that_are_not_there_are_named() {
        let error = refused("[helpers]\nvgg16 = \"vgg16.pth\"\n[scl-lle]\n");
        assert!(error.contains("vgg16.pth"), "{error}");
        let segmenter = "[helpers.segmenter]\nname = \"unet\"\nweights = \"x\"\n[scl-lle]\n";
        let error = refused(segmenter);
        assert!(error.contains("'unet'") && error.contains("espnet-camvid"), "{error}");
    }
}
