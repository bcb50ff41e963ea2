//! Paired differences: in detail for the headline, as one wide table for all columns.

use crate::{
    number,
    report::{Column, Difference, Report, SetNote},
    table::{self, Group},
};

/// Differences in one column.
pub(super) struct Comparison<'a> {
    pub(super) column: &'a Column,
    pub(super) differences: Vec<&'a Difference>,
}

/// Differences in all columns: pairs of contestants by columns.
pub(super) struct Matrix<'a> {
    pub(super) groups: Vec<Group<'a>>,
    pub(super) pairs: Vec<Pair<'a>>,
}

/// Two contestants; cells in the order of the groups' columns.
pub(super) struct Pair<'a> {
    pub(super) first: &'a str,
    pub(super) second: &'a str,
    pub(super) cells: Vec<Option<Judged<'a>>>,
}

/// A difference and what to make of it.
pub(super) struct Judged<'a> {
    column: &'a Column,
    pub(super) difference: &'a Difference,
}

/// Differences in the headline column of a set, if there are any.
pub(super) fn headline<'a>(report: &'a Report, note: &SetNote) -> Option<Comparison<'a>> {
    let column = table::headline(report, &note.name)?.column;
    let differences = table::differences(report, &note.name, &column.key);
    (!differences.is_empty()).then_some(Comparison { column, differences })
}

/// Differences in all columns of a set, if there are any besides the headline's.
pub(super) fn matrix<'a>(report: &'a Report, note: &SetNote) -> Option<Matrix<'a>> {
    let own: Vec<&Difference> = report.differences.iter().filter(|d| d.set == note.name).collect();
    let is_compared = |column: &Column| own.iter().any(|d| d.column == column.key);
    let mut groups: Vec<Group> =
        table::tables(report, &note.name).into_iter().flat_map(|table| table.groups).collect();
    for group in &mut groups {
        group.columns.retain(|numbered| is_compared(numbered.column));
    }
    groups.retain(|group| !group.columns.is_empty());
    let columns: Vec<&Column> =
        groups.iter().flat_map(|group| &group.columns).map(|numbered| numbered.column).collect();
    let mut names = Vec::new();
    for d in &own {
        if !names.contains(&(&d.first, &d.second)) {
            names.push((&d.first, &d.second));
        }
    }
    let pair = |(first, second): (&'a String, &'a String)| {
        let of_pair: Vec<&Difference> =
            own.iter().copied().filter(|d| d.first == *first && d.second == *second).collect();
        let cell = |column: &&'a Column| {
            let found = of_pair.iter().find(|d| d.column == column.key)?;
            Some(Judged { column, difference: found })
        };
        Pair { first, second, cells: columns.iter().map(cell).collect() }
    };
    let pairs = names.into_iter().map(pair).collect();
    (columns.len() > 1).then_some(Matrix { groups, pairs })
}

impl<'a> Comparison<'a> {
    pub(super) fn judge(&self, difference: &'a Difference) -> Judged<'a> {
        Judged { column: self.column, difference }
    }
}

impl Judged<'_> {
    pub(super) fn mean(&self) -> String {
        number::typeset(self.difference.mean, self.column.n_digits)
    }

    pub(super) fn interval(&self) -> String {
        let number = |value| number::typeset(value, self.column.n_digits);
        format!("[{}, {}]", number(self.difference.lower), number(self.difference.upper))
    }

    pub(super) fn p(&self) -> String {
        number::p_value(self.difference.p)
    }

    /// Whether the interval lies wholly where the first is better.
    pub(super) fn favours_first(&self) -> bool {
        self.ends().is_some_and(|ends| ends.into_iter().all(|merit| merit > 0.0))
    }

    /// Whether it lies wholly where the second is better.
    pub(super) fn favours_second(&self) -> bool {
        self.ends().is_some_and(|ends| ends.into_iter().all(|merit| merit < 0.0))
    }

    /// Ends of the interval, positive where the first is better.
    fn ends(&self) -> Option<[f64; 2]> {
        let merit = |value| self.column.better.merit(value);
        Some([merit(self.difference.lower)?, merit(self.difference.upper)?])
    }
}
