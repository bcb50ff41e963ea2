//! What travels with the pixels, and how it is kept true.

use crate::{
    codec::Format,
    orientation::Orientation,
    photo::{Metadata, Photo},
};

/// The orientation that the file asks for; the tags are set upright.
pub(crate) fn take_orientation(
    _metadata: &mut Metadata,
    _warnings: &mut Vec<String>,
) -> Option<Orientation> {
    Orientation::from_exif(1)
}

/// The blocks to write beside the photograph's pixels.
pub(crate) fn for_writing(photo: &Photo, _format: Format) -> Metadata {
    photo.metadata.clone()
}

/// What [`for_writing`] must leave behind.
pub(crate) fn losses(_photo: &Photo, _format: Format) -> Vec<String> {
    Vec::new()
}
