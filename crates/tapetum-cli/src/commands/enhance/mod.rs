//! `tapetum enhance`: photographs in, bright photographs out.

mod load;
mod settings;

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
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
    Draws, EncodeOptions, EnhanceOptions, Enhanced, Enhancer, Error, Format, Limits, Model, Photo,
    Quality, Settings, decode, encode,
};

use self::{
    load::{load_enhancer, load_model, load_second},
    settings::{Networks, settings_hash, settings_text},
};
use super::generate::print;
use crate::{
    args::{EnhanceArguments, Verbosity},
    existing::{Existing, Wishes},
    failure::{Failure, Kind},
    manifest::{Facts, sha256},
    output,
    plan::{Further, Job, Place, Plan, PlanOptions, Product, plan},
    report::{Done, FileReport, Files, Outcome, Summary, tell},
};

pub(crate) fn run(arguments: &EnhanceArguments, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let model = load_model(arguments)?;
    let second = load_second(arguments)?;
    let enhancer = load_enhancer(&model, second.as_ref(), arguments, verbosity)?;
    let plan = plan(PlanOptions {
        inputs: &arguments.inputs,
        output: arguments.output.as_deref(),
        format: arguments.format,
        further: arguments.draws.further(),
    })?;
    check_pipes(&plan, arguments)?;
    let networks = Networks::of(&enhancer, second.as_ref());
    let settings_text = settings_text(arguments, &networks);
    let models = Models { first: model, second };
    let session = Session::new(arguments, &plan, models, enhancer, settings_text)?;
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
    if to_pipe && arguments.draws.further().is_some() {
        return Err(Failure::new(
            Kind::Usage,
            "standard output holds one photograph, and no variations",
        )
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

/// What was loaded.
struct Models {
    first: Model,
    second: Option<Model>,
}

/// Everything that all files share.
struct Session {
    enhancer: Enhancer,
    /// One photograph is in the network at a time, which uses all cores; loading and saving of
    /// others go on meanwhile.
    turn: Mutex<()>,
    settings: Settings,
    settings_text: String,
    weights_sha256: String,
    /// `None` for a method without weights.
    weights_name: Option<String>,
    method_name: &'static str,
    /// Name and hash of the second network's weights.
    second: Option<(String, String)>,
    further: Option<Further>,
    existing: Existing,
}

impl Session {
    fn new(
        arguments: &EnhanceArguments,
        plan: &Plan,
        models: Models,
        enhancer: Enhancer,
        settings_text: String,
    ) -> Result<Self, Failure> {
        let Models { first: model, second } = models;
        let wishes = Wishes { overwrite: arguments.overwrite, resume: arguments.resume };
        let existing = Existing::open(plan.folder.as_deref(), wishes)?;
        let limits = Limits {
            n_pixels_max: u64::from(arguments.max_megapixels) * 1_000_000,
            ..Limits::default()
        };
        let settings = Settings {
            enhance: EnhanceOptions {
                strength: arguments.strength,
                memory_bytes_max: arguments.memory,
                precision: arguments.precision.into(),
                quality: if arguments.fast { Quality::Fast } else { Quality::Exact },
                tiling: arguments.tiles.into(),
                limits,
            },
            limits,
            format: arguments.format,
            encode: EncodeOptions { quality: arguments.quality },
        };
        Ok(Self {
            settings_text,
            second: second.map(|second| (second.name, second.weights.content_hash())),
            weights_sha256: model.weights.content_hash(),
            weights_name: model.method.default_weights.map(|_| model.name),
            method_name: model.method.name,
            further: arguments.draws.further(),
            enhancer,
            turn: Mutex::new(()),
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
                FileReport { input: job.input.name(), files: Some(Files::of(job)), outcome }
            }
            Err(failure) => FileReport::failed(job.input.name(), &failure),
        }
    }

    fn enhance(&self, job: &Job) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let failure = |error| failure_of(job, &error);
        let files = job.files();
        for (_, path) in &files {
            self.existing.check(path)?;
        }
        let input = read(&job.input, self.settings.limits.file_bytes_max)?;
        let input_sha256 = sha256(&input);
        if self.are_done(&files, &input_sha256) {
            return Ok(Outcome::Skipped);
        }
        let photo = decode(&input, &self.settings.limits).map_err(|error| failure(error.into()))?;
        drop(input);
        let format = job.format.unwrap_or_else(|| tapetum::writable(photo.format));
        // The result comes last: where it is, all that belongs to it is.
        if let Some(further) = job.further {
            self.draw(job, further.draws, &photo, format, &input_sha256)?;
        }
        let enhanced = self.in_turn(|| self.enhancer.enhance(photo, &self.settings.enhance));
        let (photo, report) = enhanced.map_err(failure)?;
        let enhanced =
            Enhanced::encode(&photo, report, format, &self.settings.encode).map_err(failure)?;
        let done =
            Done::new(&enhanced, self.settings.enhance.strength, start.elapsed().as_secs_f64());
        match &job.output {
            Place::Pipe => write_to_pipe(&enhanced.bytes)?,
            Place::File(output) => {
                let facts = self.facts(Product::Result, &input_sha256);
                self.existing.save(output, &enhanced.bytes, &facts)?;
            }
        }
        Ok(Outcome::Done(done))
    }

    fn are_done(&self, files: &[(Product, PathBuf)], input_sha256: &str) -> bool {
        let is_done = |(product, path): &(Product, PathBuf)| {
            self.existing.is_done(path, &self.facts(*product, input_sha256))
        };
        !files.is_empty() && files.iter().all(is_done)
    }

    /// Writes what lies beside the result, each file as soon as it is drawn.
    fn draw(
        &self,
        job: &Job,
        draws: Draws,
        photo: &Photo,
        format: Format,
        input_sha256: &str,
    ) -> Result<(), Failure> {
        let failure = |error| failure_of(job, &error);
        let variations = self.enhancer.variations(photo, &self.settings.enhance, draws);
        let mut variations = variations.map_err(failure)?;
        for (product, path) in job.files() {
            let (photo, format) = match product {
                Product::Result => continue,
                Product::Variation { .. } => {
                    let drawn = self.in_turn(|| variations.next());
                    let drawn = drawn.expect("there are as many as files of them");
                    (drawn.map_err(failure)?.0, format)
                }
                Product::Uncertainty(_) => {
                    (self.in_turn(|| variations.uncertainty()).map_err(failure)?, Format::Png)
                }
            };
            let bytes = encode(&photo, format, &self.settings.encode);
            let bytes = bytes.map_err(|error| failure(error.into()))?;
            self.existing.save(&path, &bytes, &self.facts(product, input_sha256))?;
        }
        Ok(())
    }

    /// Waits until the network is free.
    fn in_turn<T>(&self, work: impl FnOnce() -> T) -> T {
        // A panic in another file's network leaves this one as it was: it holds only weights.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    fn facts(&self, product: Product, input_sha256: &str) -> Facts {
        Facts {
            input_sha256: input_sha256.to_owned(),
            settings_sha256: settings_hash(&self.settings_text, product),
            weights_sha256: self.weights_sha256.clone(),
        }
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
            weights_sha256: self.weights_name.as_ref().map(|_| self.weights_sha256.as_str()),
            scale: self.enhancer.scale(),
            then: self.second.as_ref().map(|(name, _)| name.as_str()),
            then_sha256: self.second.as_ref().map(|(_, hash)| hash.as_str()),
            n_samples: self.further.map(|further| further.draws.n_samples),
            seed: self.further.map(|further| further.draws.seed),
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

fn failure_of(job: &Job, error: &Error) -> Failure {
    Failure::library(Kind::File, Path::new(&job.input.name()), error)
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

    #[test]
    fn standard_output_takes_no_variations() {
        let job = Job { input: Place::Pipe, output: Place::Pipe, format: None, further: None };
        let plan = Plan { jobs: vec![job], ..Plan::default() };
        for more in ["--samples=4", "--uncertainty"] {
            let parsed = Arguments::parse_from(["tapetum", "enhance", "-", more]);
            let Command::Enhance(arguments) = parsed.command else { panic!("not enhance") };
            let failure = check_pipes(&plan, &arguments).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            assert!(failure.message.contains("no variations"), "{}", failure.message);
            assert!(check_pipes(&Plan::default(), &arguments).is_ok());
        }
    }
}
