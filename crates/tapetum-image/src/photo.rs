//! A decoded photograph: pixels, alpha and everything the file said about them.

use crate::{
    codec::Format,
    metadata,
    raster::{Channels, Raster, Samples},
    resize::Filter,
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

    /// The photograph with the pixels of `raster`, which is `scale` times as large on each side. Alpha is
    /// enlarged by a Lanczos-3 filter. What the metadata say of pixels stays true: the size in print and on
    /// the sensor is kept, so that resolutions grow, and the subject stays where it is; nothing is added.
    ///
    /// # Panics
    /// When the raster has another size, or alpha has not one sample a pixel.
    pub fn enlarged_as(mut self, raster: Raster, scale: u32) -> Self {
        let (width, height) = (self.raster.width(), self.raster.height());
        let expected = (width * scale, height * scale);
        assert_eq!((raster.width(), raster.height()), expected, "{scale} times {width}x{height}");
        self.raster = raster;
        if scale == 1 {
            return self;
        }
        self.alpha = self.alpha.map(|alpha| {
            let alpha = Raster::new(width, height, Channels::Grey, alpha);
            let alpha = alpha.expect("alpha has one sample a pixel");
            match alpha.enlarged(scale, Filter::Lanczos).into_samples() {
                Samples::F32(values) => {
                    Samples::F32(values.into_iter().map(|value| value.clamp(0.0, 1.0)).collect())
                }
                samples => samples,
            }
        });
        metadata::enlarge(&mut self.metadata, scale);
        self
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
