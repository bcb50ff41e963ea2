//! Contests and contestants for tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use tapetum_evaluate::{
    EvaluateError, Evaluated, Protocol, Set,
    contest::{Contest, Contestant, Maker, Options},
    evaluate,
    report::{ContestantNote, Report, Row},
};
use tapetum_image::{Image, Srgb};
use tapetum_metrics::Metric;
use tapetum_nn::{
    MethodCard, Network, SizeRule, Tiling,
    prelude::{Device, Tensor},
};

static CARD: MethodCard = MethodCard {
    name: "formula",
    title: "Formula",
    citation: "none",
    purpose: "tests",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 0 },
    working_bytes_per_pixel: 24,
    default_weights: None,
    weights_by_scale: &[],
};

/// Multiplies by a factor, and counts how often.
pub struct Factor(pub f32, pub AtomicUsize);

impl Factor {
    pub fn new(factor: f32) -> Self {
        Self(factor, AtomicUsize::new(0))
    }
}

/// The same, in tiles that count as approximate.
pub struct Tiled(pub Factor);

static TILED_CARD: MethodCard = MethodCard {
    tiling: Tiling::Approximate { overlap_px: 8, step_px: 1 },
    working_bytes_per_pixel: 1000,
    ..CARD
};

impl Network for Tiled {
    fn card(&self) -> &'static MethodCard {
        &TILED_CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.0.enhance(low)
    }

    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        self.0.enhance_image(low, device)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

impl Network for Factor {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        (low * self.0).clamp(0.0, 1.0)
    }

    fn enhance_image(&self, low: &Image<Srgb>, _device: &Device) -> Image<Srgb> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let pixels = low.pixels.iter().map(|value| (value * self.0).clamp(0.0, 1.0)).collect();
        Image::new(low.width(), low.height(), pixels)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

/// Adds a part of full light to all values, beyond 1 too.
pub struct Unclamped(pub f32);

impl Network for Unclamped {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        low + self.0
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

pub fn metric(name: &str) -> Metric {
    let card = tapetum_metrics::find(name).unwrap();
    tapetum_metrics::load(card, &[]).unwrap()
}

pub fn contestant<'a>(name: &str, maker: Maker<'a>) -> Contestant<'a> {
    let note = ContestantNote { name: name.to_owned(), ..ContestantNote::default() };
    Contestant { note, maker }
}

pub fn contest<'a>(sets: Vec<Set>, contestants: Vec<Contestant<'a>>) -> Contest<'a> {
    Contest {
        title: "Test".to_owned(),
        date: None,
        sets,
        contestants,
        protocols: vec![Protocol::find("saved-8bit").unwrap()],
        metrics: ["psnr", "mae", "newly-clipped"].map(metric).into(),
        flicker: false,
        fid: None,
        segmenter: None,
        options: Options { n_threads: 2, ..Options::default() },
    }
}

pub fn run(contest: &Contest) -> Result<Evaluated, EvaluateError> {
    evaluate(contest, None, &|_, _| {})
}

/// The mean of a contestant in the column `key` of the first set.
pub fn mean(report: &Report, contestant: &str, key: &str) -> Option<f64> {
    let column = report.columns.iter().position(|column| column.key == key).unwrap();
    let set = &report.sets[0].name;
    let is_it = |row: &&Row| row.set == *set && row.contestant == contestant;
    report.rows.iter().find(is_it).unwrap().cells[column].map(|cell| cell.mean)
}
