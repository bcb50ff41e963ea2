//! Finding the dict of tensors in a checkpoint.

use super::{
    pickle::{Pickle, TensorRef, Value, ValueIdx},
    storage,
};
use crate::weights::{Weights, WeightsError};

/// Where training programs put the state dict, in the order they are looked for.
const WRAPPERS: [&str; 6] =
    ["params_ema", "params", "state_dict", "model_state_dict", "model_state", "model"];

/// Most values in all tensors together; names may share a storage.
const N_VALUES_MAX: u64 = 1 << 30;

/// Gathers the named tensors; `storage_of` gives the bytes of a storage key.
pub(super) fn read<'a>(
    pickle: &Pickle,
    storage_of: impl Fn(&str) -> Result<&'a [u8], WeightsError>,
) -> Result<Weights, WeightsError> {
    let mut weights = Weights::default();
    let mut n_values = 0;
    for (name, tensor) in find(pickle)? {
        let values = storage::values_of(tensor, storage_of(&tensor.storage.key)?)?;
        n_values += values.values.len() as u64;
        if n_values > N_VALUES_MAX {
            let name = "number of values in all tensors";
            return Err(WeightsError::Limit { name, limit: N_VALUES_MAX, found: n_values });
        }
        let name = name.strip_prefix("module.").unwrap_or(name);
        if weights.tensors.insert(name.to_owned(), values).is_some() {
            return Err(bad(format!("the tensor {name} appears twice")));
        }
    }
    Ok(weights)
}

fn find(pickle: &Pickle) -> Result<Vec<(&str, &TensorRef)>, WeightsError> {
    let Value::Dict(entries) = pickle.result() else {
        return Err(bad(format!("expected a dict of tensors, found {:?}", pickle.result())));
    };
    let wrapped = WRAPPERS.iter().find_map(|wrapper| dict_under(pickle, entries, wrapper));
    let tensors = tensors_in(pickle, wrapped.unwrap_or(entries));
    if tensors.is_empty() {
        return Err(bad("expected a dict of tensors, found none in it".to_owned()));
    }
    Ok(tensors)
}

type Entries = [(ValueIdx, ValueIdx)];

fn dict_under<'a>(pickle: &'a Pickle, entries: &Entries, name: &str) -> Option<&'a Entries> {
    let (_, value) = entries.iter().find(|(key, _)| pickle.text(*key) == Some(name))?;
    match &pickle.values[*value] {
        Value::Dict(inner) => Some(inner),
        _ => None,
    }
}

fn tensors_in<'a>(pickle: &'a Pickle, entries: &Entries) -> Vec<(&'a str, &'a TensorRef)> {
    let tensor = |&(key, value): &(ValueIdx, ValueIdx)| match &pickle.values[value] {
        Value::Tensor(tensor) => Some((pickle.text(key)?, tensor)),
        _ => None,
    };
    entries.iter().filter_map(tensor).collect()
}

fn bad(detail: String) -> WeightsError {
    WeightsError::BadData { format: "PyTorch", detail }
}
