//! Validation through the code that users enhance with, and pictures to look at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use tapetum_data::{Classes, Entries, Pair, Part, Split, detect, images};
use tapetum_image::{
    Channels, EncodeOptions, Filter, Format, Image, Photo, Raster, Samples, Srgb, encode, enlarge,
    resize,
};
use tapetum_metrics::{ConfusionMatrix, Picture, SsimVariant, cityscapes_class, psnr_rgb, ssim};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, Network, Segmenter, Strength, enhance, prelude::Device,
    recipe::Trained,
};

use crate::{config::ValidationConfig, data::Photograph, error::TrainError};

/// The longest side of a sample, of which three may stand side by side.
const SAMPLE_SIDE_PX: u32 = 512;

/// A mean score of one set.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The folder, as the recipe names it.
    pub set: String,
    /// What was measured: `psnr_db` (RGB, 8-bit results, full strength, no border cut), `ssim` (`gauss-valid`)
    /// or `mean_iou`.
    pub metric: &'static str,
    /// The mean over the images, or over the classes.
    pub value: f64,
    /// Number of images.
    pub n_images: usize,
}

/// A picture to look at: dark, enhanced and, where there is one, the reference, side by side.
pub(crate) struct Sample {
    pub(crate) name: String,
    /// Below the run's folder.
    pub(crate) file: String,
    pub(crate) png: Vec<u8>,
    pub(crate) size: (u32, u32),
    /// Where there is a reference.
    pub(crate) psnr_db: Option<f64>,
}

/// The sets of a run, found.
pub(crate) struct Sets {
    sets: Vec<Set>,
    n_samples: usize,
    /// Where the networks are.
    device: Device,
}

struct Set {
    name: String,
    scenes: Scenes,
}

enum Scenes {
    /// By how many times larger the references are on each side.
    Paired(BTreeMap<u32, Vec<Pair>>),
    Labelled(Vec<Pair>, Classes),
    Dark(Vec<PathBuf>),
}

impl Sets {
    /// # Errors
    /// A folder cannot be read or does not hold what it should.
    pub(crate) fn open(
        config: &ValidationConfig,
        root: &Path,
        device: Device,
    ) -> Result<Self, TrainError> {
        let mut sets = Vec::new();
        for folder in config.pairs.iter().chain(&config.labelled) {
            let is_paired = config.pairs.contains(folder);
            let scenes = scenes(&root.join(folder), is_paired)?;
            sets.push(Set { name: folder.display().to_string(), scenes });
        }
        for folder in &config.samples {
            let mut photographs = images(&root.join(folder))?;
            photographs.truncate(config.n_samples);
            let scenes = Scenes::Dark(photographs);
            sets.push(Set { name: folder.display().to_string(), scenes });
        }
        Ok(Self { sets, n_samples: config.n_samples, device })
    }

    /// # Errors
    /// A set is not one for what is trained.
    pub(crate) fn expect_for(&self, trained: &Trained) -> Result<(), TrainError> {
        self.sets.iter().try_for_each(|set| match (&set.scenes, trained) {
            (Scenes::Labelled(..), Trained::Enhancer(_)) => {
                Err(set.misplaced("an enhancer", "pairs or samples"))
            }
            (Scenes::Paired(scales), Trained::Enhancer(network))
                if !scales.contains_key(&network.scale()) =>
            {
                Err(set.of_other_scales(scales, network.scale()))
            }
            (Scenes::Paired(_) | Scenes::Dark(_), Trained::Segmenter(_)) => {
                Err(set.misplaced("a segmenter", "labelled"))
            }
            _ => Ok(()),
        })
    }

    /// # Errors
    /// A photograph cannot be read.
    pub(crate) fn validate(
        &self,
        trained: &Trained,
        n_done: usize,
    ) -> Result<(Vec<Score>, Vec<Sample>), TrainError> {
        let (mut scores, mut samples) = (Vec::new(), Vec::new());
        for set in &self.sets {
            match (&set.scenes, trained) {
                (Scenes::Paired(scales), Trained::Enhancer(network)) => {
                    let pairs = scales.get(&network.scale()).map_or(&[][..], Vec::as_slice);
                    let enhancer = Enhancer { network: &**network, device: &self.device };
                    scores.extend(set.score_pairs(pairs, enhancer)?);
                    let sampled = pairs.iter().take(self.n_samples);
                    for pair in sampled {
                        samples.push(set.sample(pair, enhancer, n_done)?);
                    }
                }
                (Scenes::Dark(photographs), Trained::Enhancer(network)) => {
                    let enhancer = Enhancer { network: &**network, device: &self.device };
                    for path in photographs {
                        let name = path.file_stem().unwrap_or_default().to_string_lossy().into();
                        let pair = Pair { name, first: path.clone(), second: PathBuf::new() };
                        samples.push(set.sample(&pair, enhancer, n_done)?);
                    }
                }
                (Scenes::Labelled(pairs, classes), Trained::Segmenter(network)) => {
                    scores.push(set.score_labels(pairs, *classes, &**network)?);
                }
                _ => unreachable!("the sets were checked before the first step"),
            }
        }
        Ok((scores, samples))
    }
}

