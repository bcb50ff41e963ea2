//! Strict fitting of named tensors to a network: nothing missing, nothing left over.

use super::{TensorValues, Weights, WeightsError};

/// Most names of one kind that an error lists.
const N_NAMES_LISTED: usize = 8;

/// Hands out tensors by name and shape and remembers every mismatch, so that one error lists both
/// sides in full.
#[derive(Debug)]
pub struct WeightReader<'a> {
    weights: &'a Weights,
    taken: Vec<String>,
    missing: Vec<String>,
    misshaped: Vec<String>,
}

impl<'a> WeightReader<'a> {
    /// Starts with all tensors untaken.
    pub fn new(weights: &'a Weights) -> Self {
        Self { weights, taken: Vec::new(), missing: Vec::new(), misshaped: Vec::new() }
    }

    /// The values of `name`, which must have exactly `shape`. After a mismatch, zeros: the error
    /// comes from [`WeightReader::finish`].
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.taken.push(name.to_owned());
        match self.weights.tensors.get(name) {
            Some(TensorValues { shape: found, values }) if found == shape => return values.clone(),
            Some(TensorValues { shape: found, .. }) => {
                self.misshaped.push(format!("{name} (expected {shape:?}, found {found:?})"));
            }
            None => self.missing.push(name.to_owned()),
        }
        vec![0.0; shape.iter().product()]
    }

    /// The tensor `name`, taken as by [`WeightReader::take`] if the file has it.
    pub fn take_if_there(&mut self, name: &str, shape: &[usize]) -> Option<Vec<f32>> {
        self.weights.tensors.contains_key(name).then(|| self.take(name, shape))
    }

    /// Fails if a tensor was missing or mis-shaped, or if one was left over.
    pub fn finish(self, method: &str) -> Result<(), WeightsError> {
        let is_extra = |name: &&String| !self.taken.contains(*name);
        let extra: Vec<_> = self.weights.tensors.keys().filter(is_extra).cloned().collect();
        let parts =
            [("missing", self.missing), ("unexpected", extra), ("wrong shape", self.misshaped)];
        let found: Vec<_> = parts.iter().filter(|(_, names)| !names.is_empty()).collect();
        if found.is_empty() {
            return Ok(());
        }
        let detail = found.iter().map(|(kind, names)| format!("{kind}: {}", list(names)));
        Err(WeightsError::Mismatch {
            method: method.to_owned(),
            detail: detail.collect::<Vec<_>>().join("; "),
        })
    }
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(N_NAMES_LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(N_NAMES_LISTED) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}
