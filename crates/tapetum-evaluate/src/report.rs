//! What an evaluation found, ready to be written: numbers in [`Report`], pictures in [`Showcase`].

use serde::{Deserialize, Serialize};
pub use tapetum_metrics::Better;

/// Everything that was measured, and all that somebody needs to measure it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// Version of the program.
    pub version: String,
    /// The day, e.g. `2026-03-01`, where the caller stated one.
    pub date: Option<String>,
    /// Sentences that say how the numbers came about: strength, seeds, resamplings, caps.
    pub notes: Vec<String>,
    /// The protocols that columns name.
    pub protocols: Vec<ProtocolNote>,
    /// What was scored on.
    pub sets: Vec<SetNote>,
    /// What was scored.
    pub contestants: Vec<ContestantNote>,
    /// What was measured, in the order of the table.
    pub columns: Vec<Column>,
    /// Means, one row a set and contestant.
    pub rows: Vec<Row>,
    /// Differences between two contestants on the same images.
    pub differences: Vec<Difference>,
    /// Single scores, one entry an image and contestant.
    pub images: Vec<ImageScores>,
}

/// A protocol by its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProtocolNote {
    /// What columns call it.
    pub name: String,
    /// What it does to the images before they are compared.
    pub description: String,
}

/// A set of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetNote {
    /// Its name.
    pub name: String,
    /// `paired`, `unpaired` or `labelled`.
    pub kind: String,
    /// How many images it has.
    pub n_images: usize,
    /// SHA-256 over names and contents of all its files.
    pub manifest_sha256: String,
}

/// A method, weights or a folder of outputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContestantNote {
    /// What rows call it.
    pub name: String,
    /// The method, where one ran here.
    pub method: Option<String>,
    /// SHA-256 of the weights' tensors, where there are any.
    pub weights_sha256: Option<String>,
    /// Learned values.
    pub n_parameters: Option<usize>,
    /// Multiply-accumulates for one pixel.
    pub macs_per_pixel: Option<u64>,
    /// Median time for a 600x400 image, in milliseconds.
    pub milliseconds: Option<f64>,
    /// Memory at the peak of that, in bytes, beyond what the program held before.
    pub memory_peak_bytes: Option<u64>,
}

/// One column of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Unique name, e.g. `psnr`, `psnr@gt-mean`, `ssim/border-4`.
    pub key: String,
    /// Heading, e.g. `PSNR`.
    pub title: String,
    /// Second line of the heading: protocol and whether GT-mean was applied.
    pub subtitle: String,
    /// What it is, in one sentence.
    pub description: String,
    /// Which scores are better.
    pub better: Better,
    /// Digits after the point.
    pub n_digits: usize,
    /// Unit, e.g. `dB`; empty if there is none.
    pub unit: String,
    /// Whether it says what a method spoils, rather than how good it is.
    pub is_harm: bool,
}

/// The mean of one column over the images of a set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Arithmetic mean of the images' scores; infinite ones count as the cap that the notes state.
    pub mean: f64,
    /// The 95 % bootstrap interval of the mean; none for what is measured on a set as a whole and cannot be
    /// resampled.
    pub interval: Option<[f64; 2]>,
    /// How many images have a score.
    pub n_images: usize,
    /// How many of them were infinite.
    pub n_infinite: usize,
}

/// One contestant on one set; `cells` stand in the order of the columns, empty where nothing could be
/// measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the set.
    pub set: String,
    /// Name of the contestant.
    pub contestant: String,
    /// One a column.
    pub cells: Vec<Option<Summary>>,
}

/// First minus second, over the images that both have scores for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Name of the set.
    pub set: String,
    /// Key of the column.
    pub column: String,
    /// Name of a contestant.
    pub first: String,
    /// Name of another.
    pub second: String,
    /// Mean of the differences.
    pub mean: f64,
    /// Lower end of its 95 % bootstrap interval.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// Two-sided p of the sign-flip permutation test: how often chance alone gives as large a mean.
    pub p: f64,
    /// How many images both have scores for.
    pub n_images: usize,
}

/// All scores of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageScores {
    /// Name of the set.
    pub set: String,
    /// Name of the image.
    pub image: String,
    /// Name of the contestant.
    pub contestant: String,
    /// In the order of the columns; none where nothing could be measured.
    #[serde(with = "scores")]
    pub scores: Vec<Option<f64>>,
    /// What was noticed about this image.
    pub notes: Vec<String>,
}

/// Pictures of one image and one contestant, as `data:` addresses of JPEG files.
#[derive(Debug, Clone, PartialEq)]
pub struct Showcase {
    /// Name of the set.
    pub set: String,
    /// Name of the image.
    pub image: String,
    /// Name of the contestant.
    pub contestant: String,
    /// Why it is shown, e.g. `worst PSNR`.
    pub reason: String,
    /// Width of all pictures in pixels.
    pub width: u32,
    /// Height of all pictures in pixels.
    pub height: u32,
    /// The dark image.
    pub low: String,
    /// What the contestant made of it.
    pub enhanced: String,
    /// The reference, where there is one.
    pub reference: Option<String>,
    /// Absolute difference to the reference in false colours.
    pub error_map: Option<String>,
    /// In the order of the columns.
    pub scores: Vec<Option<f64>>,
}

/// JSON knows no infinity: it is written as text.
pub(crate) mod scores {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Score {
        Number(f64),
        Text(String),
        None(()),
    }

    pub(crate) fn serialize<S: Serializer>(
        scores: &[Option<f64>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let score = |score: &Option<f64>| match score {
            Some(value) if value.is_finite() => Score::Number(*value),
            Some(value) if *value > 0.0 => Score::Text("infinity".to_owned()),
            Some(_) => Score::Text("-infinity".to_owned()),
            None => Score::None(()),
        };
        serializer.collect_seq(scores.iter().map(score))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Option<f64>>, D::Error> {
        let scores = Vec::<Score>::deserialize(deserializer)?;
        Ok(scores
            .into_iter()
            .map(|score| match score {
                Score::Number(value) => Some(value),
                Score::Text(text) if text.starts_with('-') => Some(f64::NEG_INFINITY),
                Score::Text(_) => Some(f64::INFINITY),
                Score::None(()) => None,
            })
            .collect())
    }
}
