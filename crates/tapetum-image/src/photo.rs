//! A decoded photograph: pixels, alpha and everything the file said about them.

use crate::{
    codec::Format,
    raster::{Raster, Samples},
};

/// A photograph, upright: the file's orientation has been applied and its tags say so.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// The pixels in the file's own depth and profile.
    pub raster: Raster,
    /// One sample a pixel, not premultiplied, usually as deep as the raster; `None` when opaque.
    pub alpha: Option<Samples>,
    /// What travels with the pixels.
    pub metadata: Metadata,
    /// Where the photograph came from.
    pub format: Format,
    /// What was found and not kept, or kept and not understood; one sentence each.
    pub warnings: Vec<String>,
}

impl Photo {
    /// A photograph that comes from no file: no alpha, no metadata, sRGB.
    pub fn from_raster(raster: Raster, format: Format) -> Self {
        Self { raster, alpha: None, metadata: Metadata::default(), format, warnings: Vec::new() }
    }
}

/// Blocks that describe a photograph, each whole and without its container's prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// A TIFF stream: `II*\0…` or `MM\0*…`, without `Exif\0\0`.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet, normally UTF-8.
    pub xmp: Option<Vec<u8>>,
    /// Photoshop image resources (`8BIM…`), of which IPTC is number 0x0404; kept whole.
    pub iptc: Option<Vec<u8>>,
    /// An ICC profile.
    pub icc: Option<Vec<u8>>,
}
