//! `tapetum data check`: what lies in folders, and what parts share that must not.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};
use tapetum::{
    Limits,
    data::{DataError, DataSet, Entries, Part, Split, detect, near_duplicates},
};

use super::generate::print;
use crate::{
    args::DataCommand,
    failure::{Failure, Kind},
};

pub(crate) fn run(command: &DataCommand) -> Result<ExitCode, Failure> {
    let DataCommand::Check { folders, against, bits, json } = command;
    let sets = folders.iter().map(|folder| open(folder)).collect::<Result<Vec<_>, _>>()?;
    let others = against.iter().map(|folder| open(folder)).collect::<Result<Vec<_>, _>>()?;
    let (learned, reported) = sides(&sets, &others);
    let shared = near_duplicates(&learned, &reported, *bits, &Limits::default());
    let shared = shared.map_err(|error| failure(&error))?;
    let named = || folders.iter().chain(against).zip(sets.iter().chain(&others));
    if *json {
        let sets: Vec<Value> = named().map(|(folder, set)| as_json(folder, set)).collect();
        let shared: Vec<Value> = shared
            .iter()
            .map(|(first, second, bits)| json!({ "first": first, "second": second, "bits": bits }))
            .collect();
        return print(format!("{:#}\n", json!({ "sets": sets, "shared": shared })).as_bytes());
    }
    let mut text = String::new();
    named().for_each(|(folder, set)| text += &as_lines(folder, set));
    for (first, second, bits) in &shared {
        let (first, second) = (first.display(), second.display());
        writeln!(text, "near-duplicates: {first} and {second} ({bits} of 64 bits differ)")
            .expect("writing to text does not fail");
    }
    if !reported.is_empty() {
        let n_compared = format!("{} and {}", learned.len(), reported.len());
        writeln!(text, "compared {n_compared} photographs: {} near-duplicates", shared.len())
            .expect("writing to text does not fail");
    }
    print(text.as_bytes())
}

fn open(folder: &Path) -> Result<DataSet, Failure> {
    detect(folder).map_err(|error| failure(&error))
}

/// Photographs to learn from, and those that must not be among them: the other folders, or the parts for
/// validation and test of the same.
fn sides(sets: &[DataSet], others: &[DataSet]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let all = |sets: &[DataSet], is_taken: &dyn Fn(&Split) -> bool| -> Vec<PathBuf> {
        let splits = sets.iter().flat_map(|set| &set.splits).filter(|split| is_taken(split));
        let mut paths: Vec<PathBuf> = splits.flat_map(shown).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    if others.is_empty() {
        let is_reported = |split: &Split| matches!(split.part, Part::Validation | Part::Test);
        return (all(sets, &|split| split.part == Part::Train), all(sets, &is_reported));
    }
    (all(sets, &|_| true), all(others, &|_| true))
}

/// One photograph of each scene: the reference where there is one.
fn shown(split: &Split) -> Vec<PathBuf> {
    match &split.entries {
        Entries::Paired(pairs) | Entries::Overexposed(pairs) => {
            pairs.iter().map(|pair| pair.second.clone()).collect()
        }
        Entries::Labelled { pairs, .. } => pairs.iter().map(|pair| pair.first.clone()).collect(),
        Entries::Unpaired(paths) => paths.clone(),
    }
}

fn kind_of(split: &Split) -> (&'static str, usize) {
    match &split.entries {
        Entries::Paired(pairs) => ("pairs", pairs.len()),
        Entries::Overexposed(pairs) => ("over-exposed pairs", pairs.len()),
        Entries::Unpaired(paths) => ("photographs", paths.len()),
        Entries::Labelled { pairs, .. } => ("labelled photographs", pairs.len()),
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
        Part::Unstated => "not stated",
    }
}

fn as_lines(folder: &Path, set: &DataSet) -> String {
    let mut text = format!("{}: {}\n", folder.display(), set.layout);
    for split in &set.splits {
        let ((kind, n), part, name) = (kind_of(split), part_name(split.part), &split.name);
        let scale = if split.scale > 1 { format!(", x{}", split.scale) } else { String::new() };
        writeln!(text, "  {name:<24} {n:>6} {kind}{scale} (part: {part})")
            .expect("writing to text does not fail");
    }
    text
}

fn as_json(folder: &Path, set: &DataSet) -> Value {
    let splits = set.splits.iter().map(|split| {
        let (kind, n_files) = kind_of(split);
        json!({ "name": split.name, "part": part_name(split.part), "kind": kind,
                "count": n_files, "scale": split.scale })
    });
    json!({ "folder": folder, "layout": set.layout, "splits": splits.collect::<Vec<_>>() })
}

/// What is wrong with a data set, as people read it.
pub(crate) fn failure(error: &DataError) -> Failure {
    Failure::new(Kind::File, error.to_string()).with_hint(error.hint())
}
