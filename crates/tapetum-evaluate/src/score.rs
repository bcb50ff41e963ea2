//! One image: what a contestant makes of it, and its scores.

use std::path::PathBuf;

use tapetum_image::{ColorConversion, Filter, Image, Srgb, enlarge};
use tapetum_metrics::{ConfusionMatrix, Picture, Views, mean_ciede2000};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, Network, Strength,
    enhance::{self, Quality, TilingMode},
    prelude::Device,
};

use crate::{
    column::Source,
    contest::{Contest, Contestant, Maker, UNTOUCHED},
    error::EvaluateError,
    set::{Scene, Set, darkened, raster, read_image, read_labels},
};

/// The label of pixels that do not count.
const VOID: u8 = 255;

/// What there is to see of one scene.
pub(crate) struct Input {
    pub(crate) low: Option<Image<Srgb>>,
    pub(crate) reference: Option<Image<Srgb>>,
    pub(crate) labels: Option<Vec<u8>>,
}

/// What was found about one image and one contestant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Found {
    /// In the order of the columns.
    pub(crate) scores: Vec<Option<f64>>,
    pub(crate) notes: Vec<String>,
    /// For sets with labels.
    pub(crate) confusion: Option<ConfusionMatrix>,
    /// For the Fréchet distance.
    pub(crate) features: Option<Vec<f64>>,
    /// Mean luma of the result, and of what it came from, 0..255.
    pub(crate) mean_luma: [f64; 2],
}

impl Input {
    pub(crate) fn read(contest: &Contest, set: &Set, scene: &Scene) -> Result<Self, EvaluateError> {
        let limits = &contest.options.limits;
        let image =
            |path: &Option<PathBuf>| path.as_ref().map(|path| read_image(path, limits)).transpose();
        let low = image(&scene.low)?;
        let low = match set.exposure {
            Some(exposure) => low.map(|low| darkened(&low, exposure)),
            None => low,
        };
        let labels = scene.labels.as_ref().map(|path| read_labels(path, limits)).transpose()?;
        Ok(Self { low, reference: image(&scene.reference)?, labels })
    }

    /// How many times larger a result of a network is to be; its own scale where nothing says so.
    fn scale(&self, network: &dyn Network) -> u32 {
        match (&self.low, &self.reference, &self.labels) {
            (Some(low), Some(reference), _) => reference.width() / low.width(),
            (_, _, Some(_)) => 1,
            _ => network.scale(),
        }
    }
}

/// The dark image as large as a result: enlarged as it is by whoever leaves it untouched.
pub(crate) fn as_large_as(low: &Image<Srgb>, result: &Image<Srgb>) -> Image<Srgb> {
    enlarged(low, result.width() / low.width(), Filter::Bicubic)
}

/// Values are cut to 0..1 where something is enlarged.
fn enlarged(image: &Image<Srgb>, scale: u32, filter: Filter) -> Image<Srgb> {
    if scale <= 1 {
        return image.clone();
    }
    let mut large = enlarge(image, scale, filter);
    large.pixels.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    large
}

/// An image, and what was noticed while it was made.
pub(crate) type Made = (Image<Srgb>, Vec<String>);

/// What a contestant makes of a scene. `None` where it has nothing to work on.
pub(crate) fn result(
    contest: &Contest,
    contestant: &Contestant,
    [set_idx, scene_idx]: [usize; 2],
    input: &Input,
) -> Result<Option<Made>, EvaluateError> {
    match (&contestant.maker, &input.low) {
        (Maker::Files(sets), _) => match sets.get(set_idx).and_then(|files| files.get(scene_idx)) {
            Some(path) => Ok(Some((read_image(path, &contest.options.limits)?, Vec::new()))),
            None => Ok(None),
        },
        (Maker::Network(network), Some(low)) => {
            let missing = missing_scale(contestant, *network, input)?;
            let (image, note) = run(*network, low, contest.options.strength, contest)
                .map_err(|source| failed(contestant, source))?;
            let is_untouched = contestant.note.name == UNTOUCHED;
            let filter = if is_untouched { Filter::Bicubic } else { Filter::Lanczos };
            let image = match missing {
                1 => image,
                missing => enlarged(&image, missing, filter),
            };
            Ok(Some((image, note.into_iter().collect())))
        }
        (Maker::Network(_), None) => Ok(None),
    }
}

/// What has to be enlarged after a network ran.
fn missing_scale(
    contestant: &Contestant,
    network: &dyn Network,
    input: &Input,
) -> Result<u32, EvaluateError> {
    let (expected, found) = (input.scale(network), network.scale());
    if found == 1 || found == expected {
        return Ok(expected / found);
    }
    Err(EvaluateError::Request {
        message: format!(
            "{}: expected results {expected} times as large as the dark images, its are {found} times",
            contestant.note.name
        ),
        hint: "name other weights, or another set".to_owned(),
    })
}

