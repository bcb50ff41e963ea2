//! Pairs of files by their normalised names.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    error::DataError,
    folder::{images, subfolder},
    stem::{normalised, scene},
};

/// Names of the folders with the dark photographs and the references, in any case: LOL-v1, LOL-v2,
/// LSRW; Semi-LLIE and many others; LRCR-Net's copy of the NASA set.
const PAIRED_LAYOUTS: [(&str, &str); 5] = [
    ("low", "high"),
    ("low", "normal"),
    ("input", "gt"),
    ("input", "target"),
    ("nasa", "nasa-high"),
];
/// Names of the folders with the photographs and the class of each of their pixels.
const LABELLED_LAYOUTS: [(&str, &str); 2] = [("image", "label"), ("images", "labels")];

/// A file and its partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The first file's name without its extension; where frames lie in one folder a scene, with the
    /// scene before it.
    pub name: String,
    /// The dark photograph, or the one that has labels.
    pub first: PathBuf,
    /// Its reference or its labels. Several dark photographs may share one reference.
    pub second: PathBuf,
}

/// Pairs of dark photographs and references below a folder: in `low` and `high`, `low` and `normal`,
/// `input` and `gt`, `input` and `target`, or `NASA` and `NASA-high`.
///
/// # Errors
/// See [`pairs_between`]; also when the folder has none of these.
pub fn pairs(folder: &Path) -> Result<Vec<Pair>, DataError> {
    in_layout(folder, &PAIRED_LAYOUTS)
}

/// Pairs of photographs and label images below a folder: in `image` and `label`.
///
/// # Errors
/// See [`pairs`].
pub fn labelled(folder: &Path) -> Result<Vec<Pair>, DataError> {
    in_layout(folder, &LABELLED_LAYOUTS)
}

/// Pairs of files in two folders, by name: without extension, without `low`, `normal`, `high`, `input` or
/// `gt` before a number or a separator, and without those or `bright` at the end. Where there is no such
/// partner, `NAME_3` goes with `NAME`.
///
/// # Errors
/// A folder cannot be read, a file has no partner, or two have the same name; all such files are listed.
pub fn pairs_between(first: &Path, second: &Path) -> Result<Vec<Pair>, DataError> {
    matched(&images(first)?, &images(second)?, &normalised)
}

/// Pairs of files by what `name` makes of them; see [`pairs_between`].
///
/// # Errors
/// A file has no partner, or two have the same name.
pub(crate) fn matched(
    firsts: &[PathBuf],
    seconds: &[PathBuf],
    name: &dyn Fn(&Path) -> String,
) -> Result<Vec<Pair>, DataError> {
    by_name(firsts, name)?;
    let by_name = by_name(seconds, name)?;
    let partner = |path: &Path| {
        let name = name(path);
        by_name.get(&name).or_else(|| by_name.get(scene(&name)?)).copied()
    };
    let found: Vec<(&PathBuf, Option<&PathBuf>)> =
        firsts.iter().map(|path| (path, partner(path))).collect();
    let used: BTreeSet<&PathBuf> = found.iter().filter_map(|(_, partner)| *partner).collect();
    let lonely_firsts =
        found.iter().filter(|(_, partner)| partner.is_none()).map(|(path, _)| *path);
    let lonely_seconds = seconds.iter().filter(|path| !used.contains(path));
    let lonely: Vec<PathBuf> = lonely_firsts.chain(lonely_seconds).cloned().collect();
    if !lonely.is_empty() {
        return Err(DataError::Unpaired { files: lonely });
    }
    let pairs = found.into_iter().filter_map(|(first, second)| {
        let name = first.file_stem()?.to_string_lossy().into_owned();
        Some(Pair { name, first: first.clone(), second: second?.clone() })
    });
    Ok(pairs.collect())
}

fn in_layout(folder: &Path, layouts: &[(&str, &str)]) -> Result<Vec<Pair>, DataError> {
    for (first, second) in layouts {
        if let (Some(first), Some(second)) = (subfolder(folder, first)?, subfolder(folder, second)?)
        {
            return pairs_between(&first, &second);
        }
    }
    let expected: Vec<String> =
        layouts.iter().map(|(first, second)| format!("{first}/ and {second}/")).collect();
    Err(DataError::Layout { path: folder.to_owned(), expected: expected.join(", or ") })
}

fn by_name<'a>(
    paths: &'a [PathBuf],
    name: &dyn Fn(&Path) -> String,
) -> Result<BTreeMap<String, &'a PathBuf>, DataError> {
    let mut found = BTreeMap::<String, Vec<&PathBuf>>::new();
    for path in paths {
        found.entry(name(path)).or_default().push(path);
    }
    let doubles = found.values().filter(|files| files.len() > 1);
    let files: Vec<PathBuf> = doubles.flatten().copied().cloned().collect();
    if !files.is_empty() {
        return Err(DataError::Duplicate { files });
    }
    Ok(found.into_iter().map(|(name, files)| (name, files[0])).collect())
}
