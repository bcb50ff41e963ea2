//! The loop: batches to the recipe, journal, validation, checkpoints.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use serde_json::json;
use tapetum_nn::{
    Weights,
    ops::with_precision,
    recipe::{Recipe, TermValue},
};

use crate::{
    config::RunConfig,
    data::Data,
    error::TrainError,
    files,
    validate::{Score, validate},
};

/// Steps between two lines of the journal.
const JOURNAL_EVERY: usize = 10;

/// What a finished run gives.
#[derive(Debug)]
pub struct Outcome {
    /// The weights after the last step.
    pub weights: Weights,
    /// Their validation.
    pub scores: Vec<Score>,
    /// Time spent in this process.
    pub elapsed: Duration,
}

/// Trains `recipe` in the folder `run`, which holds the journal and the checkpoint afterwards. An
/// existing checkpoint is continued.
///
/// # Errors
/// Data cannot be read, the loss becomes non-finite, or the folder cannot be written.
pub fn run(
    recipe: &mut dyn Recipe,
    config: &RunConfig,
    data_root: &Path,
    run: &Path,
    device: &Device,
) -> Result<Outcome, TrainError> {
    fs::create_dir_all(run).map_err(|e| TrainError::io(run, e))?;
    let data = Data::load(&config.data, data_root, config.crop_px)?;
    let start = Instant::now();
    let first_step = resume(recipe, run)?;
    let batch_device = device.clone().autodiff();
    let mut scores = Vec::new();
    for step in first_step..config.n_steps {
        let batch = data.batch(config, step, &batch_device);
        let terms = with_precision(config.precision.into(), || recipe.step(batch))
            .map_err(|source| TrainError::Step { step, source })?;
        let n_done = step + 1;
        if n_done % JOURNAL_EVERY == 0 {
            journal_terms(run, n_done, &terms, start.elapsed())?;
        }
        if n_done % config.validate_every == 0 || n_done == config.n_steps {
            scores = validate_all(recipe, config, data_root, device)?;
            journal_scores(run, n_done, &scores)?;
        }
        if n_done % config.checkpoint_every == 0 || n_done == config.n_steps {
            save(recipe, n_done, run)?;
        }
    }
    Ok(Outcome { weights: recipe.weights(), scores, elapsed: start.elapsed() })
}

/// Restores the checkpoint of `run` if there is one; returns the next step.
fn resume(recipe: &mut dyn Recipe, run: &Path) -> Result<usize, TrainError> {
    let path = run.join("checkpoint");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(TrainError::io(&path, e)),
    };
    let (step, state) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| TrainError::data(&path, "the checkpoint is cut short"))?;
    let step = u64::from_le_bytes(*step) as usize;
    recipe.restore(state).map_err(|source| TrainError::Step { step, source })?;
    Ok(step)
}

fn save(recipe: &dyn Recipe, step: usize, run: &Path) -> Result<(), TrainError> {
    let bytes = [&(step as u64).to_le_bytes(), recipe.checkpoint().as_slice()].concat();
    files::write(&run.join("checkpoint"), &bytes)
}

fn validate_all(
    recipe: &dyn Recipe,
    config: &RunConfig,
    data_root: &Path,
    device: &Device,
) -> Result<Vec<Score>, TrainError> {
    let network = recipe.network();
    let score = |set: &std::path::PathBuf| {
        validate(&*network, &data_root.join(set), &set.display().to_string(), device)
    };
    config.validation.pairs.iter().map(score).collect()
}

fn journal_terms(
    run: &Path,
    step: usize,
    terms: &[TermValue],
    elapsed: Duration,
) -> Result<(), TrainError> {
    let terms: serde_json::Map<_, _> =
        terms.iter().map(|term| (term.name.to_owned(), json!(term.value))).collect();
    journal(run, &json!({ "step": step, "terms": terms, "seconds": elapsed.as_secs_f64() }))
}

fn journal_scores(run: &Path, step: usize, scores: &[Score]) -> Result<(), TrainError> {
    let scores: serde_json::Map<_, _> =
        scores.iter().map(|score| (score.set.clone(), json!(score.psnr_db))).collect();
    journal(run, &json!({ "step": step, "psnr_db": scores }))
}

/// Appends one line to `journal.jsonl` and shows it.
fn journal(run: &Path, line: &serde_json::Value) -> Result<(), TrainError> {
    let path = run.join("journal.jsonl");
    let append = || {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path)?;
        writeln!(file, "{line}")
    };
    append().map_err(|e| TrainError::io(&path, e))?;
    eprintln!("{line}");
    Ok(())
}