impl Set {
    fn score_pairs(&self, pairs: &[Pair], enhancer: Enhancer) -> Result<[Score; 2], TrainError> {
        let mut sums = [0.0; 2];
        for pair in pairs {
            let (low, reference) = (read(&pair.first)?, read(&pair.second)?);
            let enhanced = picture(&enhancer.enhanced(&low, &pair.first)?);
            let reference = picture(&whole(&reference));
            let misfit = |error: tapetum_metrics::MetricError| {
                TrainError::data(&pair.second, error.to_string())
            };
            sums[0] += psnr_rgb(&enhanced, &reference).map_err(misfit)?;
            sums[1] += ssim(&enhanced, &reference, SsimVariant::GaussValid).map_err(misfit)?;
        }
        let score = |metric, sum| Score {
            set: self.name.clone(),
            metric,
            value: sum / pairs.len() as f64,
            n_images: pairs.len(),
        };
        Ok([score("psnr_db", sums[0]), score("ssim", sums[1])])
    }

    fn score_labels(
        &self,
        pairs: &[Pair],
        classes: Classes,
        network: &dyn Segmenter,
    ) -> Result<Score, TrainError> {
        let mut matrix = ConfusionMatrix::new(network.n_classes());
        for pair in pairs {
            let photograph = read(&pair.first)?;
            let labels = Photograph::read_labels(&pair.second, None)?;
            let mut labels = labels.classes(labels.raster().rect()).classes;
            if classes == Classes::CityscapesIds {
                labels.iter_mut().for_each(|class| *class = cityscapes_class(*class));
            }
            // Whatever is no class of the network is void.
            let n_classes = u8::try_from(network.n_classes()).unwrap_or(u8::MAX);
            labels.iter_mut().filter(|class| **class >= n_classes).for_each(|class| *class = 255);
            let predicted = network.predict(&whole(&photograph));
            matrix
                .add(&labels, &predicted, Some(255))
                .map_err(|error| TrainError::data(&pair.second, error.to_string()))?;
        }
        let value = matrix.mean_iou();
        let value = value.map_err(|e| TrainError::data(Path::new(&self.name), e.to_string()))?;
        Ok(Score { set: self.name.clone(), metric: "mean_iou", value, n_images: pairs.len() })
    }

    fn sample(&self, pair: &Pair, enhancer: Enhancer, n_done: usize) -> Result<Sample, TrainError> {
        let low = read(&pair.first)?;
        let scale = enhancer.network.scale();
        let mut views = vec![untouched(&low, scale), enhancer.enhanced(&low, &pair.first)?];
        let mut psnr_db = None;
        if !pair.second.as_os_str().is_empty() {
            let reference = whole(&read(&pair.second)?);
            psnr_db = psnr_rgb(&picture(&views[1]), &picture(&reference)).ok();
            views.push(reference);
        }
        let views: Vec<Image<Srgb>> = views.iter().map(small).collect();
        let name = format!("{}/{}", self.name, pair.name).replace(['/', '\\'], "-");
        let file = format!("samples/step-{n_done:08}/{name}.png");
        let failure = |source| TrainError::Image { path: pair.first.clone(), source };
        let row = side_by_side(&views);
        let size = (row.width(), row.height());
        let samples = Samples::F32(row.pixels).to_depth(8);
        let raster = Raster::new(size.0, size.1, Channels::Rgb, samples).map_err(failure)?;
        let photo = Photo::from_raster(raster, Format::Png);
        let png = encode(&photo, Format::Png, &EncodeOptions::default()).map_err(failure)?;
        Ok(Sample { name, file, png, size, psnr_db })
    }

    fn of_other_scales(&self, scales: &BTreeMap<u32, Vec<Pair>>, scale: u32) -> TrainError {
        let found: Vec<String> = scales.keys().map(u32::to_string).collect();
        let expected = format!("references {scale} times as large as the network's input");
        let found = format!("references {} times as large", found.join(" and "));
        TrainError::config("validation", expected, format!("{found} in '{}'", self.name))
    }

