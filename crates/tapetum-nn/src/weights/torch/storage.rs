//! The number types of checkpoint storages, and reading a strided tensor out of one.

use half::{bf16, f16};

use super::pickle::TensorRef;
use crate::weights::{TensorValues, WeightsError};

/// Number type of a storage. Integers are batch counters and the like; they are read as floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementType {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    U8,
}

impl ElementType {
    /// From the name of a torch storage class without its `Storage`.
    pub(super) fn from_torch(name: &str) -> Option<Self> {
        Some(match name {
            "Double" => Self::F64,
            "Float" => Self::F32,
            "Half" => Self::F16,
            "BFloat16" => Self::Bf16,
            "Long" => Self::I64,
            "Int" => Self::I32,
            "Byte" | "Bool" => Self::U8,
            _ => return None,
        })
    }

    pub(super) fn n_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }

    fn read(self, bytes: &[u8]) -> f32 {
        fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.try_into().expect("the caller cuts n_bytes")
        }
        match self {
            Self::F64 => f64::from_le_bytes(array(bytes)) as f32,
            Self::F32 => f32::from_le_bytes(array(bytes)),
            Self::F16 => f16::from_le_bytes(array(bytes)).to_f32(),
            Self::Bf16 => bf16::from_le_bytes(array(bytes)).to_f32(),
            Self::I64 => i64::from_le_bytes(array(bytes)) as f32,
            Self::I32 => i32::from_le_bytes(array(bytes)) as f32,
            Self::U8 => f32::from(bytes[0]),
        }
    }
}

/// Copies the view `tensor` out of the bytes of its storage, row-major.
pub(super) fn values_of(tensor: &TensorRef, storage: &[u8]) -> Result<TensorValues, WeightsError> {
    let n_elements = tensor.shape.iter().try_fold(1u64, |n, &side| n.checked_mul(side as u64));
    let n_elements = n_elements.unwrap_or(u64::MAX);
    if tensor.strides.len() != tensor.shape.len() {
        return Err(bad("a tensor has as many strides as dimensions", tensor.strides.len()));
    }
    let n_bytes = tensor.storage.element_type.n_bytes();
    let last =
        tensor.shape.iter().zip(&tensor.strides).try_fold(tensor.offset, |at, (&n, &stride)| {
            n.saturating_sub(1).checked_mul(stride).and_then(|step| at.checked_add(step))
        });
    let n_stored = (storage.len() / n_bytes).min(tensor.storage.n_elements);
    if n_elements > n_stored as u64 {
        // A view with zero strides could otherwise be far larger than the file.
        let name = "number of values in a tensor";
        return Err(WeightsError::Limit { name, limit: n_stored as u64, found: n_elements });
    }
    if n_elements > 0 && last.is_none_or(|last| last >= n_stored) {
        return Err(bad("a tensor lies within its storage", n_stored));
    }
    let read =
        |idx: usize| tensor.storage.element_type.read(&storage[idx * n_bytes..(idx + 1) * n_bytes]);
    let values = (0..n_elements as usize).map(|flat| read(stored_index(tensor, flat))).collect();
    Ok(TensorValues { shape: tensor.shape.clone(), values })
}

/// Where the row-major element `flat` lies in the storage.
fn stored_index(tensor: &TensorRef, mut flat: usize) -> usize {
    let mut idx = tensor.offset;
    for (&side, &stride) in tensor.shape.iter().zip(&tensor.strides).rev() {
        idx += flat % side * stride;
        flat /= side;
    }
    idx
}

fn bad(expected: &str, found: usize) -> WeightsError {
    WeightsError::BadData {
        format: "PyTorch",
        detail: format!("expected that {expected}, found {found}"),
    }
}
