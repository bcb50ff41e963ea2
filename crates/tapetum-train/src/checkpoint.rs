//! Where a run stands, in files that are whole or not there.
//!
//! A checkpoint is `tapetum-checkpoint-1`, a line feed, the number of steps and the length of what follows
//! as little-endian 64-bit numbers, the recipe's own bytes (weights, averages, optimiser), and SHA-256 of
//! all that.
//! Everything random follows from the seed and the number of the step, so no generator is kept.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::error::TrainError;

const MAGIC: &[u8] = b"tapetum-checkpoint-1\n";
const DIGEST_BYTES: usize = 32;

/// Writes a checkpoint below `folder` and removes all but the newest `n_kept`; gives its path.
pub(crate) fn save(
    folder: &Path,
    n_done: usize,
    state: &[u8],
    n_kept: usize,
) -> Result<PathBuf, TrainError> {
    fs::create_dir_all(folder).map_err(|error| TrainError::io(folder, error))?;
    let numbers = [n_done as u64, state.len() as u64].map(u64::to_le_bytes);
    let mut bytes = [MAGIC, &numbers.concat(), state].concat();
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    let path = folder.join(format!("step-{n_done:08}"));
    write(&path, &bytes)?;
    let mut saved = list(folder)?;
    while saved.len() > n_kept {
        let oldest = saved.remove(0);
        fs::remove_file(&oldest).map_err(|error| TrainError::io(&oldest, error))?;
    }
    Ok(path)
}

/// The newest checkpoint below `folder`: its path, steps and the recipe's bytes. `None` where there is none.
///
/// # Errors
/// It cannot be read, or is damaged.
pub(crate) fn newest(folder: &Path) -> Result<Option<(PathBuf, usize, Vec<u8>)>, TrainError> {
    if !folder.exists() {
        return Ok(None);
    }
    let Some(path) = list(folder)?.pop() else { return Ok(None) };
    let bytes = fs::read(&path).map_err(|error| TrainError::io(&path, error))?;
    let damaged = || {
        let detail = "expected a whole checkpoint, found a damaged one; without it the run goes on from the \
                      one before";
        TrainError::data(&path, detail)
    };
    let (n_done, state) = parse(&bytes).ok_or_else(damaged)?;
    let state = state.to_vec();
    Ok(Some((path, n_done, state)))
}

fn parse(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(content).as_slice() != digest {
        return None;
    }
    let (n_done, rest) = content.strip_prefix(MAGIC)?.split_first_chunk()?;
    let (length, state) = rest.split_first_chunk()?;
    let is_whole = u64::from_le_bytes(*length) == state.len() as u64;
    is_whole.then_some((usize::try_from(u64::from_le_bytes(*n_done)).ok()?, state))
}

/// Checkpoints from the oldest to the newest.
fn list(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(|error| TrainError::io(folder, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths: Result<Vec<_>, _> = paths.collect();
    let mut paths = paths.map_err(|error| TrainError::io(folder, error))?;
    // Their numbers have as many digits, so that names are in the order of steps.
    paths.retain(|path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"step-"))
    });
    paths.sort();
    Ok(paths)
}

/// Writes to a temporary file and renames it into place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| TrainError::io(path, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_found_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("checkpoints");
        assert!(newest(&folder).unwrap().is_none());
        for n_done in [9, 10, 100] {
            save(&folder, n_done, &[n_done as u8; 5], 2).unwrap();
        }
        let (path, n_done, state) = newest(&folder).unwrap().unwrap();
        assert_eq!((n_done, state), (100, vec![100; 5]));
        assert_eq!(list(&folder).unwrap(), [folder.join("step-00000010"), path]);
    }

    #[test]
    fn every_damage_is_noticed_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), 7, b"state", 1).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(parse(&whole), Some((7, b"state".as_slice())));
        for idx in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[idx] ^= 1;
            assert_eq!(parse(&bytes), None, "byte {idx}");
            assert_eq!(parse(&whole[..idx]), None, "cut at {idx}");
        }
        fs::write(&path, &whole[1..]).unwrap();
        let error = newest(folder.path()).unwrap_err().to_string();
        assert!(error.contains("step-00000007") && error.contains("damaged"), "{error}");
    }
}
