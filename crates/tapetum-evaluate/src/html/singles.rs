//! The single scores of the page, as many as it has room for.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    report::{ImageScores, Report, SetNote, Showcase},
    table::{self, Group, Numbered},
};

/// How many scores the page holds at most, all sets together: about 60 kB.
pub(super) const N_SCORES_MAX: usize = 4_500;

/// Single scores on one set.
pub(super) struct Singles<'a> {
    pub(super) note: &'a SetNote,
    pub(super) groups: Vec<Group<'a>>,
    pub(super) lines: Vec<&'a ImageScores>,
    pub(super) n_images: usize,
    /// Images that the page has no room for.
    pub(super) n_images_left_out: usize,
    pub(super) has_notes: bool,
}

/// All lines of each image.
type Images<'a> = BTreeMap<&'a str, Vec<&'a ImageScores>>;

impl<'a> Singles<'a> {
    /// Columns in the order of the table.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Numbered<'a>> {
        self.groups.iter().flat_map(|group| &group.columns)
    }
}

/// One a set that has scores. Where room is short, images with showcases stay first, then those on
/// which the contestants' headline scores are worst.
pub(super) fn singles<'a>(report: &'a Report, showcases: &[Showcase]) -> Vec<Singles<'a>> {
    let of_set = |note: &'a SetNote| {
        let groups: Vec<Group> =
            table::tables(report, &note.name).into_iter().flat_map(|table| table.groups).collect();
        let n_columns: usize = groups.iter().map(|group| group.columns.len()).sum();
        let n_lines_max = N_SCORES_MAX / report.sets.len() / n_columns.max(1);
        let own = || report.images.iter().filter(|line| line.set == note.name);
        let mut images = Images::new();
        for line in own() {
            images.entry(&line.image).or_default().push(line);
        }
        let kept = fitting(&by_interest(report, note, &images, showcases), &images, n_lines_max);
        let lines: Vec<_> = own().filter(|line| kept.contains(line.image.as_str())).collect();
        (!images.is_empty()).then(|| Singles {
            note,
            groups,
            n_images: images.len(),
            n_images_left_out: images.len() - kept.len(),
            has_notes: lines.iter().any(|line| !line.notes.is_empty()),
            lines,
        })
    };
    report.sets.iter().filter_map(of_set).collect()
}

/// Names of images: those with showcases, then from the worst headline score to the best.
fn by_interest<'a>(
    report: &Report,
    note: &SetNote,
    images: &Images<'a>,
    showcases: &[Showcase],
) -> Vec<&'a str> {
    let headline = table::headline(report, &note.name);
    let worst = |lines: &[&ImageScores]| {
        let merits = lines.iter().filter_map(|line| {
            let headline = headline?;
            headline.column.better.merit(table::score(&line.scores, headline.idx)?)
        });
        merits.fold(f64::INFINITY, f64::min)
    };
    let own = showcases.iter().filter(|showcase| showcase.set == note.name);
    let shown: BTreeSet<&str> = own.map(|showcase| showcase.image.as_str()).collect();
    let mut ranked: Vec<_> = images
        .iter()
        .map(|(image, lines)| (!shown.contains(image), worst(lines), *image))
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    ranked.into_iter().map(|(_, _, image)| image).collect()
}

/// The first images whose lines fit.
fn fitting<'a>(ranked: &[&'a str], images: &Images, n_lines_max: usize) -> BTreeSet<&'a str> {
    let mut room = n_lines_max;
    let fits = |image: &&&str| {
        let left = room.checked_sub(images[**image].len());
        room = left.unwrap_or(0);
        left.is_some()
    };
    ranked.iter().take_while(fits).copied().collect()
}
