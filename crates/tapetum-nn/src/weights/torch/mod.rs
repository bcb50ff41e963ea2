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

/// Reads the state dict of a checkpoint: the top-level dict of tensors, or the one under
/// `params_ema`, `params`, `state_dict`, `model_state_dict`, `model_state` or `model`; a
/// `module.` prefix is stripped.
pub fn from_checkpoint(bytes: &[u8]) -> Result<Weights, WeightsError> {
    if zip_archive::is_zip(bytes) { zip_archive::read(bytes) } else { legacy::read(bytes) }
}
