//! Training from a recipe file.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use serde::{Deserialize, Serialize};
use tapetum_methods::{
    collaba, lacr_vae, scl_lle,
    segmentation::{
        self, Segmenter,
        labelled_data::{CAMVID, CITYSCAPES, LabelledData},
    },
    semi_llie,
    tagging::{self, EncoderOptions, SemanticEncoder},
};
use tapetum_metrics::{Picture, Views};
use tapetum_nn::{
    Weights, WeightsError,
    backbones::{Vgg, VggDepth, VggPooling},
    prelude::Device,
    recipe::Recipe,
};
use tapetum_train::{Plan, RunConfig, Session, TrainError, ValidationConfig};
use thiserror::Error;

pub use tapetum_nn::recipe::TermValue;
pub use tapetum_train::{Event, Outcome, PartConfig, SampleFile, Score};

use crate::evaluate::{Better, Needs, SEGMENTERS, metric, metrics, read_segmenter};

/// The key of the recipe that another one stands on.
const BASE: &str = "base";

/// A recipe file: a run, and what the method itself takes. Exactly one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecipeFile {
    /// Length, seed and machine of the run.
    pub run: RunConfig,
    /// Photographs to learn from.
    pub data: std::collections::BTreeMap<String, PartConfig>,
    /// What to measure and to look at on the way.
    #[serde(default)]
    pub validation: ValidationConfig,
    /// Frozen networks that terms of the loss look through.
    #[serde(default)]
    pub helpers: HelperFiles,
    /// SCL-LLE, with what differs from its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scl_lle: Option<scl_lle::training::TrainingConfig>,
    /// Semi-LLIE, with what differs from its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semi_llie: Option<semi_llie::training::TrainingConfig>,
    /// LACR-VAE, with what differs from its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacr_vae: Option<lacr_vae::training::TrainingConfig>,
    /// CollaBA, with what differs from its defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collaba: Option<collaba::training::TrainingConfig>,
    /// DeepLabv3+, a segmenter that other recipes look through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deeplab: Option<segmentation::training::TrainingConfig>,
}

/// Files of frozen networks, relative to the data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelperFiles {
    /// VGG-16 with torchvision's names and values, or HED's; see the key `vgg_input` of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vgg16: Option<PathBuf>,
    /// VGG-19 with torchvision's names and values, in place of the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vgg19: Option<PathBuf>,
    /// Weights of the method's network to start from: those of its first stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<PathBuf>,
    /// A network that names the class of each pixel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<SegmenterFile>,
    /// A network that says what is in a photograph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderFile>,
    /// Name of a metric that needs neither a reference nor a file, by which a teacher's images are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// MobileNetV2 trained on ImageNet, from which DeepLabv3+ starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<PathBuf>,
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

/// A semantic encoder and its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderFile {
    /// One of [`tagging::ENCODERS`].
    pub name: String,
    /// Its weights.
    pub weights: PathBuf,
    /// Side that images are resized to, in pixels; by default the one that the encoder was trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_px: Option<usize>,
}

/// Where a recipe is trained, and who watches.
pub struct Training<'a> {
    /// What the recipe's folders are relative to.
    pub data: &'a Path,
    /// Holds everything that the run leaves; an unfinished run there is continued.
    pub run: &'a Path,
    /// Further lines for the header of the weights.
    pub notes: &'a [(String, String)],
    /// Ends the run after the step under way, with a checkpoint, once it is set.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub watch: &'a mut dyn FnMut(&Event),
}

