//! What an evaluation is asked to do.

use std::path::PathBuf;

use tapetum_image::{Image, Limits, Srgb};
use tapetum_metrics::{Metric, learned::Fid};
use tapetum_nn::{
    Network, Strength,
    enhance::{MEMORY_BYTES_DEFAULT, PrecisionMode},
};

use crate::{protocol::Protocol, report::ContestantNote, set::Set};

/// Name of the contestant that leaves images as they are.
pub const UNTOUCHED: &str = "none";

/// Who is scored on what, and how.
pub struct Contest<'a> {
    /// Title of the report.
    pub title: String,
    /// The day, where the caller states one.
    pub date: Option<String>,
    /// What is scored on; their names differ.
    pub sets: Vec<Set>,
    /// What is scored; their names differ.
    pub contestants: Vec<Contestant<'a>>,
    /// How images are brought to what metrics see, at least one; harm is measured under the first.
    pub protocols: Vec<Protocol>,
    /// What is measured.
    pub metrics: Vec<Metric>,
    /// What is measured on sequences: whether neighbouring images flicker.
    pub flicker: bool,
    /// The distance of results from a folder of references, as a whole.
    pub fid: Option<FidOf<'a>>,
    /// Who names the class of each pixel, for sets with labels.
    pub segmenter: Option<Segmenter<'a>>,
    /// The rest.
    pub options: Options,
}

/// Who takes part.
pub struct Contestant<'a> {
    /// What reports say of it.
    pub note: ContestantNote,
    /// Where its results come from.
    pub maker: Maker<'a>,
}

/// Where results come from.
pub enum Maker<'a> {
    /// A network that runs here.
    Network(&'a dyn Network),
    /// Files: for each set, one for each of its images; none for a set without results.
    Files(Vec<Vec<PathBuf>>),
}

/// The Fréchet distance to the images of a folder.
pub struct FidOf<'a> {
    /// The network.
    pub fid: &'a Fid,
    /// What reports say of it: variant, weights and folder.
    pub description: String,
    /// The images of the folder.
    pub references: Vec<PathBuf>,
}

type Predict<'a> = dyn Fn(&Image<Srgb>) -> Vec<u8> + Sync + 'a;

/// A network that names the class of each pixel.
pub struct Segmenter<'a> {
    /// What reports say of it: architecture, weights and classes.
    pub description: String,
    /// How many classes it knows.
    pub n_classes: usize,
    /// How many of them count, from the first on: labels beyond them are void, and a prediction beyond them
    /// is wrong.
    pub n_scored: usize,
    /// The class of each pixel, row by row.
    pub predict: &'a Predict<'a>,
}

/// How methods run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How much of a network's change is applied. At a fixed strength no result is refused: one that is
    /// darker than its input is scored as it is.
    pub strength: Strength,
    /// Memory for one result and the network's work on it.
    pub memory_bytes_max: u64,
    /// In which numbers networks compute.
    pub precision: PrecisionMode,
    /// What a file may ask for.
    pub limits: Limits,
    /// Images in flight.
    pub n_threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strength: Strength::Fixed(1.0),
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            precision: PrecisionMode::Auto,
            limits: Limits::default(),
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
