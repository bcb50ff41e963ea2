//! Published data sets, recognised by their folders.

mod arrange;
mod enlarged;
mod locate;
mod table;

use std::path::{Path, PathBuf};

use crate::{
    error::DataError,
    folder::images,
    layouts::{
        locate::{Place, locate},
        table::{FLAT, GENERAL, Layout, PUBLISHED},
    },
    pairs::Pair,
};

/// A data set as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// Name of the layout, such as `LOL-v1`.
    pub layout: &'static str,
    /// Its parts, at least one.
    pub splits: Vec<Split>,
}

/// One part of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// As the folders call it, such as `our485` or `Train/X2`; `all` for what has no name of its own.
    pub name: String,
    /// What its makers meant it for.
    pub part: Part,
    /// How many times larger the references are on each side.
    pub scale: u32,
    /// Its files, at least one.
    pub entries: Entries,
}

/// What a split is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To report on.
    Test,
    /// The folders do not say.
    Unstated,
}

/// Files that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// Dark photographs and their references.
    Paired(Vec<Pair>),
    /// Over-exposed photographs and their references.
    Overexposed(Vec<Pair>),
    /// Photographs alone.
    Unpaired(Vec<PathBuf>),
    /// Photographs and the class of each of their pixels.
    Labelled {
        /// Photographs and label images.
        pairs: Vec<Pair>,
        /// What the numbers in the label images mean.
        classes: Classes,
    },
}

/// What the numbers in label images mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes {
    /// Whatever the set's makers say.
    Own,
    /// Cityscapes' 34 ids, of which 19 are scored: 7 is road.
    CityscapesIds,
    /// Cityscapes' 19 scored classes, 255 for all else: 0 is road.
    CityscapesTrainIds,
}

/// The data set in a folder: LOL-v1 and v2, LSRW, SICE, RELLISUR, Cityscapes, CamVid, NASA, Semi-LLIE,
/// `low` and `high` and the like with or without `train` and `test` above them (where references may be twice
/// or four times as large, as those of the first pair are), `image` and `label`, or
/// images alone. Case does not matter; folders that belong to no layout are passed over.
///
/// # Errors
/// The folder cannot be read; it has no known layout, or several; a folder lacks its partner; files lack
/// their partners or share a name, and all of them are listed; labels are colours, not classes.
pub fn detect(folder: &Path) -> Result<DataSet, DataError> {
    let published = located(PUBLISHED, folder)?;
    let is_general = published.is_empty();
    let found = if is_general { located(GENERAL, folder)? } else { published };
    match found.as_slice() {
        [] => flat(folder),
        [(layout, places)] => {
            let splits = places.iter().map(arrange::splits).collect::<Result<Vec<_>, _>>()?;
            let mut splits = splits.concat();
            if is_general {
                enlarged::measure(&mut splits);
            }
            Ok(DataSet { layout, splits })
        }
        several => {
            let layouts = several.iter().map(|(layout, _)| *layout).collect();
            Err(DataError::Ambiguous { path: folder.to_owned(), layouts })
        }
    }
}

/// The layouts that the folder has, by name, and where.
fn located(
    layouts: &'static [Layout],
    folder: &Path,
) -> Result<Vec<(&'static str, Vec<Place>)>, DataError> {
    let places = layouts.iter().map(|layout| Ok((layout.name, locate(layout, folder)?)));
    let places = places.collect::<Result<Vec<_>, DataError>>()?;
    Ok(places.into_iter().filter(|(_, places)| !places.is_empty()).collect())
}

fn flat(folder: &Path) -> Result<DataSet, DataError> {
    let images = images(folder).map_err(|error| match error {
        DataError::NoImages { path } => {
            let known: Vec<String> = PUBLISHED.iter().chain(GENERAL).map(Layout::example).collect();
            DataError::Layout { path, expected: format!("images, or {}", known.join(", or ")) }
        }
        error => error,
    })?;
    let entries = Entries::Unpaired(images);
    let split = Split { name: "all".to_owned(), part: Part::Unstated, scale: 1, entries };
    Ok(DataSet { layout: FLAT, splits: vec![split] })
}
