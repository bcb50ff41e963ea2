//! The parameters of NIQE: what good photographs look like.

use std::io::{Cursor, Read};

use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use crate::{MetricError, npy::read_npy};

/// 18 features at each of two scales.
pub(crate) const N_FEATURES: usize = 36;
const METRIC: &str = "niqe parameters";
/// A model is about 10 kB as arrays and 30 kB as text.
const BYTES_MAX: usize = 1 << 20;

/// Mean and covariance of 36 features over the blocks of good photographs.
#[derive(Debug, Clone, PartialEq)]
pub struct NiqeModel {
    mean: Vec<f64>,
    covariance: Vec<f64>,
    provenance: Provenance,
}

/// Where parameters come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// What the model is called in tables.
    pub name: String,
    /// The photographs that it describes.
    pub data: String,
    /// The commit of the code that fitted it; empty when unknown.
    pub commit: String,
}

/// The file, field by field.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    provenance: Provenance,
    mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
}

impl NiqeModel {
    /// From 36 means and 36 x 36 covariances, row by row.
    ///
    /// # Errors
    /// When there are more or fewer, one is not finite, or the covariance is not symmetric.
    pub fn new(
        mean: Vec<f64>,
        covariance: Vec<f64>,
        provenance: Provenance,
    ) -> Result<Self, MetricError> {
        if (mean.len(), covariance.len()) != (N_FEATURES, N_FEATURES * N_FEATURES) {
            let (means, covariances) = (mean.len(), covariance.len());
            return bad(format!(
                "expected 36 means and 1296 covariances, got {means} and {covariances}"
            ));
        }
        if !mean.iter().chain(&covariance).all(|value| value.is_finite()) {
            return bad("expected finite numbers, got one that is not".into());
        }
        if !is_symmetric(&covariance) {
            return bad("expected a symmetric covariance, got one that is not".into());
        }
        Ok(Self { mean, covariance, provenance })
    }

    /// From an uncompressed `.npz` with the arrays `mu_pris_param` and `cov_pris_param`, as BasicSR has
    /// it; other arrays are left alone.
    ///
    /// # Errors
    /// When the bytes are more than 1 MiB or do not hold the two arrays.
    pub fn from_npz(bytes: &[u8], provenance: Provenance) -> Result<Self, MetricError> {
        check_size(bytes.len())?;
        let mut archive =
            ZipArchive::new(Cursor::new(bytes)).or_else(|error| bad(error.to_string()))?;
        let mut array = |name: &str| {
            let entry = archive.by_name(name);
            let entry = entry.or_else(|error| bad(format!("expected {name} inside: {error}")))?;
            let mut content = Vec::new();
            let read = entry.take(BYTES_MAX as u64).read_to_end(&mut content);
            read.or_else(|error| bad(format!("{name}: {error}")))?;
            read_npy(&content).or_else(|detail| bad(format!("{name}: {detail}")))
        };
        let mean = array("mu_pris_param.npy")?;
        let covariance = array("cov_pris_param.npy")?;
        // Symmetric, so that Fortran order needs no care.
        Self::new(mean, covariance, provenance)
    }

    /// From what [`NiqeModel::to_json`] wrote.
    ///
    /// # Errors
    /// When the bytes are more than 1 MiB or hold something else.
    pub fn from_json(bytes: &[u8]) -> Result<Self, MetricError> {
        check_size(bytes.len())?;
        let file: ModelFile =
            serde_json::from_slice(bytes).or_else(|error| bad(error.to_string()))?;
        Self::new(file.mean, file.covariance.concat(), file.provenance)
    }

    /// JSON with `provenance`, `mean` and `covariance`; numbers read back exactly.
    pub fn to_json(&self) -> String {
        let file = ModelFile {
            provenance: self.provenance.clone(),
            mean: self.mean.clone(),
            covariance: self.covariance.chunks(N_FEATURES).map(<[f64]>::to_vec).collect(),
        };
        serde_json::to_string(&file).expect("strings and finite numbers are JSON")
    }

    /// 36 means.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// 36 x 36 covariances, row by row.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// Where it comes from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

fn is_symmetric(covariance: &[f64]) -> bool {
    let largest = covariance.iter().fold(0.0, |max: f64, value| max.max(value.abs()));
    let pairs = (0..N_FEATURES).flat_map(|row| (0..row).map(move |column| (row, column)));
    let at = |row: usize, column: usize| covariance[row * N_FEATURES + column];
    pairs
        .into_iter()
        .all(|(row, column)| (at(row, column) - at(column, row)).abs() <= 1e-9 * largest)
}

fn check_size(n_bytes: usize) -> Result<(), MetricError> {
    if n_bytes > BYTES_MAX {
        return bad(format!("expected at most {BYTES_MAX} bytes, got {n_bytes}"));
    }
    Ok(())
}

fn bad<T>(detail: String) -> Result<T, MetricError> {
    Err(MetricError::Parameters { metric: METRIC, detail })
}
