//! What a recipe file may say about a run, beside what the method itself takes.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use tapetum_data::SynthesisRange;
use tapetum_nn::{
    device::{self, DeviceKind},
    ops::Precision,
    prelude::Device,
};

use crate::{
    augment::{Augment, Geometry, Resizing},
    error::TrainError,
};

/// The largest side of what a photograph contributes to a batch.
const SIZE_PX_MAX: u32 = 4096;
/// The most photographs of one kind in a batch.
const N_MAX: usize = 4096;
/// The most memory for decoded photographs in MiB.
const CACHE_MIB_MAX: usize = 1 << 20;
/// The most threads that load photographs.
const N_WORKERS_MAX: usize = 256;

/// One training run, for any method. Folders are relative to the data root given at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Length, seed and machine.
    pub run: RunConfig,
    /// Photographs to learn from, by the names that the method gives them.
    pub data: BTreeMap<String, PartConfig>,
    /// What to measure and to look at on the way.
    #[serde(default)]
    pub validation: ValidationConfig,
}

/// Length, seed and machine of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Decides initial weights, crops, augmentation and the order of the data.
    pub seed: u64,
    /// Steps of the optimiser.
    pub n_steps: usize,
    /// Batches whose gradients make one step.
    #[serde(default = "one")]
    pub n_accumulated: usize,
    /// Numbers that convolutions multiply in; sums, weights and gradients are `f32` always.
    #[serde(default)]
    pub precision: RunPrecision,
    /// What computes.
    #[serde(default)]
    pub device: RunDevice,
    /// Whether cheap values are computed again for the gradient instead of kept: slower, in less memory.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Threads that load and augment photographs.
    #[serde(default = "two")]
    pub n_workers: usize,
    /// Memory for decoded photographs in MiB; what does not fit is decoded again each time.
    #[serde(default = "cache_mib")]
    pub cache_mib: usize,
    /// Steps between lines of the journal.
    #[serde(default = "journal_every")]
    pub journal_every: usize,
    /// Steps between checkpoints.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: usize,
    /// Checkpoints that stay; older ones are removed.
    #[serde(default = "two")]
    pub n_checkpoints: usize,
}

/// See [`Precision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPrecision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Operands rounded to 16-bit floats.
    Bf16,
}

/// What computes a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunDevice {
    /// The processor.
    #[default]
    Cpu,
    /// The fastest there is: see [`device::best`].
    Auto,
    /// NVIDIA's cards.
    Cuda,
    /// Cards with a Vulkan driver.
    Vulkan,
}

/// Photographs of one kind. Exactly one of `images`, `pairs`, `references` and `labelled` names folders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartConfig {
    /// Folders of photographs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PathBuf>,
    /// Data sets of dark photographs and references, in any layout that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<PathBuf>,
    /// Folders of well-lit photographs, of which `synthesis` makes the dark ones of pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<PathBuf>,
    /// Data sets of photographs and the class of each of their pixels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labelled: Vec<PathBuf>,
    /// Names, without extension, of photographs to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// How many times larger the references are on each side, where a set of pairs has them at several sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// Photographs in a batch.
    pub n: usize,
    /// Side in pixels of the square that is cut anywhere from each; of the reference's, where that is larger.
    pub size_px: u32,
    /// Another size for the whole photograph before a square is cut from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resizing>,
    /// Darkens the photographs, or makes the dark ones of `references`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthesis: Option<SynthesisRange>,
    /// Random changes.
    #[serde(default)]
    pub augment: Augment,
    /// Further changes that make a second view of each of `images`, for methods that compare two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strong: Option<Augment>,
}

/// What to measure and to look at on the way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Steps between validations; 0 for one at the end alone.
    pub every: usize,
    /// Data sets of pairs, for enhancers.
    pub pairs: Vec<PathBuf>,
    /// Data sets of labelled photographs, for segmenters.
    pub labelled: Vec<PathBuf>,
    /// Folders of dark photographs to look at.
    pub samples: Vec<PathBuf>,
    /// Photographs of each set and folder that are saved enhanced, the first by name.
    pub n_samples: usize,
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn cache_mib() -> usize {
    2048
}

fn journal_every() -> usize {
    10
}

fn checkpoint_every() -> usize {
    200
}

impl Plan {
    /// Whether all numbers are in their ranges.
    ///
    /// # Errors
    /// The first that is not, by its key.
    pub fn check(&self) -> Result<(), TrainError> {
        self.run.check()?;
        self.data.iter().try_for_each(|(name, part)| part.check(name))
    }
}

