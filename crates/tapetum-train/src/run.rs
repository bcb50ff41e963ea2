//! The loop: batches to the recipe, journal, validation, checkpoints.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use tapetum_nn::{
    Weights,
    ops::with_precision,
    prelude::Device,
    recipe::{Recipe, RecipeError, TermValue},
    weights::to_safetensors,
};

use crate::{
    checkpoint,
    config::Plan,
    data::{Data, Loaded, Span, load_ahead},
    error::TrainError,
    event::{Event, SampleFile},
    journal::Journal,
    validate::{Score, Sets},
};

/// Where a run happens and who watches it.
pub struct Session<'a> {
    /// What the recipe's folders are relative to.
    pub data: &'a Path,
    /// Holds everything that the run leaves; an unfinished run there is continued.
    pub run: &'a Path,
    /// The whole recipe as text, with every default. A run goes on only with the same.
    pub recipe: &'a str,
    /// What the header of all weights says beside the hashes of data and content.
    pub header: &'a [(String, String)],
    /// Ends the run after the step under way, with a checkpoint, once it is set.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub watch: &'a mut dyn FnMut(&Event),
}

/// What a run gives.
#[derive(Debug)]
pub struct Outcome {
    /// The weights after the last step, with their header.
    pub weights: Weights,
    /// Their validation; empty where the run was stopped.
    pub scores: Vec<Score>,
    /// Steps that were made, in all processes.
    pub n_done: usize,
    /// Whether those are all.
    pub is_complete: bool,
    /// Time that it took, in all processes.
    pub elapsed: Duration,
}

/// A run under way.
struct Run<'a, 'b> {
    plan: &'a Plan,
    session: &'a mut Session<'b>,
    device: Device,
    sets: Sets,
    journal: Journal,
    data_sha256: String,
    best: f64,
    start: Instant,
}

/// Trains `recipe` as planned.
///
/// # Errors
/// The plan or the data make no sense, the folder holds another run, the loss becomes non-finite, or a file
/// cannot be read or written.
pub fn run(
    recipe: &mut dyn Recipe,
    plan: &Plan,
    session: &mut Session,
) -> Result<Outcome, TrainError> {
    plan.check()?;
    let device = plan.run.training_device()?;
    let sets = Sets::open(&plan.validation, session.data, device.clone().inner())?;
    sets.expect_for(&recipe.trained())?;
    let data = Data::open(recipe.needs(), &plan.data, &plan.run, session.data)?;
    let data_sha256 = data.fingerprint(session.data)?;
    settle(session.run, session.recipe, &data_sha256)?;
    let first = resume(recipe, session.run)?;
    let journal = Journal::open(session.run, first)?;
    let n_photographs = data.n_photographs();
    let n_steps = plan.run.n_steps;
    (session.watch)(&Event::Started { n_done: first, n_steps, n_photographs: &n_photographs });
    let best = journal.best()?;
    let start = Instant::now();
    let mut run = Run { plan, session, device, sets, journal, data_sha256, best, start };
    let n_batches = plan.run.n_accumulated as u64;
    let span = Span {
        first: first as u64 * n_batches,
        end: n_steps as u64 * n_batches,
        n_workers: plan.run.n_workers,
    };
    let ended = load_ahead(&data, span, |next| run.steps(recipe, first, next));
    let (n_done, scores) = ended?;
    let elapsed = run.journal.time(run.start.elapsed())?;
    let weights = run.weights(recipe);
    let is_complete = n_done == n_steps;
    Ok(Outcome { weights, scores, n_done, is_complete, elapsed })
}

impl Run<'_, '_> {
    fn steps(
        &mut self,
        recipe: &mut dyn Recipe,
        first: usize,
        next: &mut dyn FnMut() -> Result<Loaded, TrainError>,
    ) -> Result<(usize, Vec<Score>), TrainError> {
        let config = &self.plan.run;
        let mut scores = Vec::new();
        for step in first..config.n_steps {
            let n_done = step + 1;
            let terms = self.step(recipe, step, next)?;
            if n_done % config.journal_every == 0 {
                self.journal.terms(n_done, &terms)?;
            }
            let is_last = n_done == config.n_steps;
            let every = self.plan.validation.every;
            if is_last || (every > 0 && n_done % every == 0) {
                scores = self.validate(recipe, n_done)?;
            }
            let is_stopped = self.session.stop.load(Ordering::Relaxed) && !is_last;
            if is_last || is_stopped || n_done % config.checkpoint_every == 0 {
                self.save(recipe, n_done)?;
            }
            if is_stopped {
                (self.session.watch)(&Event::Interrupted { n_done });
                return Ok((n_done, Vec::new()));
            }
        }
        Ok((config.n_steps, scores))
    }

