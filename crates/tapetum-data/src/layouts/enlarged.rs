//! References that are larger than their dark photographs, where folders do not say so.

use std::path::Path;

use tapetum_image::Limits;

use crate::{
    folder::read_photo,
    layouts::{Entries, Split},
};

/// How many times larger references may be on each side.
const SCALES: [u32; 3] = [1, 2, 4];

/// Takes the scale of each split of pairs from its first pair. Where that cannot be read or has other sizes,
/// the scale stays as it is, and whoever uses the pairs meets what is wrong.
pub(super) fn measure(splits: &mut [Split]) {
    for split in splits {
        if let Entries::Paired(pairs) = &split.entries
            && let Some(pair) = pairs.first()
            && let Some(scale) = scale_between(&pair.first, &pair.second)
        {
            split.scale = scale;
        }
    }
}

fn scale_between(low: &Path, reference: &Path) -> Option<u32> {
    let size = |path| {
        let raster = read_photo(path, &Limits::default()).ok()?.raster;
        Some([raster.width(), raster.height()])
    };
    let (low, reference) = (size(low)?, size(reference)?);
    SCALES.into_iter().find(|scale| low.map(|side| side.checked_mul(*scale)) == reference.map(Some))
}
