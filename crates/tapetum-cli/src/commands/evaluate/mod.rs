//! `tapetum evaluate`: scores of methods and results, in a table and a report.

pub(crate) mod jury;
pub(crate) mod request;

use std::{path::Path, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};
use tapetum::evaluate::{Cache, Contest, Evaluated, csv, evaluate, html, markdown};

use self::{
    jury::Jury,
    request::{Request, failure},
};
use super::generate::print;
use crate::{
    args::{EvaluateArguments, Verbosity},
    failure::{Failure, Kind},
    output::{Replace, finish_files_when_interrupted, write_whole},
    report::tell,
};

/// Where finished scores wait for the rest.
const SCORES: &str = "scores.jsonl";
/// The last file to be written.
const REPORT: &str = "report.json";

pub(crate) fn run(
    arguments: &EvaluateArguments,
    verbosity: Verbosity,
) -> Result<ExitCode, Failure> {
    let jury = Jury::open(Request::of_arguments(arguments)?, &arguments.running)?;
    let contest = jury.contest(arguments.date.as_deref())?;
    let cache = arguments.output.as_deref().map(|folder| open_cache(folder, arguments));
    let cache = cache.transpose()?;
    let advice = arguments.output.as_ref().map_or("", |_| ", --resume continues");
    finish_files_when_interrupted(advice)
        .map_err(|error| Failure::new(Kind::Environment, error.to_string()))?;
    let evaluated = watched(&contest, cache.as_ref(), verbosity)?;
    let report = &evaluated.report;
    let as_json =
        || serde_json::to_string_pretty(report).expect("text and numbers are JSON") + "\n";
    if let Some(folder) = &arguments.output {
        write(folder, "report.html", &html(report, &evaluated.showcases))?;
        write(folder, "table.md", &markdown(report))?;
        write(folder, "images.csv", &csv(report))?;
        write(folder, REPORT, &as_json())?;
    }
    print(if arguments.json { as_json() } else { markdown(report) }.as_bytes())?;
    Ok(outcome(&evaluated))
}

/// Evaluates with a bar for those who watch.
pub(crate) fn watched(
    contest: &Contest,
    cache: Option<&Cache>,
    verbosity: Verbosity,
) -> Result<Evaluated, Failure> {
    let bar = match verbosity {
        Verbosity::Quiet => ProgressBar::hidden(),
        _ => ProgressBar::no_length().with_style(
            ProgressStyle::with_template("{wide_bar} {pos}/{len} images, {eta} left")
                .expect("the template is valid"),
        ),
    };
    let progress = |n_done: usize, n_images: usize| {
        bar.set_length(n_images as u64);
        bar.set_position(n_done as u64);
    };
    let evaluated = evaluate(contest, cache, &progress).map_err(|error| failure(&error));
    bar.finish_and_clear();
    evaluated
}

/// Lists what could not be scored; the exit code says that there is such.
pub(crate) fn outcome(evaluated: &Evaluated) -> ExitCode {
    evaluated.failures.iter().for_each(|error| failure(error).print());
    match evaluated.failures.len() {
        0 => ExitCode::SUCCESS,
        n_failed => {
            tell(format_args!("{n_failed} results could not be scored"));
            ExitCode::from(1)
        }
    }
}

fn open_cache(folder: &Path, arguments: &EvaluateArguments) -> Result<Cache, Failure> {
    let is_there = [SCORES, REPORT].iter().any(|name| folder.join(name).exists());
    if is_there && !arguments.resume && !arguments.overwrite {
        let message = format!("{}: holds a report already", folder.display());
        return Err(Failure::new(Kind::Usage, message)
            .with_hint("continue it with --resume, or replace it with --overwrite"));
    }
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(Kind::Usage, folder, &error))?;
    Cache::open(&folder.join(SCORES), arguments.resume).map_err(|error| failure(&error))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    write_whole(&path, text.as_bytes(), Replace::Yes)
        .map_err(|error| Failure::io(Kind::File, &path, &error))
}
