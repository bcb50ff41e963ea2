//! What a run leaves to read: `journal.jsonl`, the same as event files for TensorBoard, and the time it took.
//!
//! The journal holds no time, so that two runs of one recipe on one machine write the same bytes. A line is
//! either `{"step", "terms": {name: value}}` or `{"step", "scores": {set: {metric: value}}, "samples": [{file,
//! psnr_db}]}`.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tapetum_nn::recipe::TermValue;

use crate::{
    checkpoint,
    error::TrainError,
    event_file::EventFile,
    validate::{Sample, Score},
};

const JOURNAL: &str = "journal.jsonl";
const TIMING: &str = "timing.json";

/// The journal of one run, open for its next lines.
pub(crate) struct Journal {
    folder: PathBuf,
    events: EventFile,
    /// Seconds that earlier processes took.
    seconds_before: f64,
}

impl Journal {
    /// Goes on after `n_done` steps: what was written later is dropped, as it will be written again.
    pub(crate) fn open(folder: &Path, n_done: usize) -> Result<Self, TrainError> {
        let path = folder.join(JOURNAL);
        let kept = lines(&path)?.into_iter();
        let kept: String = kept
            .filter(|(_, line)| line["step"].as_u64().is_some_and(|step| step <= n_done as u64))
            .map(|(text, _)| text + "\n")
            .collect();
        checkpoint::write(&path, kept.as_bytes())?;
        let events = EventFile::create(folder, now_s(), "tapetum", n_done)
            .map_err(|error| TrainError::io(folder, error))?;
        let timing = fs::read(folder.join(TIMING)).unwrap_or_default();
        let timing: Value = serde_json::from_slice(&timing).unwrap_or_default();
        let seconds_before =
            if n_done > 0 { timing["seconds"].as_f64().unwrap_or_default() } else { 0.0 };
        Ok(Self { folder: folder.to_owned(), events, seconds_before })
    }

    /// The best score that weights were chosen by so far; minus infinity before the first.
    pub(crate) fn best(&self) -> Result<f64, TrainError> {
        let lines = lines(&self.folder.join(JOURNAL))?;
        let scores = lines.iter().filter_map(|(_, line)| line["chosen_by"].as_f64());
        Ok(scores.fold(f64::NEG_INFINITY, f64::max))
    }

    pub(crate) fn terms(&mut self, n_done: usize, terms: &[TermValue]) -> Result<(), TrainError> {
        let values: serde_json::Map<String, Value> =
            terms.iter().map(|term| (term.name.to_owned(), json!(term.value))).collect();
        self.line(&json!({ "step": n_done, "terms": values }))?;
        let tags: Vec<String> = terms.iter().map(|term| format!("terms/{}", term.name)).collect();
        let values = tags.iter().zip(terms).map(|(tag, term)| (tag.as_str(), term.value as f32));
        let written = self.events.scalars(n_done, now_s(), &values.collect::<Vec<_>>());
        self.flushed(written)
    }

    pub(crate) fn validation(
        &mut self,
        n_done: usize,
        scores: &[Score],
        chosen_by: Option<f64>,
        samples: &[Sample],
    ) -> Result<(), TrainError> {
        let mut sets = serde_json::Map::new();
        for score in scores {
            sets.entry(&score.set).or_insert(json!({}))[score.metric] = json!(score.value);
        }
        let pictures: Vec<Value> = samples
            .iter()
            .map(|sample| match sample.psnr_db {
                Some(psnr_db) => json!({ "file": sample.file, "psnr_db": psnr_db }),
                None => json!({ "file": sample.file }),
            })
            .collect();
        let mut line = json!({ "step": n_done, "scores": sets, "samples": pictures });
        if let Some(chosen_by) = chosen_by {
            line["chosen_by"] = json!(chosen_by);
        }
        self.line(&line)?;
        let tags: Vec<String> =
            scores.iter().map(|score| format!("{}/{}", score.metric, score.set)).collect();
        let values = tags.iter().zip(scores).map(|(tag, score)| (tag.as_str(), score.value as f32));
        let mut written = self.events.scalars(n_done, now_s(), &values.collect::<Vec<_>>());
        for sample in samples {
            let (tag, size) = (format!("samples/{}", sample.name), sample.size);
            written =
                written.and_then(|()| self.events.image(n_done, now_s(), &tag, &sample.png, size));
        }
        self.flushed(written)
    }

    /// Notes how long the run has taken, this process's part being `elapsed`; gives the sum.
    pub(crate) fn time(&self, elapsed: Duration) -> Result<Duration, TrainError> {
        let seconds = self.seconds_before + elapsed.as_secs_f64();
        let timing = json!({ "seconds": seconds });
        checkpoint::write(&self.folder.join(TIMING), format!("{timing}\n").as_bytes())?;
        Ok(Duration::from_secs_f64(seconds))
    }

    fn line(&self, line: &Value) -> Result<(), TrainError> {
        let path = self.folder.join(JOURNAL);
        let append = || writeln!(OpenOptions::new().append(true).open(&path)?, "{line}");
        append().map_err(|error| TrainError::io(&path, error))
    }

    fn flushed(&mut self, written: std::io::Result<()>) -> Result<(), TrainError> {
        let written = written.and_then(|()| self.events.flush());
        written.map_err(|error| TrainError::io(&self.folder, error))
    }
}

/// The lines of a journal as they stand and as values; a last one that a kill cut short is left out.
fn lines(path: &Path) -> Result<Vec<(String, Value)>, TrainError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TrainError::io(path, error)),
    };
    let parsed = |line: &str| Some((line.to_owned(), serde_json::from_str(line).ok()?));
    Ok(text.lines().filter_map(parsed).collect())
}

fn now_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
