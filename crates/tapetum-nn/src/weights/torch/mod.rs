//! PyTorch checkpoints, read without running anything: a pickle machine that knows tensors and
//! plain containers and refuses every other name.
//!
//! Both containers are read: the zip archive (PyTorch 1.6 and later) and the legacy stream before it.

mod legacy;
mod pickle;
mod state_dict;
mod storage;
mod zip_archive;

use super::{Weights, WeightsError};

/// Whether the bytes start like a checkpoint of either container.
pub fn is_checkpoint(bytes: &[u8]) -> bool {
    zip_archive::is_zip(bytes) || legacy::is_legacy(bytes)
}

/// Reads the state dict of a checkpoint: the one called `wanted`, or the top-level dict of tensors or the one under
/// `params_ema`, `params`, `state_dict`, `model_state_dict`, `model_state` or `model`, with what it is called; a
/// `module.` prefix is stripped.
///
/// # Errors
/// The bytes are no checkpoint, or none of its dicts of tensors is called so.
pub fn from_checkpoint(
    bytes: &[u8],
    wanted: Option<&str>,
) -> Result<(Weights, Option<String>), WeightsError> {
    if zip_archive::is_zip(bytes) {
        zip_archive::read(bytes, wanted)
    } else {
        legacy::read(bytes, wanted)
    }
}

/// The error of a dict that was asked for of a file without dicts.
pub(super) fn no_dicts(wanted: &str) -> WeightsError {
    state_dict::no_dict(wanted, &[])
}