/// Why a recipe was not trained.
#[derive(Debug, Error)]
pub enum RecipeFileError {
    /// The recipe, or a file that it names, cannot be read.
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
        /// The key that may have been meant.
        suggestion: Option<String>,
    },
    /// What a recipe stands on is no recipe that stands alone.
    #[error("{}: expected base to name a recipe without a base of its own", .0.display())]
    Base(PathBuf),
    /// A setting that is none.
    #[error("expected KEY=VALUE with a key such as run.seed, found '{0}'")]
    Setting(String),
    /// The recipe names no method, or several.
    #[error("{}: expected one method, as a table such as [scl-lle], found {found}", path.display())]
    Method {
        /// The file.
        path: PathBuf,
        /// How many.
        found: usize,
    },
    /// SCL-LLE cannot be trained so.
    #[error(transparent)]
    SclLle(#[from] scl_lle::training::StartError),
    /// Semi-LLIE cannot be trained so.
    #[error(transparent)]
    SemiLlie(#[from] semi_llie::training::StartError),
    /// LACR-VAE cannot be trained so.
    #[error(transparent)]
    LacrVae(#[from] lacr_vae::training::StartError),
    /// CollaBA cannot be trained so.
    #[error(transparent)]
    Collaba(#[from] collaba::training::StartError),
    /// The recipe names a judge that cannot judge.
    #[error(
        "helpers.judge: expected a metric that needs neither a reference nor a file, one of {}, found '{name}'",
        judges().join(", ")
    )]
    Judge {
        /// What it names.
        name: String,
    },
    /// The labels are those of no data set that is known.
    #[error("deeplab.n_classes: expected 11 (CamVid) or 19 (Cityscapes), found {found}")]
    Classes {
        /// Classes of the recipe.
        found: usize,
    },
    /// DeepLabv3+ cannot be trained so.
    #[error(transparent)]
    Deeplab(#[from] segmentation::training::StartError),
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

impl RecipeFileError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { suggestion, .. } => {
                suggestion.as_ref().map(|key| format!("did you mean '{key}'?"))
            }
            Self::Train(error) => Some(error.hint().to_owned()),
            Self::SclLle(scl_lle::training::StartError::Missing { .. })
            | Self::SemiLlie(semi_llie::training::StartError::MissingEncoder { .. })
            | Self::LacrVae(lacr_vae::training::StartError::MissingVgg { .. })
            | Self::Collaba(collaba::training::StartError::MissingVgg { .. }) => {
                Some("name its file under [helpers], or set the weight to 0".to_owned())
            }
            Self::SclLle(_)
            | Self::SemiLlie(_)
            | Self::LacrVae(_)
            | Self::Collaba(_)
            | Self::Judge { .. }
            | Self::Deeplab(_)
            | Self::Classes { .. } => Some("change the recipe".to_owned()),
            _ => None,
        }
    }
}