/// Scores a result in every column.
pub(crate) fn score(
    contest: &Contest,
    contestant: &Contestant,
    sources: &[Source],
    input: &Input,
    enhanced: &Image<Srgb>,
) -> Result<Found, EvaluateError> {
    let mut found = Found { scores: vec![None; sources.len()], ..Found::default() };
    let low = input.low.as_ref().map(|low| as_large_as(low, enhanced));
    for (protocol_idx, protocol) in contest.protocols.iter().enumerate() {
        let low = low.as_ref().map(|low| protocol.file(low));
        let reference = input.reference.as_ref().map(|reference| protocol.file(reference));
        let plain = protocol.result(enhanced);
        let scaled = reference.as_ref().map(|reference| protocol.with_mean_of(&plain, reference));
        if protocol_idx == 0 {
            let luma = |picture: &Picture| picture.grey().mean();
            found.mean_luma = [luma(&plain), low.as_ref().map_or(0.0, luma)];
            found.features = contest.fid.as_ref().map(|of| of.fid.features(&plain)).transpose()?;
        }
        for (source, score) in sources.iter().zip(&mut found.scores) {
            let Source::Metric { metric_idx, protocol_idx: of, is_gt_mean } = *source else {
                continue;
            };
            let enhanced = if is_gt_mean { scaled.as_ref() } else { Some(&plain) };
            let (true, Some(enhanced)) = (of == protocol_idx, enhanced) else { continue };
            let views = Views { low: low.as_ref(), enhanced, reference: reference.as_ref() };
            let metric = &contest.metrics[metric_idx];
            if metric.applies(views) {
                *score = defined(metric.score(views), &mut found.notes)?;
            }
        }
    }
    for (source, score) in sources.iter().zip(&mut found.scores) {
        if let Source::WellLit(strength) = source {
            *score = well_lit_change(contest, contestant, input, *strength)?;
        }
    }
    if let (Some(segmenter), Some(labels)) = (&contest.segmenter, &input.labels) {
        let is_class = |label: u8| usize::from(label) < segmenter.n_scored;
        let labels: Vec<u8> =
            labels.iter().map(|&label| if is_class(label) { label } else { VOID }).collect();
        let mut confusion = ConfusionMatrix::new(segmenter.n_classes);
        confusion.add(&labels, &(segmenter.predict)(enhanced), Some(VOID))?;
        found.confusion = Some(confusion);
    }
    Ok(found)
}

/// A score that is not defined for an image is a note; anything else is an error.
fn defined(
    score: Result<f64, tapetum_metrics::MetricError>,
    notes: &mut Vec<String>,
) -> Result<Option<f64>, EvaluateError> {
    use tapetum_metrics::MetricError::{TooSmall, Undefined};
    match score {
        Ok(score) => Ok(Some(score)),
        Err(error @ (TooSmall { .. } | Undefined { .. })) => {
            notes.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Mean CIEDE2000 by which a method changes the reference; none for a network that enlarges it.
fn well_lit_change(
    contest: &Contest,
    contestant: &Contestant,
    input: &Input,
    strength: Strength,
) -> Result<Option<f64>, EvaluateError> {
    let (Maker::Network(network), Some(reference)) = (&contestant.maker, &input.reference) else {
        return Ok(None);
    };
    if network.scale() != 1 {
        return Ok(None);
    }
    let (changed, _) =
        run(*network, reference, strength, contest).map_err(|source| failed(contestant, source))?;
    let protocol = &contest.protocols[0];
    Ok(Some(mean_ciede2000(&protocol.result(&changed), &protocol.file(reference))?))
}

/// A network on an image of floats. At the automatic strength, where results are refused, a refused one
/// leaves the image as it is.
fn run(
    network: &dyn Network,
    low: &Image<Srgb>,
    strength: Strength,
    contest: &Contest,
) -> Result<(Image<Srgb>, Option<String>), EnhanceError> {
    let options = EnhanceOptions {
        strength,
        memory_bytes_max: contest.options.memory_bytes_max,
        precision: contest.options.precision,
        quality: Quality::Exact,
        tiling: TilingMode::Auto,
        limits: contest.options.limits,
    };
    let (raster, conversion, device) = (raster(low), ColorConversion::identity(), Device::flex());
    let result = match strength {
        Strength::Fixed(_) => {
            enhance::enhance_unguarded(network, &raster, &conversion, &options, &device)
        }
        Strength::Auto => enhance::enhance(network, &raster, &conversion, &options, &device),
    };
    match result {
        Ok((result, report)) => {
            let pixels = result.read_rgb(result.rect()).pixels;
            let note = format!("{} tiles (approximate)", report.n_tiles);
            let note = report.is_approximate.then_some(note);
            Ok((Image::new(result.width(), result.height(), pixels), note))
        }
        Err(refusal @ (EnhanceError::Darker { .. } | EnhanceError::Constant { .. })) => {
            let untouched = enlarged(low, network.scale(), Filter::Bicubic);
            Ok((untouched, Some(format!("left as it is: {refusal}"))))
        }
        Err(error) => Err(error),
    }
}

fn failed(contestant: &Contestant, source: EnhanceError) -> EvaluateError {
    EvaluateError::Enhance { contestant: contestant.note.name.clone(), source }
}
