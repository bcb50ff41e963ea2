//! The tables of a report: which columns stand side by side, and which cells are best.

use crate::{
    number,
    report::{Better, Column, Difference, Report, Summary},
};

/// A table of means: contestants by columns.
pub(crate) struct Table<'a> {
    /// Whether its columns say what methods spoil.
    pub(crate) is_harm: bool,
    /// Its columns, those of one metric together.
    pub(crate) groups: Vec<Group<'a>>,
    /// One a contestant, cells in the order of the groups' columns.
    pub(crate) lines: Vec<Line<'a>>,
}

/// Columns of one metric under different protocols: at least one.
pub(crate) struct Group<'a> {
    pub(crate) columns: Vec<Numbered<'a>>,
}

/// A column and its place in the report.
#[derive(Clone, Copy)]
pub(crate) struct Numbered<'a> {
    pub(crate) idx: usize,
    pub(crate) column: &'a Column,
}

/// Means of one contestant.
pub(crate) struct Line<'a> {
    pub(crate) contestant: &'a str,
    pub(crate) cells: Vec<Option<Cell>>,
}

/// A mean, and whether no other of its column is better.
pub(crate) struct Cell {
    pub(crate) summary: Summary,
    pub(crate) n_digits: usize,
    pub(crate) is_best: bool,
}

/// The tables of a set: what methods achieve, then what they spoil. Columns without a single score are
/// left out, see [`unmeasured`].
pub(crate) fn tables<'a>(report: &'a Report, set: &str) -> Vec<Table<'a>> {
    let table = |is_harm| {
        let columns = measured(report, set).filter(|c| c.column.is_harm == is_harm);
        let groups = group(columns);
        (!groups.is_empty()).then(|| Table { is_harm, lines: lines(report, set, &groups), groups })
    };
    [false, true].into_iter().filter_map(table).collect()
}

/// Columns that have no score on a set.
pub(crate) fn unmeasured<'a>(report: &'a Report, set: &str) -> Vec<&'a Column> {
    let without = |c: &Numbered| !is_measured(report, set, c.idx);
    numbered(report).filter(without).map(|c| c.column).collect()
}

/// Columns that have scores on a set.
pub(crate) fn measured<'a>(report: &'a Report, set: &str) -> impl Iterator<Item = Numbered<'a>> {
    numbered(report).filter(move |c| is_measured(report, set, c.idx))
}

/// The column that stands for a set: the first that has scores there.
pub(crate) fn headline<'a>(report: &'a Report, set: &str) -> Option<Numbered<'a>> {
    measured(report, set).next()
}

/// Differences of a set in one column.
pub(crate) fn differences<'a>(report: &'a Report, set: &str, column: &str) -> Vec<&'a Difference> {
    report.differences.iter().filter(|d| d.set == set && d.column == column).collect()
}

/// A single score, where there is one.
pub(crate) fn score(scores: &[Option<f64>], column_idx: usize) -> Option<f64> {
    scores.get(column_idx).copied().flatten()
}

impl<'a> Group<'a> {
    /// The first column, which speaks for title, unit and direction of all.
    pub(crate) fn first(&self) -> &'a Column {
        self.columns[0].column
    }
}

impl Cell {
    /// The mean with the digits of its column.
    pub(crate) fn mean(&self) -> String {
        number::plain(self.summary.mean, self.n_digits)
    }
}

fn numbered(report: &Report) -> impl Iterator<Item = Numbered<'_>> {
    report.columns.iter().enumerate().map(|(idx, column)| Numbered { idx, column })
}

fn is_measured(report: &Report, set: &str, column_idx: usize) -> bool {
    report
        .rows
        .iter()
        .filter(|row| row.set == set)
        .any(|row| row.cells.get(column_idx).is_some_and(Option::is_some))
}

/// Brings columns of one metric together, at the place of the first of them.
fn group<'a>(columns: impl Iterator<Item = Numbered<'a>>) -> Vec<Group<'a>> {
    let metric = |c: &'a Column| (&c.title, &c.unit, c.better);
    let mut groups = Vec::<Group<'a>>::new();
    for numbered in columns {
        match groups.iter_mut().find(|g| metric(g.first()) == metric(numbered.column)) {
            Some(group) => group.columns.push(numbered),
            None => groups.push(Group { columns: vec![numbered] }),
        }
    }
    groups
}

fn lines<'a>(report: &'a Report, set: &str, groups: &[Group]) -> Vec<Line<'a>> {
    let columns = || groups.iter().flat_map(|group| &group.columns);
    let mut lines: Vec<Line> = report
        .rows
        .iter()
        .filter(|row| row.set == set)
        .map(|row| Line {
            contestant: &row.contestant,
            cells: columns()
                .map(|c| {
                    let summary = row.cells.get(c.idx).copied().flatten()?;
                    Some(Cell { summary, n_digits: c.column.n_digits, is_best: false })
                })
                .collect(),
        })
        .collect();
    for (idx, numbered) in columns().enumerate() {
        mark_best(&mut lines, idx, numbered.column.better);
    }
    lines
}

/// Marks the best cell and all that read the same; nothing where nobody is beaten.
fn mark_best(lines: &mut [Line], cell_idx: usize, better: Better) {
    let cells = || lines.iter().filter_map(|line| line.cells[cell_idx].as_ref());
    let merit = |cell: &Cell| better.merit(cell.summary.mean);
    let best = cells().filter(|cell| merit(cell).is_some()).max_by(|a, b| {
        f64::total_cmp(&merit(a).unwrap_or(f64::NAN), &merit(b).unwrap_or(f64::NAN))
    });
    let Some(best) = best.map(Cell::mean) else { return };
    if cells().all(|cell| cell.mean() == best) {
        return;
    }
    for cell in lines.iter_mut().filter_map(|line| line.cells[cell_idx].as_mut()) {
        cell.is_best = cell.mean() == best;
    }
}
