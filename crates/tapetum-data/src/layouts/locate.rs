//! Which folders of a layout are there.

use std::path::{Path, PathBuf};

use crate::{
    error::DataError,
    folder::{subfolder, subfolders},
    layouts::{
        Part,
        arrange::scene_number,
        table::{Group, Kind, Layout, filled},
    },
};

/// Folders whose files belong together.
pub(crate) struct Place {
    /// The piece of the path that differs, empty where there is none.
    pub(crate) piece: &'static str,
    pub(crate) part: Part,
    pub(crate) group: &'static Group,
    pub(crate) first: PathBuf,
    /// The folder itself again where no partner is needed.
    pub(crate) second: PathBuf,
}

/// A folder that is there and whose partner is not.
struct Lonely {
    folder: PathBuf,
    expected: String,
}

/// The places that a layout has below `root`; none when it is another data set.
///
/// # Errors
/// A folder cannot be read, or some are there and others lack their partners.
pub(crate) fn locate(layout: &'static Layout, root: &Path) -> Result<Vec<Place>, DataError> {
    let marks = layout.marks.iter().map(|mark| walk(root, mark)).collect::<Result<Vec<_>, _>>()?;
    if !marks.is_empty() && marks.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let (mut places, mut lonely) = (Vec::new(), Vec::new());
    for group in layout.groups {
        for &(piece, part) in group.parts {
            match find(group, piece, part, root)? {
                Some(Ok(place)) => places.push(place),
                Some(Err(folder)) => lonely.push(folder),
                None => {}
            }
        }
    }
    // The dark photographs of RELLISUR need references at one scale, not at all of them.
    lonely.retain(|lonely| places.iter().all(|place| place.first != lonely.folder));
    match lonely.into_iter().next() {
        Some(Lonely { folder, expected }) if !places.is_empty() => {
            Err(DataError::PartnerFolder { folder, expected })
        }
        _ => Ok(places),
    }
}

fn find(
    group: &'static Group,
    piece: &'static str,
    part: Part,
    root: &Path,
) -> Result<Option<Result<Place, Lonely>>, DataError> {
    let mut first = walk(root, &filled(group.first, piece))?;
    if group.kind == Kind::Exposures
        && let Some(folder) = &first
        && !subfolders(folder)?.iter().any(|path| scene_number(path).is_some())
    {
        first = None;
    }
    let mut second = None;
    for pattern in group.second {
        second = second.or(walk(root, &filled(pattern, piece))?);
    }
    let names = || group.second.iter().map(|pattern| filled(pattern, piece));
    Ok(match (first, second) {
        (None, None) => None,
        (Some(folder), None) if !group.second.is_empty() => {
            let expected = names().collect::<Vec<_>>().join(" or ");
            Some(Err(Lonely { folder, expected }))
        }
        (None, Some(folder)) => Some(Err(Lonely { folder, expected: filled(group.first, piece) })),
        (Some(first), second) => {
            let second = second.unwrap_or_else(|| first.clone());
            Some(Ok(Place { piece, part, group, first, second }))
        }
    })
}

/// The folder at `path` below `root`, each of its names in any case.
fn walk(root: &Path, path: &str) -> Result<Option<PathBuf>, DataError> {
    let mut folder = root.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match subfolder(&folder, name)? {
            Some(found) => folder = found,
            None => return Ok(None),
        }
    }
    Ok(Some(folder))
}
