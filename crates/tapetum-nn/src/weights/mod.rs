//! Weights on disk and in memory: named tensors with a provenance header, read strictly.

mod error;
mod reader;
mod safetensors;
pub mod torch;

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use sha2::{Digest, Sha256};

pub use self::{
    error::WeightsError,
    reader::WeightReader,
    safetensors::{from_safetensors, to_safetensors},
};

/// Largest weight file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

/// Magnitude below which a value is stored as zero: far below any effect on an output, and
/// denormal arithmetic slows a CPU down forty times.
pub const SMALLEST_MAGNITUDE: f32 = 1e-20;

/// The values of one tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorValues {
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.product()` values.
    pub values: Vec<f32>,
}

impl TensorValues {
    /// Copies a tensor out of the engine.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32");
        Self { shape, values }
    }
}

/// Named tensors and the header that says where they come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// Tensors by name.
    pub tensors: BTreeMap<String, TensorValues>,
    /// Provenance: `method`, `name`, `licence`, `data`, `recipe`, `seed`, `commit`, …
    pub header: BTreeMap<String, String>,
}

impl Weights {
    /// Reads a weight file of any known format, decided by content: safetensors, or a PyTorch
    /// checkpoint (zip or legacy) through the restricted reader. Denormal-small values are flushed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        Ok(Self::from_dict(bytes, None)?.0)
    }

    /// The same, of the dict of tensors called `wanted` where a checkpoint has several; with the name of the one that
    /// was read, if it has one.
    ///
    /// # Errors
    /// Also when no dict of tensors in the file is called so; the error lists those that are there.
    pub fn from_dict(
        bytes: &[u8],
        wanted: Option<&str>,
    ) -> Result<(Self, Option<String>), WeightsError> {
        let found = bytes.len() as u64;
        if found > FILE_BYTES_MAX {
            let name = "file size in bytes";
            return Err(WeightsError::Limit { name, limit: FILE_BYTES_MAX, found });
        }
        let (mut weights, name) = match wanted {
            _ if torch::is_checkpoint(bytes) => torch::from_checkpoint(bytes, wanted)?,
            None => (from_safetensors(bytes)?, None),
            Some(wanted) => return Err(torch::no_dicts(wanted)),
        };
        weights.flush_denormals();
        Ok((weights, name))
    }

    /// Adds a tensor; a name is used once.
    pub fn insert(&mut self, name: String, values: TensorValues) {
        let previous = self.tensors.insert(name, values);
        assert!(previous.is_none(), "a tensor name is written once");
    }

    /// Number of values in all tensors.
    pub fn n_values(&self) -> usize {
        self.tensors.values().map(|tensor| tensor.values.len()).sum()
    }

    /// Sets values of magnitude below [`SMALLEST_MAGNITUDE`] to zero; returns how many were.
    pub fn flush_denormals(&mut self) -> usize {
        let values = self.tensors.values_mut().flat_map(|tensor| &mut tensor.values);
        let mut n_flushed = 0;
        for value in values.filter(|v| **v != 0.0 && v.abs() < SMALLEST_MAGNITUDE) {
            *value = 0.0;
            n_flushed += 1;
        }
        n_flushed
    }

    /// Names of the tensors that hold a NaN or an infinity.
    pub fn non_finite(&self) -> Vec<&str> {
        let is_broken = |tensor: &TensorValues| tensor.values.iter().any(|v| !v.is_finite());
        self.tensors.iter().filter(|(_, t)| is_broken(t)).map(|(name, _)| name.as_str()).collect()
    }

    /// SHA-256 of names, shapes and values: what the weights are, whatever file holds them.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, tensor) in &self.tensors {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update((tensor.shape.len() as u64).to_le_bytes());
            tensor.shape.iter().for_each(|&side| hasher.update((side as u64).to_le_bytes()));
            tensor.values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
