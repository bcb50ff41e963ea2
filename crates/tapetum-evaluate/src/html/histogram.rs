//! How the single scores of contestants spread: small histograms above one axis.

use plotters::{
    coord::Shift,
    prelude::{
        BLACK, ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, PathElement,
        Polygon, SVGBackend, Text,
    },
};

use crate::{
    report::{Column, Report},
    table::{self, Numbered},
};

/// How many histograms the page holds at most, one a set, column and contestant.
pub(super) const N_HISTOGRAMS_MAX: usize = 108;
/// How many plots of one set and column each.
pub(super) const N_PLOTS_MAX: usize = 18;
/// Comes out as 10 px, which the page's style overrides.
const FONT: (&str, f64) = ("sans-serif", 12.4);
/// Beyond this no axis has sensible ticks.
const DRAWN_MAX: f64 = 1e12;
const N_BINS: usize = 20;
const WIDTH_PX: u32 = 420;
const ROW_PX: u32 = 46;
const AXIS_PX: u32 = 30;

/// Plots of one set, the headline first.
pub(super) struct Distribution<'a> {
    pub(super) set: &'a str,
    pub(super) plots: Vec<Plot<'a>>,
    pub(super) left_out: Vec<&'a Column>,
}

/// Scores of all contestants in one column.
pub(super) struct Plot<'a> {
    pub(super) column: &'a Column,
    pub(super) svg: String,
    /// Images in the tallest bar.
    pub(super) n_tallest: usize,
    /// Scores without a place on the axis.
    pub(super) n_off_axis: usize,
}

/// Scores of one contestant.
struct Ridge<'a> {
    contestant: &'a str,
    scores: Vec<f64>,
    counts: [usize; N_BINS],
}

/// First the headline of every set, then column after column until the page is full.
pub(super) fn distributions(report: &Report) -> Vec<Distribution<'_>> {
    let mut distributions: Vec<Distribution> = report
        .sets
        .iter()
        .map(|set| Distribution { set: &set.name, plots: Vec::new(), left_out: Vec::new() })
        .collect();
    let mut room = Room { n_plots: N_PLOTS_MAX, n_histograms: N_HISTOGRAMS_MAX };
    for rank in 0..report.columns.len() {
        for distribution in &mut distributions {
            if let Some(numbered) = table::measured(report, distribution.set).nth(rank) {
                add(distribution, report, numbered, &mut room);
            }
        }
    }
    distributions.retain(|d| !d.plots.is_empty() || !d.left_out.is_empty());
    distributions
}

/// What still fits on the page.
struct Room {
    n_plots: usize,
    n_histograms: usize,
}

fn add<'a>(
    distribution: &mut Distribution<'a>,
    report: &'a Report,
    numbered: Numbered<'a>,
    room: &mut Room,
) {
    let (ridges, n_off_axis) = ridges(report, distribution.set, numbered.idx);
    if ridges.is_empty() {
        return;
    }
    if room.n_plots == 0 || room.n_histograms < ridges.len() {
        distribution.left_out.push(numbered.column);
        return;
    }
    room.n_plots -= 1;
    room.n_histograms -= ridges.len();
    distribution.plots.push(plot(numbered.column, ridges, n_off_axis));
}

/// Contestants that have scores with a place on the axis, and how many scores have none.
fn ridges<'a>(report: &'a Report, set: &str, column_idx: usize) -> (Vec<Ridge<'a>>, usize) {
    let mut ridges = Vec::<Ridge>::new();
    let mut n_off_axis = 0;
    for image in report.images.iter().filter(|image| image.set == set) {
        let Some(score) = table::score(&image.scores, column_idx) else { continue };
        if score.is_nan() || score.abs() > DRAWN_MAX {
            n_off_axis += 1;
            continue;
        }
        match ridges.iter_mut().find(|ridge| ridge.contestant == image.contestant) {
            Some(ridge) => ridge.scores.push(score),
            None => ridges.push(Ridge {
                contestant: &image.contestant,
                scores: vec![score],
                counts: [0; N_BINS],
            }),
        }
    }
    let place = |ridge: &Ridge| report.contestants.iter().position(|c| c.name == ridge.contestant);
    ridges.sort_by_key(|ridge| place(ridge).unwrap_or(usize::MAX));
    (ridges, n_off_axis)
}

fn plot<'a>(column: &'a Column, mut ridges: Vec<Ridge>, n_off_axis: usize) -> Plot<'a> {
    let range = range(&ridges);
    for ridge in &mut ridges {
        for score in &ridge.scores {
            ridge.counts[bin(*score, range)] += 1;
        }
    }
    let n_tallest = ridges.iter().flat_map(|ridge| ridge.counts).max().unwrap_or(0);
    let svg = draw(&ridges, range, n_tallest, column.n_digits)
        .expect("drawing into a string of this size cannot fail");
    Plot { column, svg: inline(&svg, column, ridges.len()), n_tallest, n_off_axis }
}