impl RecipeFile {
    /// Reads a recipe and changes it: each setting is a key with dots and a value as in TOML, where text
    /// needs no quotes. A recipe that says `base = "FILE"` is that other recipe, beside it, with what it says
    /// itself in place of the same keys there.
    ///
    /// # Errors
    /// A file cannot be read, a key is unknown or a value of the wrong kind, or there is not one method.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, RecipeFileError> {
        let text = read_text(path)?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| syntax(path, e))?;
        let recipe: Self = if settings.is_empty() && !table.contains_key(BASE) {
            // From the text, so that errors show the line.
            toml::from_str(&text).map_err(|e| syntax(path, e))?
        } else {
            if let Some(base) = table.remove(BASE) {
                let base = base.as_str().ok_or_else(|| RecipeFileError::Base(path.to_owned()))?;
                let base = path.with_file_name(base);
                let below = toml::from_str(&read_text(&base)?).map_err(|e| syntax(&base, e))?;
                let above = std::mem::replace(&mut table, below);
                if table.contains_key(BASE) {
                    return Err(RecipeFileError::Base(base));
                }
                lay_over(&mut table, above);
            }
            for setting in settings {
                set(&mut table, setting)
                    .ok_or_else(|| RecipeFileError::Setting(setting.clone()))?;
            }
            table.try_into().map_err(|e| syntax(path, e))?
        };
        let methods = [
            recipe.scl_lle.is_some(),
            recipe.semi_llie.is_some(),
            recipe.lacr_vae.is_some(),
            recipe.collaba.is_some(),
            recipe.deeplab.is_some(),
        ];
        let found = methods.into_iter().filter(|is_there| *is_there).count();
        if found != 1 {
            return Err(RecipeFileError::Method { path: path.to_owned(), found });
        }
        Ok(recipe)
    }

    /// The whole recipe with every default, as it can be read again.
    pub fn text(&self) -> String {
        toml::to_string(self).expect("a recipe is text, numbers and tables")
    }

    /// Trains the recipe. The weights carry the recipe, the seed, a hash of the data and the notes in their
    /// header.
    ///
    /// # Errors
    /// A file of a helper cannot be read, or the run fails.
    pub fn train(&self, training: &mut Training) -> Result<Outcome, RecipeFileError> {
        let plan = Plan {
            run: self.run.clone(),
            data: self.data.clone(),
            validation: self.validation.clone(),
        };
        let (mut recipe, method) = self.open(training.data)?;
        let text = self.text();
        let fixed = [
            ("method", method.to_owned()),
            ("recipe", text.clone()),
            ("seed", self.run.seed.to_string()),
            ("tapetum_version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let fixed = fixed.map(|(key, value)| (key.to_owned(), value));
        let header: Vec<_> = fixed.into_iter().chain(training.notes.iter().cloned()).collect();
        let mut session = Session {
            data: training.data,
            run: training.run,
            recipe: &text,
            header: &header,
            stop: training.stop,
            watch: training.watch,
        };
        Ok(tapetum_train::run(&mut *recipe, &plan, &mut session)?)
    }

    /// The method's strategy, at its first step, and the method's name.
    fn open(&self, root: &Path) -> Result<(Box<dyn Recipe>, &'static str), RecipeFileError> {
        let RunConfig { n_steps, seed, .. } = self.run;
        let device = self.run.training_device()?;
        // Helpers carry no gradient of their own.
        let beside = device.clone().inner();
        if let Some(config) = &self.scl_lle {
            let helpers = scl_lle::helpers::Helpers {
                vgg: self.helpers.vgg16(root, &beside)?,
                segmenter: self.helpers.segmenter(root, &beside)?,
            };
            let config = config.clone();
            let training =
                scl_lle::training::Training::new(config, helpers, n_steps, seed, &device)?;
            return Ok((Box::new(training), scl_lle::CARD.name));
        }
        if let Some(config) = &self.semi_llie {
            let helpers = semi_llie::helpers::Helpers {
                encoder: self.helpers.encoder(root, &beside)?,
                judge: self.helpers.judge()?,
            };
            let config = config.clone();
            let training =
                semi_llie::training::Training::new(config, helpers, n_steps, seed, &device)?;
            return Ok((Box::new(training), semi_llie::CARD.name));
        }
        if let Some(config) = &self.lacr_vae {
            let helpers = lacr_vae::helpers::Helpers { vgg: self.helpers.vgg16(root, &beside)? };
            let config = config.clone();
            let training =
                lacr_vae::training::Training::new(config, helpers, n_steps, seed, &device)?;
            return Ok((Box::new(training), lacr_vae::CARD.name));
        }
        if let Some(config) = &self.collaba {
            let helpers = collaba::helpers::Helpers {
                vgg: self.helpers.vgg(root, &beside)?,
                generator: self.helpers.generator(root)?,
            };
            let config = config.clone();
            let training =
                collaba::training::Training::new(config, helpers, n_steps, seed, &device)?;
            return Ok((Box::new(training), collaba::CARD.name));
        }
        let config = self.deeplab.clone().expect("a recipe that was read has a method");
        let known = [&CAMVID, &CITYSCAPES].map(LabelledData::classes_without_void);
        let classes = known.into_iter().find(|classes| classes.len() == config.n_classes);
        let classes = classes.ok_or(RecipeFileError::Classes { found: config.n_classes })?;
        let path = self.helpers.classifier.as_ref().map(|file| root.join(file));
        let classifier = path.as_deref().map(read_weights).transpose()?;
        let start = segmentation::training::Start { classes, classifier: classifier.as_ref() };
        let training =
            segmentation::training::Training::new(config, start, n_steps, seed, &device)?;
        Ok((Box::new(training), "deeplab"))
    }
}

impl HelperFiles {
    fn vgg16(&self, root: &Path, device: &Device) -> Result<Option<Vgg>, RecipeFileError> {
        read_vgg(self.vgg16.as_deref(), VggDepth::Sixteen, root, device)
    }

    /// VGG-19, or VGG-16 where that is what is named.
    fn vgg(&self, root: &Path, device: &Device) -> Result<Option<Vgg>, RecipeFileError> {
        match read_vgg(self.vgg19.as_deref(), VggDepth::Nineteen, root, device)? {
            Some(vgg) => Ok(Some(vgg)),
            None => self.vgg16(root, device),
        }
    }

    fn generator(&self, root: &Path) -> Result<Option<Weights>, RecipeFileError> {
        self.generator.as_ref().map(|file| read_weights(&root.join(file))).transpose()
    }

    fn segmenter(
        &self,
        root: &Path,
        device: &Device,
    ) -> Result<Option<Box<dyn Segmenter>>, RecipeFileError> {
        let Some(SegmenterFile { name, weights }) = &self.segmenter else { return Ok(None) };
        let known = SEGMENTERS.into_iter().find(|known| known == name);
        let name = known.ok_or_else(|| RecipeFileError::Segmenter { name: name.clone() })?;
        read_helper(&root.join(weights), |weights| read_segmenter(name, weights, device)).map(Some)
    }

    fn encoder(
        &self,
        root: &Path,
        device: &Device,
    ) -> Result<Option<Box<dyn SemanticEncoder>>, RecipeFileError> {
        let Some(EncoderFile { name, weights, side_px }) = &self.encoder else { return Ok(None) };
        let options = EncoderOptions { side_px: *side_px, ..EncoderOptions::default() };
        let read = |weights: &Weights| tagging::read(name, weights, options, device);
        read_helper(&root.join(weights), read).map(Some)
    }

    fn judge(&self) -> Result<Option<semi_llie::helpers::Judge>, RecipeFileError> {
        let Some(name) = &self.judge else { return Ok(None) };
        let refused = || RecipeFileError::Judge { name: name.clone() };
        let card = metrics().find(|card| card.name == name.as_str()).ok_or_else(refused)?;
        if !judges().contains(&card.name) {
            return Err(refused());
        }
        let metric = metric(card, &[]).map_err(|_| refused())?;
        Ok(Some(Box::new(move |image| {
            let (width, height) = (image.width() as usize, image.height() as usize);
            let picture = Picture::from_rgb(width, height, &image.pixels);
            let views = Views { low: None, enhanced: &picture, reference: None };
            let score = metric.score(views).map_err(|error| error.to_string())?;
            card.better.merit(score).ok_or_else(|| format!("{} is not a number", card.title))
        })))
    }
}

/// The metrics that can judge a teacher's images.
fn judges() -> Vec<&'static str> {
    let judges = metrics().filter(|card| {
        let has_files = card.name == "niqe-tapetum" || card.files.is_empty();
        card.needs == Needs::Nothing && card.better != Better::Neither && has_files
    });
    judges.map(|card| card.name).collect()
}

