//! Reading image folders, and writing files whole or not at all.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use tapetum_image::{Limits, Raster, decode};

use crate::error::TrainError;

/// Files of a folder in name order.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(|e| TrainError::io(folder, e))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|e| TrainError::io(folder, e))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    if paths.is_empty() {
        return Err(TrainError::data(folder, "expected images, found no file"));
    }
    Ok(paths)
}

/// The file of `folder` with the stem of `path`.
pub(crate) fn partner(path: &Path, folder: &Path, stem: &str) -> Result<PathBuf, TrainError> {
    let candidates = list(folder)?;
    let found = candidates.into_iter().find(|p| p.file_stem().is_some_and(|s| s == stem));
    found.ok_or_else(|| {
        TrainError::data(path, format!("expected a partner '{stem}.*' in {}", folder.display()))
    })
}

/// Decodes one photograph; its profile is taken to be sRGB.
pub(crate) fn read(path: &Path) -> Result<Raster, TrainError> {
    let bytes = fs::read(path).map_err(|e| TrainError::io(path, e))?;
    let photo = decode(&bytes, &Limits::default());
    photo
        .map(|photo| photo.raster)
        .map_err(|source| TrainError::Image { path: path.to_owned(), source })
}

/// Writes to a temporary file and renames it into place.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path).map(drop).map_err(|e| e.error)
    };
    write().map_err(|e| TrainError::io(path, e))
}