/// From the smallest score to the largest, with some room where they are equal.
fn range(ridges: &[Ridge]) -> (f64, f64) {
    let scores = || ridges.iter().flat_map(|ridge| ridge.scores.iter().copied());
    let lower = scores().fold(f64::INFINITY, f64::min);
    let upper = scores().fold(f64::NEG_INFINITY, f64::max);
    let room_min = 1e-6_f64.max(lower.abs().max(upper.abs()) * 1e-6);
    if upper - lower > room_min { (lower, upper) } else { (lower - room_min, upper + room_min) }
}

fn bin(score: f64, (lower, upper): (f64, f64)) -> usize {
    let place = (score - lower) / (upper - lower) * N_BINS as f64;
    (place as usize).min(N_BINS - 1)
}

type DrawingError = Box<dyn std::error::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(
    ridges: &[Ridge],
    range: (f64, f64),
    n_tallest: usize,
    n_digits: usize,
) -> Result<String, DrawingError> {
    let mut svg = String::new();
    let height_px = ROW_PX * ridges.len() as u32 + AXIS_PX;
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH_PX, height_px)).into_drawing_area();
        for (ridge, row) in ridges.iter().zip(0..) {
            let is_last = row as usize + 1 == ridges.len();
            let axis_px = if is_last { AXIS_PX } else { 0 };
            let top = (ROW_PX * row) as i32;
            let area = root.clone().shrink((0, top), (WIDTH_PX, ROW_PX + axis_px));
            draw_ridge(&area, ridge, range, n_tallest, axis_px, n_digits)?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// An outline of steps, a line under it, a dot at the mean and the name above.
fn draw_ridge(
    area: &Area,
    ridge: &Ridge,
    (lower, upper): (f64, f64),
    n_tallest: usize,
    axis_px: u32,
    n_digits: usize,
) -> Result<(), DrawingError> {
    let mut chart = ChartBuilder::on(area)
        .margin_left(6)
        .margin_right(6)
        .margin_top(16)
        .x_label_area_size(axis_px)
        .build_cartesian_2d(lower..upper, 0.0..n_tallest as f64)?;
    if axis_px > 0 {
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .x_labels(5)
            .x_label_formatter(&|x| crate::number::typeset(*x, n_digits.min(3)))
            .label_style(FONT.into_font())
            .draw()?;
    }
    chart.draw_series([Polygon::new(outline(ridge, lower, upper), BLACK.filled())])?;
    chart.draw_series([PathElement::new([(lower, 0.0), (upper, 0.0)], BLACK)])?;
    let mean = ridge.scores.iter().sum::<f64>() / ridge.scores.len() as f64;
    chart.draw_series([Circle::new((mean, 0.0), 3, BLACK.filled())])?;
    area.draw(&Text::new(shortened(ridge.contestant), (6, 2), FONT.into_font()))?;
    Ok(())
}

fn outline(ridge: &Ridge, lower: f64, upper: f64) -> Vec<(f64, f64)> {
    let edge = |idx: usize| lower + (upper - lower) * idx as f64 / N_BINS as f64;
    let mut points = vec![(lower, 0.0)];
    let mut idx = 0;
    for bins in ridge.counts.chunk_by(|a, b| a == b) {
        let n_images = bins[0] as f64;
        points.extend([(edge(idx), n_images), (edge(idx + bins.len()), n_images)]);
        idx += bins.len();
    }
    points.push((upper, 0.0));
    points.dedup();
    points
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 56 {
        return name.to_owned();
    }
    name.chars().take(55).chain(['\u{2026}']).collect()
}

/// Turns a file of its own into a part of a page, which needs no address of a name space.
fn inline(svg: &str, column: &Column, n_contestants: usize) -> String {
    let height_px = ROW_PX * n_contestants as u32 + AXIS_PX;
    let (_, body) = svg.split_once('>').expect("a drawing begins with a tag");
    let label = askama::filters::escape(column.full_title(), askama::filters::Html)
        .map_or_else(|never| match never {}, |escaped| escaped.to_string());
    let body = STYLED_BY_PAGE.iter().fold(body.to_owned(), |body, text| body.replace(text, ""));
    format!(
        "<svg viewBox=\"0 0 {WIDTH_PX} {height_px}\" role=\"img\" aria-label=\"Histograms of \
         {label}, one a contestant\">{}",
        body.replace(" \"/>", "\"/>")
    )
}

/// What the page's own style says instead, so that it follows light and dark.
const STYLED_BY_PAGE: [&str; 9] = [
    "\n",
    " opacity=\"1\"",
    " fill=\"#000000\"",
    " fill=\"none\"",
    " stroke=\"#000000\"",
    " stroke=\"none\"",
    " font-family=\"sans-serif\"",
    " font-size=\"10\"",
    " stroke-width=\"1\"",
];
