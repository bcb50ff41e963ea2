//! From the folders of a data set to files that belong together.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    error::DataError,
    folder::{images, subfolders},
    layouts::{Classes, Entries, Split, locate::Place, table::Kind},
    pairs::{Pair, matched, pairs_between},
};

const CITY_PHOTOGRAPH: &str = "_leftImg8bit";
/// Endings of label images, the better one first; colours and instances have others.
const CITY_LABELS: [(&str, Classes); 2] = [
    ("_gtFine_labelTrainIds", Classes::CityscapesTrainIds),
    ("_gtFine_labelIds", Classes::CityscapesIds),
];

/// What the folders hold: one split, or two where one folder holds dark and bright photographs.
pub(crate) fn splits(place: &Place) -> Result<Vec<Split>, DataError> {
    let entries = match place.group.kind {
        Kind::Paired => vec![Entries::Paired(pairs_between(&place.first, &place.second)?)],
        Kind::Unpaired => vec![Entries::Unpaired(images(&place.first)?)],
        Kind::UnpairedCities => vec![Entries::Unpaired(in_cities(&place.first)?)],
        Kind::Labelled => {
            let pairs = pairs_between(&place.first, &place.second)?;
            vec![Entries::Labelled { pairs, classes: Classes::Own }]
        }
        Kind::LabelledCities => vec![labelled_cities(&place.first, &place.second)?],
        Kind::Exposures => exposures(&place.first, &place.second)?,
        Kind::Colours => {
            let detail = "labels that are colours, and only class indices are read".to_owned();
            return Err(DataError::Unsupported { path: place.second.clone(), detail });
        }
    };
    let split = |entries| Split {
        name: name(place, &entries),
        part: place.part,
        scale: place.group.scale,
        entries,
    };
    Ok(entries.into_iter().map(split).collect())
}

/// The number of a scene's folder or reference.
pub(crate) fn scene_number(path: &Path) -> Option<u32> {
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let stem = stem?.to_str()?;
    stem.bytes().all(|byte| byte.is_ascii_digit()).then(|| stem.parse().ok())?
}

/// `Train/X2`, `Part1/over`; `all` where the folders have no name of their own.
fn name(place: &Place, entries: &Entries) -> String {
    let light = match (place.group.kind, entries) {
        (Kind::Exposures, Entries::Overexposed(_)) => "over",
        (Kind::Exposures, _) => "under",
        _ => "",
    };
    let pieces = [place.piece, place.group.suffix, light].into_iter();
    let pieces: Vec<&str> = pieces.filter(|piece| !piece.is_empty()).collect();
    if pieces.is_empty() { "all".to_owned() } else { pieces.join("/") }
}

fn in_cities(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let cities = subfolders(folder)?;
    let found = cities.iter().map(|city| images(city)).collect::<Result<Vec<_>, _>>()?.concat();
    if found.is_empty() { Err(DataError::NoImages { path: folder.to_owned() }) } else { Ok(found) }
}

fn labelled_cities(photographs: &Path, labels: &Path) -> Result<Entries, DataError> {
    let photographs = ending(&in_cities(photographs)?, CITY_PHOTOGRAPH);
    let labels = in_cities(labels)?;
    let found = CITY_LABELS.map(|(suffix, classes)| (suffix, classes, ending(&labels, suffix)));
    let [train_ids, ids] = found;
    let (suffix, classes, labels) = if train_ids.2.is_empty() { ids } else { train_ids };
    let scene = |path: &Path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let scene = stem.strip_suffix(CITY_PHOTOGRAPH).or(stem.strip_suffix(suffix));
        scene.unwrap_or(&stem).to_owned()
    };
    Ok(Entries::Labelled { pairs: matched(&photographs, &labels, &scene)?, classes })
}

fn ending(paths: &[PathBuf], suffix: &str) -> Vec<PathBuf> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().filter(|path| stem(path).ends_with(suffix)).cloned().collect()
}

/// The frames before the middle one of each scene, and those behind it, each with the scene's
/// reference: frames are numbered from dark to bright.
fn exposures(scenes: &Path, references: &Path) -> Result<Vec<Entries>, DataError> {
    let mut references = by_number(images(references)?)?;
    let scenes = by_number(subfolders(scenes)?)?;
    let (mut under, mut over, mut lonely) = (Vec::new(), Vec::new(), Vec::new());
    for (number, folder) in scenes {
        let frames = images(&folder)?;
        let Some(reference) = references.remove(&number) else {
            lonely.extend(frames);
            continue;
        };
        let pair = |frame: &PathBuf| {
            let stem = frame.file_stem().unwrap_or_default().to_string_lossy();
            let name = format!("{number}_{stem}");
            Pair { name, first: frame.clone(), second: reference.clone() }
        };
        under.extend(frames[..frames.len() / 2].iter().map(pair));
        over.extend(frames[frames.len().div_ceil(2)..].iter().map(pair));
    }
    lonely.extend(references.into_values());
    if !lonely.is_empty() {
        return Err(DataError::Unpaired { files: lonely });
    }
    let both = [Entries::Paired(under), Entries::Overexposed(over)];
    Ok(both.into_iter().filter(|entries| !is_empty(entries)).collect())
}

fn is_empty(entries: &Entries) -> bool {
    matches!(entries, Entries::Paired(pairs) | Entries::Overexposed(pairs) if pairs.is_empty())
}

fn by_number(paths: Vec<PathBuf>) -> Result<BTreeMap<u32, PathBuf>, DataError> {
    let mut found = BTreeMap::<u32, PathBuf>::new();
    for path in paths {
        let Some(number) = scene_number(&path) else { continue };
        if let Some(other) = found.insert(number, path.clone()) {
            return Err(DataError::Duplicate { files: vec![other, path] });
        }
    }
    Ok(found)
}
