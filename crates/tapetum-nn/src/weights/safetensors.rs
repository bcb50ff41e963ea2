//! Safetensors in and out, with the provenance header in the file's metadata.

use std::collections::{BTreeMap, HashMap};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{TensorValues, Weights, WeightsError};

/// Reads a safetensors file; 16-bit and 64-bit floats are converted to `f32`.
pub fn from_safetensors(bytes: &[u8]) -> Result<Weights, WeightsError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| bad(&e.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| bad(&e.to_string()))?;
    let mut weights = Weights::default();
    for (name, view) in file.iter() {
        weights.insert(name.to_owned(), values_of(name, &view)?);
    }
    weights.header.extend(metadata.metadata().clone().unwrap_or_default());
    Ok(weights)
}

/// Writes a safetensors file: `f32` tensors in name order, the header as metadata.
pub fn to_safetensors(weights: &Weights) -> Vec<u8> {
    let bytes_of = |tensor: &TensorValues| -> Vec<u8> {
        tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let data: Vec<_> = weights.tensors.iter().map(|(name, t)| (name, t, bytes_of(t))).collect();
    let views = data.iter().map(|(name, tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
        (name.as_str(), view.expect("the value count fits the shape"))
    });
    let header: HashMap<String, String> = weights.header.clone().into_iter().collect();
    let mut file =
        safetensors::serialize(views, Some(header)).expect("names and shapes are serializable");
    sort_header(&mut file);
    file
}

/// Puts the keys of the JSON header in order, in place: the library writes its metadata in the
/// random order of a hash map, and equal weights should give equal files.
fn sort_header(file: &mut [u8]) {
    let (length, rest) = file.split_at_mut(8);
    let length = u64::from_le_bytes((&*length).try_into().expect("eight bytes"));
    let header = &mut rest[..length as usize];
    let mut entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).expect("the library wrote JSON");
    if let Some(metadata) = entries.get_mut("__metadata__") {
        let sorted: BTreeMap<String, String> =
            serde_json::from_value(metadata.take()).expect("metadata is text to text");
        *metadata = serde_json::to_value(sorted).expect("text to text is JSON");
    }
    let sorted = serde_json::to_vec(&entries).expect("JSON values are JSON");
    header.fill(b' ');
    header[..sorted.len()].copy_from_slice(&sorted);
}

fn values_of(name: &str, view: &TensorView) -> Result<TensorValues, WeightsError> {
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => chunks(data).map(f32::from_le_bytes).collect(),
        Dtype::F16 => chunks(data).map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => chunks(data).map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::F64 => chunks(data).map(|b| f64::from_le_bytes(b) as f32).collect(),
        other => return Err(bad(&format!("expected floats in tensor {name}, found {other:?}"))),
    };
    Ok(TensorValues { shape: view.shape().to_vec(), values })
}

fn chunks<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.chunks_exact(N).map(|chunk| chunk.try_into().expect("chunks have N bytes"))
}

fn bad(detail: &str) -> WeightsError {
    WeightsError::BadData { format: "safetensors", detail: detail.to_owned() }
}
