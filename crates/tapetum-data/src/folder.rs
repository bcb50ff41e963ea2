//! The images of a folder, and the photograph in one of them.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use tapetum_image::{Format, Limits, Photo, decode};

use crate::error::DataError;

/// The images of a folder, not of the folders in it, in the order people count: 2 before 10. Files that
/// are no images by their extension, and hidden ones, are passed over.
///
/// # Errors
/// The folder cannot be read or holds no image.
pub fn images(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|path| path.is_file() && is_image(path)).collect();
    if paths.is_empty() {
        return Err(DataError::NoImages { path: folder.to_owned() });
    }
    alphanumeric_sort::sort_path_slice(&mut paths);
    Ok(paths)
}

/// Decodes a file.
///
/// # Errors
/// The file cannot be read, is larger than the limits allow, or is no image.
pub fn read_photo(path: &Path, limits: &Limits) -> Result<Photo, DataError> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough for the decoder to refuse the file.
    let file = fs::File::open(path).map_err(|error| DataError::io(path, error))?;
    let mut file = file.take(limits.file_bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(|error| DataError::io(path, error))?;
    decode(&bytes, limits).map_err(|source| DataError::Image { path: path.to_owned(), source })
}

/// The folder in `folder` that is called `name` in any case.
pub(crate) fn subfolder(folder: &Path, name: &str) -> Result<Option<PathBuf>, DataError> {
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name)) && path.is_dir()
    };
    Ok(entries(folder)?.into_iter().find(is_it))
}

/// The folders in `folder` in the order people count, without hidden ones.
pub(crate) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths: Vec<PathBuf> =
        entries(folder)?.into_iter().filter(|path| path.is_dir() && !is_hidden(path)).collect();
    alphanumeric_sort::sort_path_slice(&mut paths);
    Ok(paths)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failure = |error| DataError::io(folder, error);
    let entries = fs::read_dir(folder).map_err(failure)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failure)).collect()
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden(path)
        && extension.is_some_and(|extension| Format::from_extension(extension).is_some())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
