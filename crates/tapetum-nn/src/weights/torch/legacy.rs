//! The stream of `torch.save` before PyTorch 1.6: five pickles, then the storages one after another.

use std::collections::BTreeMap;

use super::{
    pickle::{self, Pickle, Value},
    state_dict,
};
use crate::weights::{Weights, WeightsError};

/// `0x1950a86a20f9469cfc6c`, little-endian, as the first pickle holds it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// Whether the first pickle is the magic number.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2, 0x8a, 10, rest @ ..] if rest.starts_with(&MAGIC))
}

pub(super) fn read(
    bytes: &[u8],
    wanted: Option<&str>,
) -> Result<(Weights, Option<String>), WeightsError> {
    let mut rest = bytes;
    let mut next = || {
        let pickle = pickle::read(rest)?;
        rest = &rest[pickle.n_bytes..];
        Ok::<_, WeightsError>(pickle)
    };
    let _magic = next()?;
    if !matches!(next()?.result(), Value::Int(PROTOCOL)) {
        return Err(bad(format!("expected protocol {PROTOCOL}")));
    }
    let _system = next()?;
    let main = next()?;
    let storages = storages(&main, &keys(&next()?)?, rest)?;
    state_dict::read(&main, wanted, |key| {
        storages.get(key).copied().ok_or_else(|| bad(format!("the storage {key} is missing")))
    })
}

fn keys(pickle: &Pickle) -> Result<Vec<String>, WeightsError> {
    let Value::List(list) = pickle.result() else {
        return Err(bad("expected a list of storage keys".to_owned()));
    };
    let key = |&idx| pickle.text(idx).map(str::to_owned);
    let keys: Option<Vec<String>> = list.iter().map(key).collect();
    keys.ok_or_else(|| bad("a storage key is not a string".to_owned()))
}

/// Cuts `data` into the storages: for each key an element count of eight bytes, then the elements.
fn storages<'a>(
    main: &Pickle,
    keys: &[String],
    mut data: &'a [u8],
) -> Result<BTreeMap<String, &'a [u8]>, WeightsError> {
    let element_bytes: BTreeMap<&str, usize> = main
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((&*storage.key, storage.element_type.n_bytes())),
            _ => None,
        })
        .collect();
    let mut storages = BTreeMap::new();
    for key in keys {
        let n_bytes = element_bytes.get(key.as_str());
        let n_bytes = *n_bytes.ok_or_else(|| bad(format!("the storage {key} is not used")))?;
        let (count, rest) = data.split_first_chunk::<8>().ok_or_else(|| short(key))?;
        let n =
            usize::try_from(i64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(n_bytes));
        let (storage, rest) = n.and_then(|n| rest.split_at_checked(n)).ok_or_else(|| short(key))?;
        storages.insert(key.clone(), storage);
        data = rest;
    }
    Ok(storages)
}

fn short(key: &str) -> WeightsError {
    bad(format!("it ends within the storage {key}"))
}

fn bad(detail: String) -> WeightsError {
    WeightsError::BadData { format: "PyTorch legacy", detail }
}
