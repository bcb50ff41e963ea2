//! The zip archive of `torch.save` since PyTorch 1.6: `…/data.pkl` and one entry a storage.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use super::{pickle, state_dict};
use crate::weights::{FILE_BYTES_MAX, Weights, WeightsError};

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

pub(super) fn read(
    bytes: &[u8],
    wanted: Option<&str>,
) -> Result<(Weights, Option<String>), WeightsError> {
    let entries = entries(bytes)?;
    let pickle_name = entries.keys().find(|name| name.ends_with("/data.pkl"));
    let pickle_name = pickle_name.ok_or_else(|| bad("it holds no data.pkl"))?;
    let folder = pickle_name.trim_end_matches("data.pkl");
    if entries.get(&format!("{folder}byteorder")).is_some_and(|order| order != b"little") {
        return Err(bad("expected little-endian values"));
    }
    let pickle = pickle::read(&entries[pickle_name])?;
    state_dict::read(&pickle, wanted, |key| {
        let entry = entries.get(&format!("{folder}data/{key}"));
        Ok(entry.ok_or_else(|| bad(&format!("the storage {key} is missing")))?.as_slice())
    })
}

/// Unpacks all entries; together they may hold no more than the archive itself, because torch
/// stores them uncompressed.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, WeightsError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| bad(&e.to_string()))?;
    let mut entries = BTreeMap::new();
    let mut n_bytes_left = bytes.len() as u64;
    for idx in 0..archive.len() {
        let mut entry = archive.by_index(idx).map_err(|e| bad(&e.to_string()))?;
        if entry.size() > n_bytes_left {
            let (limit, found) = (n_bytes_left.min(FILE_BYTES_MAX), entry.size());
            return Err(WeightsError::Limit { name: "size of an archive entry", limit, found });
        }
        n_bytes_left -= entry.size();
        let mut data = Vec::with_capacity(entry.size() as usize);
        let limit = entry.size();
        entry.by_ref().take(limit).read_to_end(&mut data).map_err(|e| bad(&e.to_string()))?;
        let name = entry.name().map_err(|e| bad(&e.to_string()))?.into_owned();
        entries.insert(name, data);
    }
    Ok(entries)
}

fn bad(detail: &str) -> WeightsError {
    WeightsError::BadData { format: "PyTorch zip", detail: detail.to_owned() }
}
