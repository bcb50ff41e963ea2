//! Evaluation: models as contestants, and metrics with the parameters that come with the program.

use std::{path::PathBuf, time::Instant};

pub use tapetum_evaluate::{
    Cache, EvaluateError, Evaluated, Kind, Protocol, Set,
    contest::{Contest, Contestant, FidOf, Maker, Options, Segmenter, UNTOUCHED},
    csv, evaluate, html, images, markdown,
    report::{ContestantNote, Report, Showcase},
};
use tapetum_image::{Image, Limits, Srgb};
use tapetum_methods::segmentation::{
    self,
    labelled_data::{CAMVID, CITYSCAPES, LabelledData},
    weights::{ESPNET_CAMVID, ESPNET_CITYSCAPES, read_deeplab, read_espnet},
};
pub use tapetum_metrics::learned::Fid;
pub use tapetum_metrics::{
    Better, Metric, MetricCard, MetricError, MetricFile, Needs, NiqeModel, Provenance, SET_METRICS,
    metrics,
};
use tapetum_metrics::{fit_niqe, learned::FidVariant};
use tapetum_nn::{Weights, WeightsError, prelude::Device};

use crate::{bench::memory_peak_bytes, enhancer::Enhancer, model::Model};

/// The project's own parameters of NIQE.
const NIQE_TAPETUM: &[u8] = include_bytes!("../../../models/niqe-tapetum.json");
/// Size of the picture that costs are measured on.
const COST_SIZE: (u32, u32) = (600, 400);
/// Timed runs; the median counts.
const N_COST_RUNS: usize = 7;

/// A metric by its name, with the contents of the files it asks for.
///
/// # Errors
/// A file is missing or not what the metric needs.
pub fn metric(card: &'static MetricCard, files: &[Vec<u8>]) -> Result<Metric, MetricError> {
    match card.name {
        "niqe-tapetum" => tapetum_metrics::load(card, &[NIQE_TAPETUM.to_vec()]),
        _ => tapetum_metrics::load(card, files),
    }
}

/// Fits NIQE's parameters to the photographs of folders; also how many there were.
///
/// # Errors
/// A folder or a photograph cannot be read, or there is too little to fit to.
pub fn fit_niqe_to(
    folders: &[PathBuf],
    provenance: Provenance,
) -> Result<(NiqeModel, usize), EvaluateError> {
    let mut paths = Vec::new();
    for folder in folders {
        paths.extend(images(folder)?);
    }
    // One photograph in memory at a time: they are large as f64.
    let mut failure = None;
    let mut pictures = paths.iter().map_while(|path| {
        let picture = tapetum_evaluate::read_picture(path, &Limits::default());
        picture.map_err(|error| failure = Some(error)).ok()
    });
    let fitted = fit_niqe(pictures.by_ref(), provenance);
    match failure {
        Some(error) => Err(error),
        None => Ok((fitted?, paths.len())),
    }
}

/// A model that takes part under a name.
pub fn contestant<'a>(name: &str, model: &Model, enhancer: &'a Enhancer) -> Contestant<'a> {
    let card = model.method;
    let has_weights = !model.weights.tensors.is_empty();
    let note = ContestantNote {
        name: name.to_owned(),
        method: Some(card.name.to_owned()),
        weights_sha256: has_weights.then(|| model.weights.content_hash()),
        n_parameters: Some(enhancer.n_parameters()),
        macs_per_pixel: card.macs_per_pixel,
        ..ContestantNote::default()
    };
    Contestant { note, maker: Maker::Network(enhancer.network()) }
}

/// What a 600x400 image costs: the median time of a few runs in milliseconds, and the memory that the process has
/// taken at its peak, in bytes, where the system tells. Nothing else should run meanwhile, and nothing should have
/// run before in the same process.
pub fn measure_cost(enhancer: &Enhancer) -> (f64, Option<u64>) {
    let (width, height) = COST_SIZE;
    let level = |idx: usize| 0.08 + 0.07 * (idx as f32 * 0.37).sin();
    let pixels = (0..width as usize * height as usize * 3).map(level).collect();
    let low = Image::<Srgb>::new(width, height, pixels);
    let device = Device::flex();
    let run = |_| {
        let start = Instant::now();
        std::hint::black_box(enhancer.network().enhance_image(&low, &device));
        start.elapsed().as_secs_f64() * 1e3
    };
    // The first run finds memory and starts threads.
    let mut milliseconds: Vec<f64> = (0..=N_COST_RUNS).map(run).skip(1).collect();
    milliseconds.sort_by(f64::total_cmp);
    (milliseconds[N_COST_RUNS / 2], memory_peak_bytes())
}

/// Names the class of each pixel.
pub type Predict = Box<dyn Fn(&Image<Srgb>) -> Vec<u8> + Sync>;

/// What segmenters call pixels that belong to no class; it stands last.
const VOID: &str = "void";

/// Networks that name the class of each pixel, by the names that users give.
pub const SEGMENTERS: [&str; 4] =
    ["espnet-camvid", "espnet-cityscapes", "deeplab-camvid", "deeplab-cityscapes"];

/// A segmenter by one of [`SEGMENTERS`] from its weights: how many classes it knows and how many of them are
/// not void, and the function.
///
/// # Errors
/// The tensors are not those of the network.
///
/// # Panics
/// When the name is not one of [`SEGMENTERS`].
pub fn segmenter(name: &str, weights: &Weights) -> Result<([usize; 2], Predict), WeightsError> {
    let network = read_segmenter(name, weights, &Device::flex())?;
    let classes = network.classes();
    let n_scored = classes.iter().take_while(|name| **name != VOID).count();
    Ok(([classes.len(), n_scored], Box::new(move |image| network.predict(image))))
}

/// The network behind [`segmenter`].
pub(crate) fn read_segmenter(
    name: &str,
    weights: &Weights,
    device: &Device,
) -> Result<Box<dyn segmentation::Segmenter>, WeightsError> {
    let espnet = |release| Ok(Box::new(read_espnet(weights, release, device)?) as Box<_>);
    let deeplab = |data: &LabelledData| {
        let classes = data.classes_without_void();
        Ok(Box::new(read_deeplab(weights, classes, device)?) as Box<_>)
    };
    match name {
        "espnet-camvid" => espnet(&ESPNET_CAMVID),
        "espnet-cityscapes" => espnet(&ESPNET_CITYSCAPES),
        "deeplab-camvid" => deeplab(&CAMVID),
        "deeplab-cityscapes" => deeplab(&CITYSCAPES),
        other => panic!("{other} is no segmenter"),
    }
}

/// The Fréchet distance with clean-fid's resizing, from Inception's weights.
///
/// # Errors
/// The tensors are not those of the network.
pub fn fid(weights: &Weights) -> Result<Fid, MetricError> {
    Fid::read(weights, FidVariant::CleanFid, &Device::flex())
}
