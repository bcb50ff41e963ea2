//! `tapetum enhance`: photographs in, bright photographs out.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use tapetum::{
    EncodeOptions, EnhanceOptions, Enhanced, Enhancer, Limits, MethodCard, Model, Quality,
    Settings, Strength, Tiling, decode, methods,
};

use super::generate::print;
use crate::{
    args::{EnhanceArguments, Verbosity},
    existing::{Existing, Wishes},
    failure::{Failure, Kind},
    manifest::{Facts, sha256},
    model_store, output,
    plan::{Job, Place, Plan, PlanOptions, plan},
    report::{Done, FileReport, Outcome, Summary, tell},
};

pub(crate) fn run(arguments: &EnhanceArguments, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let plan = plan(PlanOptions {
        inputs: &arguments.inputs,
        output: arguments.output.as_deref(),
        format: arguments.format,
    })?;
    check_pipes(&plan, arguments)?;
    let session = Session::new(arguments, &plan)?;
    let advice = plan.folder.as_ref().map_or("", |_| ", --resume continues");
    output::finish_files_when_interrupted(advice)
        .map_err(|error| Failure::new(Kind::Environment, error.to_string()))?;
    let reports = session.run_all(&plan, arguments.jobs.into(), verbosity);
    session.finish(&plan, &reports, arguments.json, verbosity)
}

fn check_pipes(plan: &Plan, arguments: &EnhanceArguments) -> Result<(), Failure> {
    let to_pipe = plan.jobs.iter().any(|job| job.output == Place::Pipe);
    if to_pipe && arguments.json {
        return Err(Failure::new(Kind::Usage, "standard output cannot hold a photograph and JSON")
            .with_hint("name an output file with -o"));
    }
    if to_pipe && io::stdout().is_terminal() {
        return Err(Failure::new(Kind::Usage, "a photograph is not written to a terminal")
            .with_hint("redirect the output, or name a file with -o"));
    }
    if arguments.resume && plan.folder.is_none() {
        return Err(Failure::new(Kind::Usage, "--resume needs an output folder")
            .with_hint("name one with -o"));
    }
    Ok(())
}

/// Everything that all files share.
struct Session {
    /// One photograph is in the network at a time, which uses all cores; loading and saving of
    /// others go on meanwhile.
    enhancer: Mutex<Enhancer>,
    settings: Settings,
    facts: [String; 2],
    /// `None` for a method without weights.
    weights_name: Option<String>,
    method_name: &'static str,
    existing: Existing,
}

impl Session {
    fn new(arguments: &EnhanceArguments, plan: &Plan) -> Result<Self, Failure> {
        let model = load_model(arguments)?;
        let weights = arguments.weights.as_deref().unwrap_or(Path::new(&model.name));
        let enhancer = Enhancer::new(&model)
            .map_err(|error| Failure::library(Kind::Usage, weights, &error))?;
        let wishes = Wishes { overwrite: arguments.overwrite, resume: arguments.resume };
        let existing = Existing::open(plan.folder.as_deref(), wishes)?;
        let settings = Settings {
            enhance: EnhanceOptions {
                strength: arguments.strength,
                memory_bytes_max: arguments.memory,
                precision: arguments.precision.into(),
                quality: if arguments.fast { Quality::Fast } else { Quality::Exact },
                tiling: arguments.tiles.into(),
            },
            limits: Limits {
                n_pixels_max: u64::from(arguments.max_megapixels) * 1_000_000,
                ..Limits::default()
            },
            format: arguments.format,
            encode: EncodeOptions { quality: arguments.quality },
        };
        Ok(Self {
            facts: [settings_hash(arguments, model.method), model.weights.content_hash()],
            weights_name: model.method.default_weights.map(|_| model.name),
            method_name: model.method.name,
            enhancer: Mutex::new(enhancer),
            settings,
            existing,
        })
    }

