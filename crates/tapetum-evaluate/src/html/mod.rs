//! A report as one page that reads without a network.

mod differences;
mod gallery;
mod histogram;
mod singles;

use askama::Template;

use crate::{
    number,
    report::{Column, ContestantNote, ImageScores, Report, SetNote, Showcase},
    table::{self, Cell, Numbered, Table},
};

use differences::{Comparison, Matrix};
use gallery::Gallery;
use histogram::Distribution;
use singles::Singles;

/// The report as one HTML page with its pictures, styles and scripts inside.
///
/// The page names no outside address and forbids the browser to fetch any; names are escaped, and a
/// picture that is not a `data:image/` address is left out with a word. Without JavaScript everything
/// is there to read; with it, tables sort, pictures compare under a slider and selections filter.
/// Histograms and single scores are capped for the size of the page, which says what it leaves out.
pub fn html(report: &Report, showcases: &[Showcase]) -> String {
    let page = Page {
        report,
        style: include_str!("../../templates/style.css"),
        scripts: [
            include_str!("../../templates/sort.js"),
            include_str!("../../templates/compare.js"),
            include_str!("../../templates/select.js"),
        ],
        sets: report.sets.iter().map(|note| Set::new(report, note)).collect(),
        gallery: gallery::gallery(report, showcases),
        distributions: histogram::distributions(report),
        n_plots_max: histogram::N_PLOTS_MAX,
        n_histograms_max: histogram::N_HISTOGRAMS_MAX,
        singles: singles::singles(report, showcases),
        n_scores_max: singles::N_SCORES_MAX,
    };
    page.render().expect("writing to memory cannot fail")
}

#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    scripts: [&'static str; 3],
    sets: Vec<Set<'a>>,
    gallery: Gallery<'a>,
    distributions: Vec<Distribution<'a>>,
    n_plots_max: usize,
    n_histograms_max: usize,
    singles: Vec<Singles<'a>>,
    n_scores_max: usize,
}

/// For tables without columns after the scores.
const NO_TITLES: [&str; 0] = [];

impl Page<'_> {
    /// Columns after the scores in a table of single images.
    fn note_titles(&self, singles: &Singles) -> &'static [&'static str] {
        if singles.has_notes { &["Noticed"] } else { &[] }
    }
}

/// What was found on one set.
struct Set<'a> {
    note: &'a SetNote,
    tables: Vec<Table<'a>>,
    unmeasured: Vec<&'a Column>,
    headline: Option<Comparison<'a>>,
    matrix: Option<Matrix<'a>>,
}

impl<'a> Set<'a> {
    fn new(report: &'a Report, note: &'a SetNote) -> Self {
        Self {
            note,
            tables: table::tables(report, &note.name),
            unmeasured: table::unmeasured(report, &note.name),
            headline: differences::headline(report, note),
            matrix: differences::matrix(report, note),
        }
    }
}

impl Cell {
    fn typeset(&self, value: &f64) -> String {
        number::typeset(*value, self.n_digits)
    }
}

impl Column {
    /// Title and subtitle on one line.
    fn full_title(&self) -> String {
        let separator = if self.subtitle.is_empty() { "" } else { ", " };
        format!("{}{separator}{}", self.title, self.subtitle)
    }
}

impl Numbered<'_> {
    fn typeset_score(&self, line: &ImageScores) -> Option<String> {
        let score = table::score(&line.scores, self.idx)?;
        Some(number::typeset(score, self.column.n_digits))
    }
}

impl ContestantNote {
    fn parameters(&self) -> Option<String> {
        self.n_parameters.map(|n| number::count(n as u64))
    }

    fn multiply_accumulates(&self) -> Option<String> {
        self.macs_per_pixel.map(number::count)
    }

    fn time(&self) -> Option<String> {
        self.milliseconds.map(|ms| number::typeset(ms, 1))
    }

    fn memory(&self) -> Option<String> {
        self.memory_peak_bytes.map(number::mebibytes)
    }
}