impl RunConfig {
    fn check(&self) -> Result<(), TrainError> {
        let counts = [
            ("run.n_steps", self.n_steps, usize::MAX),
            ("run.n_accumulated", self.n_accumulated, N_MAX),
            ("run.n_workers", self.n_workers, N_WORKERS_MAX),
            ("run.journal_every", self.journal_every, usize::MAX),
            ("run.checkpoint_every", self.checkpoint_every, usize::MAX),
            ("run.n_checkpoints", self.n_checkpoints, N_MAX),
        ];
        counts.into_iter().try_for_each(|(key, value, largest)| within(key, value, largest))?;
        if self.cache_mib > CACHE_MIB_MAX {
            let expected = format!("at most {CACHE_MIB_MAX}");
            return Err(TrainError::config("run.cache_mib", expected, self.cache_mib));
        }
        Ok(())
    }

    /// The device that a recipe trains on, with gradients.
    ///
    /// # Errors
    /// It is not there, or does not compute in the precision of the run.
    pub fn training_device(&self) -> Result<Device, TrainError> {
        let found = match self.device {
            RunDevice::Cpu => device::find(DeviceKind::Cpu),
            RunDevice::Auto => Ok(device::best().0),
            RunDevice::Cuda => device::find(DeviceKind::Cuda),
            RunDevice::Vulkan => device::find(DeviceKind::Vulkan),
        }?;
        let precision = Precision::from(self.precision);
        if !precision.is_on(&found.device) {
            let expected = format!("numbers that {found} computes in");
            return Err(TrainError::config("run.precision", expected, precision.name()));
        }
        let device = found.device.autodiff();
        Ok(if self.gradient_checkpointing { device.gradient_checkpointing() } else { device })
    }
}

impl PartConfig {
    fn check(&self, name: &str) -> Result<(), TrainError> {
        let key = |field: &str| format!("data.{name}.{field}");
        within(&key("n"), self.n, N_MAX)?;
        within(&key("size_px"), self.size_px as usize, SIZE_PX_MAX as usize)?;
        let sources = [&self.images, &self.pairs, &self.references, &self.labelled];
        let n_sources = sources.iter().filter(|folders| !folders.is_empty()).count();
        if n_sources != 1 {
            let expected = "folders under one of images, pairs, references and labelled";
            return Err(TrainError::config(key("…"), expected, format!("{n_sources} of them")));
        }
        if let Some(scale) = self.scale.filter(|_| self.pairs.is_empty()) {
            let expected = "nothing, as only sets of pairs have references of several sizes";
            return Err(TrainError::config(key("scale"), expected, scale));
        }
        let shrink = self.synthesis.as_ref().map_or(1, |synthesis| synthesis.shrink);
        match (&self.synthesis, self.references.is_empty()) {
            (None, false) => {
                let expected = "how to make dark photographs of the references";
                return Err(TrainError::config(key("synthesis"), expected, "nothing"));
            }
            (Some(_), true) if !self.pairs.is_empty() => {
                let expected = "nothing, as pairs have their dark photographs";
                return Err(TrainError::config(key("synthesis"), expected, "a synthesis"));
            }
            (Some(_), true) if shrink != 1 => {
                let expected = "1 where there is no reference";
                return Err(TrainError::config(key("synthesis.shrink"), expected, shrink));
            }
            _ => {}
        }
        if !self.size_px.is_multiple_of(shrink.max(1)) {
            let expected = format!("a multiple of synthesis.shrink, {shrink}");
            return Err(TrainError::config(key("size_px"), expected, self.size_px));
        }
        if let Some(synthesis) = &self.synthesis {
            synthesis.check().map_err(|error| TrainError::Config {
                key: key("synthesis"),
                detail: error.to_string(),
            })?;
        }
        let resize = self.resize.map_or(Ok(()), |resize| resize.check());
        resize.map_err(|error| error.below(&key("resize")))?;
        self.augment.check().map_err(|error| error.below(&key("augment")))?;
        let Some(strong) = &self.strong else { return Ok(()) };
        if self.images.is_empty() {
            let expected = "nothing, as only images have two views";
            return Err(TrainError::config(key("strong"), expected, "a second view"));
        }
        if strong.geometry != Geometry::default() {
            let expected = "none, as both views show the same pixels";
            let found = format!("{:?}", strong.geometry).to_lowercase();
            return Err(TrainError::config(key("strong.geometry"), expected, found));
        }
        strong.check().map_err(|error| error.below(&key("strong")))
    }
}

impl From<RunPrecision> for Precision {
    fn from(precision: RunPrecision) -> Self {
        match precision {
            RunPrecision::F32 => Self::F32,
            RunPrecision::Bf16 => Self::Bf16,
        }
    }
}

fn within(key: &str, value: usize, largest: usize) -> Result<(), TrainError> {
    if (1..=largest).contains(&value) {
        return Ok(());
    }
    let expected = match largest {
        usize::MAX => "at least 1".to_owned(),
        largest => format!("1 to {largest}"),
    };
    Err(TrainError::config(key, expected, value))
}