    fn step(
        &mut self,
        recipe: &mut dyn Recipe,
        step: usize,
        next: &mut dyn FnMut() -> Result<Loaded, TrainError>,
    ) -> Result<Vec<TermValue>, TrainError> {
        let (mut batches, mut photographs) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.run.n_accumulated {
            // A file that cannot be read any more costs no step that was made.
            let mut loaded = match next() {
                Ok(loaded) => loaded,
                Err(error) => return self.save(recipe, step).and(Err(error)),
            };
            photographs.append(&mut loaded.photographs);
            batches.push(loaded.into_batch(&self.device));
        }
        let n_photographs = photographs.len();
        let terms = with_precision(self.plan.run.precision.into(), || recipe.step(batches));
        let n_done = step + 1;
        let terms = match terms {
            Ok(terms) => terms,
            Err(RecipeError::NonFinite { term, value }) => {
                self.save(recipe, step)?;
                return Err(TrainError::NonFinite { step: n_done, term, value, photographs });
            }
            Err(source) => return Err(TrainError::Step { step: n_done, source }),
        };
        let elapsed = self.start.elapsed();
        (self.session.watch)(&Event::Step { n_done, terms: &terms, n_photographs, elapsed });
        if let Some(message) = recipe.warning() {
            (self.session.watch)(&Event::Warned { n_done, message: &message });
        }
        Ok(terms)
    }

    fn validate(&mut self, recipe: &dyn Recipe, n_done: usize) -> Result<Vec<Score>, TrainError> {
        let (scores, samples) = self.sets.validate(&recipe.trained(), n_done)?;
        let chosen_by = chosen_by(&scores);
        let mut files = Vec::new();
        for sample in &samples {
            let path = self.session.run.join(&sample.file);
            let folder = path.parent().unwrap_or(self.session.run);
            fs::create_dir_all(folder).map_err(|error| TrainError::io(folder, error))?;
            checkpoint::write(&path, &sample.png)?;
            files.push(SampleFile { path, psnr_db: sample.psnr_db });
        }
        self.journal.validation(n_done, &scores, chosen_by, &samples)?;
        (self.session.watch)(&Event::Validated { n_done, scores: &scores, samples: &files });
        if let Some(score) = chosen_by.filter(|score| *score > self.best) {
            self.best = score;
            let path = self.session.run.join("best.safetensors");
            let mut weights = self.weights(recipe);
            weights.header.insert("step".to_owned(), n_done.to_string());
            checkpoint::write(&path, &to_safetensors(&weights))?;
            (self.session.watch)(&Event::Best { n_done, path: &path, score });
        }
        Ok(scores)
    }

    /// The weights as they stand, with their header.
    fn weights(&self, recipe: &dyn Recipe) -> Weights {
        let mut weights = recipe.weights();
        weights.header.extend(self.session.header.iter().cloned());
        weights.header.insert("data_sha256".to_owned(), self.data_sha256.clone());
        let hash = weights.content_hash();
        weights.header.insert("content_sha256".to_owned(), hash);
        weights
    }

    fn save(&mut self, recipe: &dyn Recipe, n_done: usize) -> Result<(), TrainError> {
        let folder = checkpoints(self.session.run);
        let n_kept = self.plan.run.n_checkpoints;
        let path = checkpoint::save(&folder, n_done, &recipe.checkpoint(), n_kept)?;
        self.journal.time(self.start.elapsed())?;
        (self.session.watch)(&Event::Saved { n_done, path: &path });
        Ok(())
    }
}

/// The one number that weights are chosen by: the mean over the sets of PSNR, or of mean IoU.
fn chosen_by(scores: &[Score]) -> Option<f64> {
    let values = scores.iter().filter(|score| score.metric != "ssim").map(|score| score.value);
    let values: Vec<f64> = values.collect();
    let is_any = !values.is_empty();
    is_any.then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Makes the folder that of this run, or sees that it is.
fn settle(run: &Path, recipe: &str, data_sha256: &str) -> Result<(), TrainError> {
    fs::create_dir_all(run).map_err(|error| TrainError::io(run, error))?;
    let version = env!("CARGO_PKG_VERSION");
    let origin = json!({ "tapetum_version": version, "data_sha256": data_sha256 });
    let origin = format!("{origin}\n");
    for (name, what, content) in [
        ("recipe.toml", "recipe", recipe),
        ("origin.json", "program or other data", origin.as_str()),
    ] {
        let path = run.join(name);
        match fs::read_to_string(&path) {
            Ok(found) if found == content => {}
            Ok(found) => {
                let line = first_difference(content, &found);
                let detail = format!(
                    "expected an empty folder or a run of this recipe, found one of another {what}: {line}"
                );
                return Err(TrainError::OtherRun { run: run.to_owned(), detail });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                checkpoint::write(&path, content.as_bytes())?;
            }
            Err(error) => return Err(TrainError::io(&path, error)),
        }
    }
    Ok(())
}

/// The first lines that differ.
fn first_difference(wanted: &str, found: &str) -> String {
    let mut lines = found.lines().zip(wanted.lines()).filter(|(found, wanted)| found != wanted);
    lines.next().map_or_else(
        || "one is longer".to_owned(),
        |(found, wanted)| format!("'{found}' instead of '{wanted}'"),
    )
}

/// Restores the newest checkpoint if there is one; returns the steps that were made.
fn resume(recipe: &mut dyn Recipe, run: &Path) -> Result<usize, TrainError> {
    let Some((path, n_done, state)) = checkpoint::newest(&checkpoints(run))? else { return Ok(0) };
    let restored = recipe.restore(&state);
    restored.map_err(|error| TrainError::data(&path, error.to_string()))?;
    Ok(n_done)
}

fn checkpoints(run: &Path) -> PathBuf {
    run.join("checkpoints")
}
