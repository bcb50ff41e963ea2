//! `tapetum synthesize`: pairs for training and tests, made from well-lit photographs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use tapetum::{
    Limits,
    data::{SynthesisRange, images, synthesize},
};

use super::data::failure;
use crate::{
    args::SynthesizeArguments,
    failure::{Failure, Kind},
    model_store,
    output::{Replace, write_whole},
    report::tell,
};

/// What says how each pair was made.
const RECORD: &str = "synthesis.jsonl";

pub(crate) fn run(arguments: &SynthesizeArguments) -> Result<ExitCode, Failure> {
    let range = range(arguments)?;
    let photographs = photographs(&arguments.folders)?;
    let (mut n_failed, mut record) = (0, String::new());
    for (name, path) in &photographs {
        match make(arguments, &range, name, path) {
            Ok(line) => record += &line,
            Err(failure) => {
                failure.print();
                n_failed += 1;
            }
        }
    }
    write(arguments, RECORD, record.as_bytes())?;
    let n_made = photographs.len() - n_failed;
    tell(format_args!("{}: {n_made} pairs, {n_failed} failed", arguments.output.display()));
    Ok(if n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn range(arguments: &SynthesizeArguments) -> Result<SynthesisRange, Failure> {
    let mut range = SynthesisRange::default();
    if let Some(path) = &arguments.range {
        let bytes = model_store::read(path)?;
        let usage = |detail: String| {
            Failure::new(Kind::Usage, format!("{}: {detail}", path.display()))
                .with_hint("keys are: shrink, exposure, gamma, cast, iso, jpeg_share, jpeg_quality")
        };
        range = toml::from_str(&String::from_utf8_lossy(&bytes))
            .map_err(|error| usage(error.to_string()))?;
        range.check().map_err(|error| usage(error.to_string()))?;
    }
    if let Some(scale) = &arguments.scale {
        range.shrink = scale.parse().expect("the arguments allow 1, 2 and 4");
    }
    Ok(range)
}

/// Photographs by the names of their pairs; two of one name are refused.
fn photographs(folders: &[PathBuf]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut found = BTreeMap::new();
    for folder in folders {
        for path in images(folder).map_err(|error| failure(&error))? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(other) = found.insert(name, path.clone()) {
                let (first, second) = (other.display(), path.display());
                let message = format!("expected different names, got {first} and {second}");
                return Err(Failure::new(Kind::Usage, message).with_hint("rename one of them"));
            }
        }
    }
    Ok(found)
}

/// Makes one pair; the line that says how.
fn make(
    arguments: &SynthesizeArguments,
    range: &SynthesisRange,
    name: &str,
    path: &Path,
) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::io(Kind::File, path, &error))?;
    let pair = synthesize(&bytes, name, range, arguments.seed, &Limits::default())
        .map_err(|error| Failure::library(Kind::File, path, &error))?;
    write(arguments, &format!("high/{name}.png"), &pair.reference)?;
    write(arguments, &format!("low/{name}.png"), &pair.low)?;
    let line = json!({ "name": name, "seed": arguments.seed, "synthesis": pair.synthesis });
    Ok(format!("{line}\n"))
}

fn write(arguments: &SynthesizeArguments, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = arguments.output.join(name);
    let replace = if arguments.overwrite { Replace::Yes } else { Replace::No };
    write_whole(&path, bytes, replace).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(Kind::File, format!("{}: exists already", path.display()))
                .with_hint("name another folder, or add --overwrite")
        }
        _ => Failure::io(Kind::File, &path, &error),
    })
}
