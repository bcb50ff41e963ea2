//! The pictures of the page, in the order in which they are looked at.

use crate::{
    number,
    report::{Report, Showcase},
    table::{self, Numbered},
};

/// How many scores stand under a picture; the table of single images has all.
const N_SCORES_MAX: usize = 4;

/// All showcases by set and contestant, and what they can be filtered by.
pub(super) struct Gallery<'a> {
    pub(super) sets: Vec<&'a str>,
    pub(super) contestants: Vec<&'a str>,
    pub(super) kinds: Vec<String>,
    /// One a set and contestant.
    pub(super) shelves: Vec<Shelf<'a>>,
}

/// Showcases of one contestant on one set.
pub(super) struct Shelf<'a> {
    pub(super) set: &'a str,
    pub(super) contestant: &'a str,
    /// Places in [`Gallery::sets`] and [`Gallery::contestants`].
    pub(super) set_idx: usize,
    pub(super) contestant_idx: usize,
    pub(super) figures: Vec<Figure<'a>>,
}

/// One image before and after.
pub(super) struct Figure<'a> {
    pub(super) showcase: &'a Showcase,
    /// Place in [`Gallery::kinds`].
    pub(super) kind_idx: usize,
    pub(super) pictures: Vec<Picture<'a>>,
    /// `PSNR, RGB 21.30 dB`
    pub(super) scores: Vec<String>,
}

/// A picture by what it shows.
pub(super) struct Picture<'a> {
    pub(super) role: &'static str,
    pub(super) label: &'static str,
    /// None where the address leads out of the page.
    pub(super) address: Option<&'a str>,
}

pub(super) fn gallery<'a>(report: &'a Report, showcases: &'a [Showcase]) -> Gallery<'a> {
    let known_sets = report.sets.iter().map(|set| set.name.as_str());
    let sets = distinct(known_sets, showcases.iter().map(|s| s.set.as_str()));
    let known_contestants = report.contestants.iter().map(|c| c.name.as_str());
    let contestants = distinct(known_contestants, showcases.iter().map(|s| s.contestant.as_str()));
    let kinds = kinds(showcases);
    let mut shelves = Vec::new();
    for (set_idx, &set) in sets.iter().enumerate() {
        for (contestant_idx, &contestant) in contestants.iter().enumerate() {
            let own = showcases.iter().filter(|s| s.set == set && s.contestant == contestant);
            let mut figures: Vec<_> = own.map(|s| figure(report, s, &kinds)).collect();
            figures.sort_by_key(|figure| figure.kind_idx);
            if !figures.is_empty() {
                shelves.push(Shelf { set, contestant, set_idx, contestant_idx, figures });
            }
        }
    }
    Gallery { sets, contestants, kinds, shelves }
}

/// The names that occur, first in the order in which they are known, then in that of occurrence.
fn distinct<'a>(
    known: impl Iterator<Item = &'a str>,
    occurring: impl Iterator<Item = &'a str> + Clone,
) -> Vec<&'a str> {
    let known = known.filter(|name| occurring.clone().any(|other| other == *name));
    let mut names = Vec::<&str>::new();
    for name in known.collect::<Vec<_>>().into_iter().chain(occurring) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// First words of reasons: worst, median, best, then others.
fn kinds(showcases: &[Showcase]) -> Vec<String> {
    let usual = ["worst", "median", "best"];
    let all: Vec<String> = showcases.iter().map(kind).collect();
    let mut kinds = distinct(usual.into_iter(), all.iter().map(String::as_str));
    kinds.dedup();
    kinds.into_iter().map(str::to_owned).collect()
}

fn kind(showcase: &Showcase) -> String {
    showcase.reason.split_whitespace().next().unwrap_or("other").to_lowercase()
}

fn figure<'a>(report: &Report, showcase: &'a Showcase, kinds: &[String]) -> Figure<'a> {
    let kind = kind(showcase);
    let kind_idx = kinds.iter().position(|other| *other == kind);
    let scores = columns(report).filter_map(|c| {
        let score = table::score(&showcase.scores, c.idx)?;
        let text = number::typeset(score, c.column.n_digits);
        Some(format!("{} {text} {}", c.column.full_title(), c.column.unit).trim_end().to_owned())
    });
    Figure {
        showcase,
        kind_idx: kind_idx.expect("kinds are those of all showcases"),
        pictures: pictures(showcase),
        scores: scores.take(N_SCORES_MAX).collect(),
    }
}

fn columns(report: &Report) -> impl Iterator<Item = Numbered<'_>> {
    report.columns.iter().enumerate().map(|(idx, column)| Numbered { idx, column })
}

fn pictures(showcase: &Showcase) -> Vec<Picture<'_>> {
    let reference = showcase.reference.as_deref();
    let error_map = showcase.error_map.as_deref();
    let mut pictures = vec![
        picture("low", "Low", &showcase.low),
        picture("enhanced", "Enhanced", &showcase.enhanced),
    ];
    pictures.extend(reference.map(|address| picture("reference", "Reference", address)));
    pictures.extend(error_map.map(|address| picture("error", "Error map", address)));
    pictures
}

fn picture<'a>(role: &'static str, label: &'static str, address: &'a str) -> Picture<'a> {
    Picture { role, label, address: address.starts_with("data:image/").then_some(address) }
}
