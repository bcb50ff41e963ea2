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

/// Most names of dicts that an error lists.
const N_NAMES_LISTED: usize = 8;

/// Gathers the named tensors, of the dict called `wanted` where one is asked for, and says what it is called;
/// `storage_of` gives the bytes of a storage key.
pub(super) fn read<'a>(
    pickle: &Pickle,
    wanted: Option<&str>,
    storage_of: impl Fn(&str) -> Result<&'a [u8], WeightsError>,
) -> Result<(Weights, Option<String>), WeightsError> {
    let mut weights = Weights::default();
    let mut n_values = 0;
    let found = find(pickle, wanted)?;
    for (name, tensor) in found.tensors {
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
    Ok((weights, found.name.map(str::to_owned)))
}

/// A dict of tensors, by the name that it has in the outermost one.
struct Found<'a> {
    name: Option<&'a str>,
    tensors: Vec<(&'a str, &'a TensorRef)>,
}

fn find<'a>(pickle: &'a Pickle, wanted: Option<&'a str>) -> Result<Found<'a>, WeightsError> {
    let Value::Dict(entries) = pickle.result() else {
        return Err(bad(format!("expected a dict of tensors, found {:?}", pickle.result())));
    };
    let under = |name: &'a str| Some((name, dict_under(pickle, entries, name)?));
    let wrapped = match wanted {
        None => WRAPPERS.into_iter().find_map(under),
        Some(name) => {
            let holds_tensors = |(_, inner): &(_, &Entries)| !tensors_in(pickle, inner).is_empty();
            let found = under(name).filter(holds_tensors);
            Some(found.ok_or_else(|| no_dict(name, &names_of_dicts(pickle, entries)))?)
        }
    };
    let (name, entries) = wrapped.map_or((None, &entries[..]), |(name, inner)| (Some(name), inner));
    let tensors = tensors_in(pickle, entries);
    if tensors.is_empty() {
        return Err(bad("expected a dict of tensors, found none in it".to_owned()));
    }
    Ok(Found { name, tensors })
}

/// Of those that hold tensors, within the outermost one.
fn names_of_dicts<'a>(pickle: &'a Pickle, entries: &Entries) -> Vec<&'a str> {
    let name = |&(key, value): &(ValueIdx, ValueIdx)| match &pickle.values[value] {
        Value::Dict(inner) if !tensors_in(pickle, inner).is_empty() => pickle.text(key),
        _ => None,
    };
    entries.iter().filter_map(name).take(N_NAMES_LISTED).collect()
}

/// The error of a dict that is not there.
pub(super) fn no_dict(wanted: &str, names: &[&str]) -> WeightsError {
    let expected = match names {
        [] => "no name, as the tensors are in no dict of their own".to_owned(),
        names => format!("one of {}", names.join(", ")),
    };
    WeightsError::Argument { name: "tensors", expected, found: wanted.to_owned() }
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