fn read_helper<T>(
    path: &Path,
    read: impl FnOnce(&Weights) -> Result<T, WeightsError>,
) -> Result<T, RecipeFileError> {
    let weights = |source| RecipeFileError::Weights { path: path.to_owned(), source };
    read(&read_weights(path)?).map_err(weights)
}

fn read_vgg(
    file: Option<&Path>,
    depth: VggDepth,
    root: &Path,
    device: &Device,
) -> Result<Option<Vgg>, RecipeFileError> {
    let read = |weights: &Weights| Vgg::read(weights, depth, VggPooling::Max, device);
    file.map(|file| read_helper(&root.join(file), read)).transpose()
}

fn read_weights(path: &Path) -> Result<Weights, RecipeFileError> {
    let bytes =
        fs::read(path).map_err(|source| RecipeFileError::Io { path: path.to_owned(), source })?;
    Weights::from_bytes(&bytes)
        .map_err(|source| RecipeFileError::Weights { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, RecipeFileError> {
    fs::read_to_string(path).map_err(|source| RecipeFileError::Io { path: path.to_owned(), source })
}

fn syntax(path: &Path, source: toml::de::Error) -> RecipeFileError {
    let suggestion = suggestion(source.message());
    RecipeFileError::Syntax { path: path.to_owned(), source: Box::new(source), suggestion }
}

/// Puts the keys of one table over those of another, table by table.
fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

/// Sets `run.seed=3` in a table; `None` where that is no setting.
fn set(table: &mut toml::Table, setting: &str) -> Option<()> {
    let (key, text) = setting.split_once('=')?;
    let (path, last) = match key.trim().rsplit_once('.') {
        Some((path, last)) => (path.split('.').collect(), last),
        None => (vec![], key.trim()),
    };
    let mut place = table;
    for name in path {
        let inner = place.entry(name).or_insert_with(|| toml::Table::new().into());
        place = inner.as_table_mut()?;
    }
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut parsed| parsed.remove("value"));
    let value = value.unwrap_or_else(|| toml::Value::String(text.to_owned()));
    place.insert(last.to_owned(), value);
    Some(())
}

/// The known key nearest to an unknown one, from what the reader of the file says: both stand in backticks,
/// the unknown one first.
fn suggestion(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with("unknown"))?;
    let rated = names.map(|name| (strsim::jaro_winkler(unknown, name), name));
    let nearest = rated.max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.filter(|(likeness, _)| *likeness > 0.8).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const RUN: &str = "[run]\nseed = 1\nn_steps = 1\n\
                       [data.low]\nimages = [\"low\"]\nn = 1\nsize_px = 16\n";

    fn read(text: &str, settings: &[&str]) -> Result<RecipeFile, RecipeFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.toml");
        fs::write(&path, text).unwrap();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        RecipeFile::read(&path, &settings)
    }

    /// What is wrong with a recipe, before any data is read.
    fn refused(rest: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (data, run) = (folder.path(), folder.path().join("run"));
        let recipe = read(&format!("{RUN}{rest}"), &[]);
        let result = recipe.and_then(|recipe| {
            recipe.train(&mut Training {
                data,
                run: &run,
                notes: &[],
                stop: &AtomicBool::new(false),
                watch: &mut |_| {},
            })
        });
        let error = result.err().unwrap();
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn a_term_without_its_network_says_where_to_name_it() {
        let error = refused("[scl-lle]\nweight_segmentation = 0.0\n");
        assert!(error.contains("style") && error.contains("[helpers]"), "{error}");
        let error = refused("[scl-lle]\nweight_style = 0.0\nweight_features = 0.0\n");
        assert!(error.contains("segmentation") && error.contains("[helpers]"), "{error}");
        let error = refused("[scl-lle]\ngradient_norm_max = -1.0\n");
        assert!(error.contains("gradient_norm_max") && error.contains("found -1"), "{error}");
    }

    #[test]
    fn helpers_that_are_not_there_are_named() {
        let error = refused("[helpers]\nvgg16 = \"vgg16.pth\"\n[scl-lle]\n");
        assert!(error.contains("vgg16.pth"), "{error}");
        let segmenter = "[helpers.segmenter]\nname = \"unet\"\nweights = \"x\"\n[scl-lle]\n";
        let error = refused(segmenter);
        assert!(error.contains("'unet'") && error.contains("espnet-camvid"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
        let check = |text: &str, settings: &[&str], expected: &str| {
            let error = read(text, settings).unwrap_err();
            assert_eq!(error.hint().unwrap(), format!("did you mean '{expected}'?"), "{error}");
        };
        let whole = format!("{RUN}[scl-lle]\n");
        check(&whole.replace("n_steps", "steps"), &[], "n_steps");
        check(&whole.replace("size_px", "size"), &[], "size_px");
        check(&format!("{RUN}[scl-le]\n"), &[], "scl-lle");
        check(&format!("{whole}weight_stile = 1.0\n"), &[], "weight_style");
        check(&whole, &["data.low.augment.geometri=flip"], "geometry");
        check(&whole, &["data.low.augment.geometry=flop"], "flip");
        let error = read(&whole.replace("seed", "zzz"), &[]).unwrap_err();
        assert!(error.hint().is_none() && error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn settings_change_numbers_texts_and_lists() {
        let settings = [
            "run.seed=7",
            "data.low.augment.geometry=dihedral",
            "data.low.images=[\"a\", \"b\"]",
            "scl-lle.learning_rate=1e-3",
            "helpers.vgg16=vgg.safetensors",
        ];
        let recipe = read(&format!("{RUN}[scl-lle]\n"), &settings).unwrap();
        assert_eq!(recipe.run.seed, 7);
        assert_eq!(recipe.data["low"].images, [Path::new("a"), Path::new("b")]);
        assert_eq!(recipe.helpers.vgg16, Some("vgg.safetensors".into()));
        let error = read(RUN, &["run.seed"]).unwrap_err().to_string();
        assert!(error.contains("'run.seed'"), "{error}");
        assert!(read(&format!("{RUN}[scl-lle]\n"), &["run.seed=x"]).is_err());
    }

    #[test]
    fn a_recipe_stands_on_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("base.toml"), format!("{RUN}[scl-lle]\nweight_style = 0.5\n")).unwrap();
        let text = "base = \"base.toml\"\n[run]\nseed = 9\n[scl-lle]\nweight_color = 0.25\n";
        fs::write(path("top.toml"), text).unwrap();
        let recipe = RecipeFile::read(&path("top.toml"), &["run.n_steps=2".to_owned()]).unwrap();
        assert_eq!((recipe.run.seed, recipe.run.n_steps), (9, 2));
        let method = recipe.scl_lle.unwrap();
        assert_eq!((method.weight_style, method.weight_color), (0.5, 0.25));
        fs::write(path("higher.toml"), "base = \"top.toml\"\n").unwrap();
        let error = RecipeFile::read(&path("higher.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("top.toml: expected base"), "{error}");
        fs::write(path("lost.toml"), "base = \"nowhere.toml\"\n").unwrap();
        let error = RecipeFile::read(&path("lost.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("nowhere.toml"), "{error}");
    }

    #[test]
    fn the_printed_recipe_is_the_same_recipe() {
        let recipe = read(&format!("{RUN}[scl-lle]\n"), &["run.precision=bf16"]).unwrap();
        let again = read(&recipe.text(), &[]).unwrap();
        assert_eq!(again, recipe);
        assert_eq!(again.text(), recipe.text());
        assert!(recipe.text().contains("precision = \"bf16\""), "{}", recipe.text());
        assert!(recipe.text().contains("gradient_norm_max = 0.1\n"), "{}", recipe.text());
    }

    #[test]
    fn a_recipe_without_a_method_is_refused() {
        let error = read(RUN, &[]).unwrap_err().to_string();
        assert!(error.contains("found 0"), "{error}");
    }
}