    /// Enhances all files on `n_jobs` threads; reports come in the order of the plan.
    fn run_all(&self, plan: &Plan, n_jobs: usize, verbosity: Verbosity) -> Vec<FileReport> {
        let bar = progress_bar(plan.jobs.len(), verbosity);
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let mut reports: Vec<Option<FileReport>> = vec![None; plan.jobs.len()];
        thread::scope(|scope| {
            for _ in 0..n_jobs.min(plan.jobs.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    let take = || next.fetch_add(1, Ordering::Relaxed);
                    while let Some((idx, job)) = plan.jobs.iter().enumerate().nth(take()) {
                        let report = self.run_one(job);
                        sender.send((idx, report)).expect("the receiver waits for all threads");
                    }
                });
            }
            drop(sender);
            for (idx, report) in receiver {
                bar.suspend(|| report.tell(verbosity));
                bar.inc(1);
                reports[idx] = Some(report);
            }
        });
        bar.finish_and_clear();
        let refused = plan.refusals.iter().map(|refusal| {
            refusal.failure.print();
            FileReport::failed(refusal.input.clone(), &refusal.failure)
        });
        let refused: Vec<FileReport> = refused.collect();
        reports.into_iter().flatten().chain(refused).collect()
    }

    fn run_one(&self, job: &Job) -> FileReport {
        let attempt = catch_unwind(AssertUnwindSafe(|| self.enhance(job)));
        let outcome = attempt.unwrap_or_else(|_| {
            let message = format!("{}: internal error", job.input.name());
            Err(Failure::new(Kind::File, message).with_hint("please report it with the file"))
        });
        match outcome {
            Ok(outcome) => {
                FileReport { input: job.input.name(), output: Some(job.output.name()), outcome }
            }
            Err(failure) => FileReport::failed(job.input.name(), &failure),
        }
    }

    fn enhance(&self, job: &Job) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let name = job.input.name();
        let failure = |error| Failure::library(Kind::File, Path::new(&name), &error);
        if let Place::File(output) = &job.output {
            self.existing.check(output)?;
        }
        let input = read(&job.input, self.settings.limits.file_bytes_max)?;
        let facts = self.facts_of(&input);
        if let Place::File(output) = &job.output
            && self.existing.is_done(output, &facts)
        {
            return Ok(Outcome::Skipped);
        }
        let photo = decode(&input, &self.settings.limits).map_err(|error| failure(error.into()))?;
        drop(input);
        let (photo, report) = {
            // A panic in another file's network leaves this one as it was: it holds only weights.
            let enhancer = self.enhancer.lock().unwrap_or_else(PoisonError::into_inner);
            enhancer.enhance(photo, &self.settings.enhance).map_err(failure)?
        };
        let format = job.format.unwrap_or_else(|| tapetum::writable(photo.format));
        let enhanced =
            Enhanced::encode(&photo, report, format, &self.settings.encode).map_err(failure)?;
        let done =
            Done::new(&enhanced, self.settings.enhance.strength, start.elapsed().as_secs_f64());
        match &job.output {
            Place::Pipe => write_to_pipe(&enhanced.bytes)?,
            Place::File(output) => self.existing.save(output, &enhanced.bytes, &facts)?,
        }
        Ok(Outcome::Done(done))
    }

    fn facts_of(&self, input: &[u8]) -> Facts {
        let [settings_sha256, weights_sha256] = self.facts.clone();
        Facts { input_sha256: sha256(input), settings_sha256, weights_sha256 }
    }

    fn finish(
        &self,
        plan: &Plan,
        reports: &[FileReport],
        json: bool,
        verbosity: Verbosity,
    ) -> Result<ExitCode, Failure> {
        let count = |is: fn(&Outcome) -> bool| reports.iter().filter(|r| is(&r.outcome)).count();
        let summary = Summary {
            version: env!("CARGO_PKG_VERSION"),
            method: self.method_name,
            weights: self.weights_name.as_deref(),
            weights_sha256: self.weights_name.as_ref().map(|_| self.facts[1].as_str()),
            n_done: count(|outcome| matches!(outcome, Outcome::Done(_))),
            n_skipped: count(|outcome| matches!(outcome, Outcome::Skipped)),
            n_failed: count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            n_ignored: plan.n_ignored,
            files: reports,
        };
        if json {
            let text = serde_json::to_string_pretty(&summary).expect("text and numbers are JSON");
            print(format!("{text}\n").as_bytes())?;
        }
        let is_told = reports.len() + plan.n_ignored == 1 && summary.n_skipped == 0;
        if verbosity > Verbosity::Quiet && !is_told {
            let Summary { n_done, n_skipped, n_failed, n_ignored, .. } = summary;
            tell(format_args!(
                "{n_done} done, {n_skipped} unchanged, {n_failed} failed, {n_ignored} other files"
            ));
        }
        Ok(if summary.n_failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The weights that were asked for, or those of the method, or the method alone where it has none.
fn load_model(arguments: &EnhanceArguments) -> Result<Model, Failure> {
    let method = arguments.method.as_deref();
    let card = match method {
        None => methods()[0],
        Some(name) => model_store::find_card(name)?,
    };
    match (card.default_weights, &arguments.weights) {
        (Some(default), weights) => {
            model_store::load(weights.as_deref().unwrap_or(Path::new(default)), method)
        }
        (None, None) => Model::default_of(card)
            .map_err(|error| Failure::library(Kind::Usage, Path::new(card.name), &error)),
        (None, Some(_)) => {
            let message = format!("the method {} has no weights", card.name);
            Err(Failure::new(Kind::Usage, message).with_hint("leave --weights out"))
        }
    }
}

/// Everything that decides the bytes of an output beside the input and the weights.
fn settings_hash(arguments: &EnhanceArguments, method: &MethodCard) -> String {
    let strength = match arguments.strength {
        Strength::Auto => "auto".to_owned(),
        Strength::Fixed(share) => share.to_bits().to_string(),
    };
    let format = arguments.format.map_or("own", tapetum::Format::name);
    let version = env!("CARGO_PKG_VERSION");
    let EnhanceArguments { quality, precision, fast, .. } = arguments;
    let tiles = tiles_setting(arguments, method.tiling);
    let method = method.name;
    let settings =
        format!("{version} {method} {strength} {format} {quality} {precision:?} {fast}{tiles}");
    sha256(settings.as_bytes())
}

/// What decides about tiles, where tiles decide about the result.
fn tiles_setting(arguments: &EnhanceArguments, tiling: Tiling) -> String {
    match tiling {
        Tiling::Approximate { .. } => format!(" {:?} {}", arguments.tiles, arguments.memory),
        Tiling::Exact { .. } | Tiling::WholeImageOnly => String::new(),
    }
}

fn read(place: &Place, n_bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match place {
        Place::Pipe => io::stdin().lock().take(n_bytes_max + 1).read_to_end(&mut bytes),
        Place::File(path) => {
            File::open(path).and_then(|file| file.take(n_bytes_max + 1).read_to_end(&mut bytes))
        }
    };
    let name = place.name();
    read.map_err(|error| Failure::io(Kind::File, Path::new(&name), &error))?;
    Ok(bytes)
}

fn write_to_pipe(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.map_err(|error| Failure::io(Kind::File, Path::new("standard output"), &error))
}

fn progress_bar(n_files: usize, verbosity: Verbosity) -> ProgressBar {
    if n_files < 2 || verbosity == Verbosity::Quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {eta} left");
    ProgressBar::new(n_files as u64).with_style(style.expect("the template is valid"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn hash(tiling: Tiling, more: [&str; 2]) -> String {
        let all = ["tapetum", "enhance", "a.png"].into_iter().chain(more);
        let Command::Enhance(arguments) = Arguments::parse_from(all).command else {
            panic!("enhance was asked for")
        };
        settings_hash(&arguments, &MethodCard { tiling, ..methods()[0].clone() })
    }

    #[test]
    fn memory_and_tiles_outdate_a_result_only_where_they_change_it() {
        for (tiling, is_changed) in [
            (Tiling::Exact { receptive_field_px: 7 }, false),
            (Tiling::WholeImageOnly, false),
            (Tiling::Approximate { overlap_px: 64 }, true),
        ] {
            let default = hash(tiling, ["--memory", "1G"]);
            for more in [["--memory", "2G"], ["--tiles", "whole"]] {
                assert_eq!(hash(tiling, more) != default, is_changed, "{tiling:?} {more:?}");
            }
            assert_eq!(hash(tiling, ["--tiles", "auto"]), default);
        }
    }
}