    fn misplaced(&self, what: &str, key: &str) -> TrainError {
        let expected = format!("sets for {what}, under {key}");
        TrainError::config("validation", expected, format!("'{}'", self.name))
    }
}

fn scenes(folder: &Path, is_paired: bool) -> Result<Scenes, TrainError> {
    let wrong = |found: &str| {
        let expected = if is_paired { "pairs" } else { "labelled photographs" };
        TrainError::data(folder, format!("expected {expected}, found {found}"))
    };
    let splits = detect(folder)?.splits;
    let is_wanted = |split: &&Split| match split.entries {
        Entries::Paired(_) => is_paired,
        Entries::Labelled { .. } => !is_paired,
        _ => false,
    };
    let wanted: Vec<&Split> = splits.iter().filter(is_wanted).collect();
    // A set that says what is for training says so for a reason.
    let is_untrained = |split: &Split| split.part != Part::Train;
    let has_untrained =
        |scale| wanted.iter().any(|split| split.scale == scale && is_untrained(split));
    let chosen = wanted.iter().filter(|split| is_untrained(split) || !has_untrained(split.scale));
    let (mut paired, mut labelled) = (BTreeMap::<u32, Vec<Pair>>::new(), Vec::new());
    let mut meaning = Classes::Own;
    for split in chosen {
        match &split.entries {
            Entries::Paired(pairs) => {
                paired.entry(split.scale).or_default().extend(pairs.iter().cloned());
            }
            Entries::Labelled { pairs, classes } => {
                labelled.extend(pairs.iter().cloned());
                meaning = *classes;
            }
            Entries::Overexposed(_) | Entries::Unpaired(_) => {}
        }
    }
    match (paired.is_empty(), labelled.is_empty()) {
        (true, true) => Err(wrong("none")),
        (true, false) => Ok(Scenes::Labelled(labelled, meaning)),
        (false, _) => Ok(Scenes::Paired(paired)),
    }
}

/// A network, and where its tensors are.
#[derive(Clone, Copy)]
struct Enhancer<'a> {
    network: &'a dyn Network,
    device: &'a Device,
}

impl Enhancer<'_> {
    /// A network that darkens is scored as it is: with its input, which is the better image, as large as a
    /// result.
    fn enhanced(self, low: &Photograph, path: &Path) -> Result<Image<Srgb>, TrainError> {
        let Self { network, device } = self;
        let options =
            EnhanceOptions { strength: Strength::Fixed(1.0), ..EnhanceOptions::default() };
        let raster = match enhance(network, low.raster(), low.conversion(), &options, device) {
            Err(EnhanceError::Darker { .. } | EnhanceError::Constant { .. }) => {
                return Ok(untouched(low, network.scale()));
            }
            Err(source) => return Err(TrainError::Enhance { path: path.to_owned(), source }),
            Ok((raster, _)) => raster,
        };
        Ok(low.conversion().to_srgb(&raster.read_rgb(raster.rect())))
    }
}

fn read(path: &Path) -> Result<Photograph, TrainError> {
    Photograph::read(path, None)
}

/// A photograph as large as results are, by a bicubic filter.
fn untouched(photograph: &Photograph, scale: u32) -> Image<Srgb> {
    let image = whole(photograph);
    if scale == 1 {
        return image;
    }
    let mut large = enlarge(&image, scale, Filter::Bicubic);
    large.pixels.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    large
}

fn whole(photograph: &Photograph) -> Image<Srgb> {
    photograph.part(photograph.raster().rect())
}

/// As its 8-bit file would be.
fn picture(image: &Image<Srgb>) -> Picture {
    let values: Vec<f32> = image.pixels.iter().map(|v| (v * 255.0).round() / 255.0).collect();
    Picture::from_rgb(image.width() as usize, image.height() as usize, &values)
}

fn small(image: &Image<Srgb>) -> Image<Srgb> {
    let longest = image.width().max(image.height());
    if longest <= SAMPLE_SIDE_PX {
        return image.clone();
    }
    let scale = f64::from(SAMPLE_SIDE_PX) / f64::from(longest);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    resize(image, side(image.width()), side(image.height()))
}

/// Images of one height in a row; lower ones end in black.
fn side_by_side(images: &[Image<Srgb>]) -> Image<Srgb> {
    let height = images.iter().map(Image::height).max().unwrap_or(0);
    let width = images.iter().map(Image::width).sum();
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        for image in images {
            let row_length = image.width() as usize * 3;
            match image.pixels.get(y * row_length..(y + 1) * row_length) {
                Some(row) => pixels.extend_from_slice(row),
                None => pixels.resize(pixels.len() + row_length, 0.0),
            }
        }
    }
    Image::new(width, height, pixels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests;
