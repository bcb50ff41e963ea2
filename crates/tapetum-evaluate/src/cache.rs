//! Finished scores on disk, so that an evaluation that was cut off goes on where it stopped.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tapetum_metrics::ConfusionMatrix;

use crate::{error::EvaluateError, report::scores, score::Found};

/// Largest file that is read back.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// A file of JSON lines, one an image and contestant, each under the hash of everything that decides it.
pub struct Cache {
    path: PathBuf,
    file: Mutex<File>,
    known: HashMap<String, Found>,
}

/// One line. Counts are sparse: most pairs of classes never meet.
#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(with = "scores")]
    scores: Vec<Option<f64>>,
    notes: Vec<String>,
    mean_luma: [f64; 2],
    n_classes: usize,
    confusion: Vec<(usize, u64)>,
    features: Option<Vec<f64>>,
}

impl Cache {
    /// Opens the file: empty, or with what an earlier run left where `is_resumed`. A line that a kill cut
    /// short is passed over.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, is_resumed: bool) -> Result<Self, EvaluateError> {
        let failure = |source| EvaluateError::Io { path: path.to_owned(), source };
        let mut known = HashMap::new();
        let is_readable = path.metadata().is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
        if is_resumed && is_readable {
            let text = String::from_utf8_lossy(&fs::read(path).map_err(failure)?).into_owned();
            known = text.lines().filter_map(found).collect();
        }
        // Written again whole, so that a line cut short does not spoil the next.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(failure)?;
        for (key, found) in &known {
            file.write_all(line(key, found).as_bytes()).map_err(failure)?;
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), known })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Found> {
        self.known.get(key)
    }

    pub(crate) fn add(&self, key: &str, found: &Found) -> Result<(), EvaluateError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(line(key, found).as_bytes()).and_then(|()| file.flush());
        written.map_err(|source| EvaluateError::Io { path: self.path.clone(), source })
    }
}

fn line(key: &str, found: &Found) -> String {
    let counts = found.confusion.as_ref().map_or(&[][..], ConfusionMatrix::counts);
    let counts = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0);
    let line = Line {
        key: key.to_owned(),
        scores: found.scores.clone(),
        notes: found.notes.clone(),
        mean_luma: found.mean_luma,
        n_classes: found.confusion.as_ref().map_or(0, ConfusionMatrix::n_classes),
        confusion: counts.collect(),
        features: found.features.clone(),
    };
    serde_json::to_string(&line).expect("text and numbers are JSON") + "\n"
}

fn found(line: &str) -> Option<(String, Found)> {
    let line: Line = serde_json::from_str(line).ok()?;
    let confusion = match line.n_classes {
        0 => None,
        n_classes @ 1..=255 => {
            let mut counts = vec![0; n_classes * n_classes];
            for (idx, count) in line.confusion {
                *counts.get_mut(idx)? = count;
            }
            Some(ConfusionMatrix::from_counts(n_classes, counts))
        }
        _ => return None,
    };
    let Line { key, scores, notes, mean_luma, features, .. } = line;
    Some((key, Found { scores, notes, confusion, features, mean_luma }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_come_back_exactly_and_a_line_cut_short_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        let found = Found {
            scores: vec![Some(0.1 + 0.2), None, Some(f64::INFINITY)],
            notes: vec!["a \"note\"".to_owned()],
            confusion: Some(ConfusionMatrix::from_counts(2, vec![3, 0, 1, 2])),
            features: Some(vec![1.0 / 7.0]),
            mean_luma: [1.0 / 3.0, 2.0],
        };
        Cache::open(&path, false).unwrap().add("first", &found).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", &whole.replace("first", "second")[..60])).unwrap();

        let resumed = Cache::open(&path, true).unwrap();
        assert_eq!(resumed.get("first"), Some(&found));
        assert_eq!(resumed.get("second"), None);
        resumed.add("third", &found).unwrap();
        let resumed = Cache::open(&path, true).unwrap();
        assert!(resumed.get("first").is_some() && resumed.get("third").is_some());
        assert!(Cache::open(&path, false).unwrap().get("first").is_none());
    }
}
