//! What a file may ask for before it is refused.

use crate::{ImageError, codec::Format};

/// Bounds on a file from outside, checked from its header before anything large is allocated.
///
/// There is no bound in time: no decoder used here can be interrupted. The bounds on pixels, bytes
/// and JPEG scans keep the work proportional to what was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Width times height.
    pub n_pixels_max: u64,
    /// Columns.
    pub width_max: u32,
    /// Rows.
    pub height_max: u32,
    /// Length of the file.
    pub file_bytes_max: u64,
    /// Size of the decoded samples, alpha included.
    pub decoded_bytes_max: u64,
}

impl Default for Limits {
    /// 400 megapixels, sides of 65,535, 1 GiB of file, 4 GiB of samples.
    fn default() -> Self {
        Self {
            n_pixels_max: 400_000_000,
            width_max: 65_535,
            height_max: 65_535,
            file_bytes_max: 1 << 30,
            decoded_bytes_max: 4 << 30,
        }
    }
}

impl Limits {
    /// Refuses a header before its pixels are allocated; `format` names a zero-sized file.
    pub(crate) fn check_header(
        &self,
        format: Format,
        (width, height): (u32, u32),
        bytes_per_pixel: u64,
    ) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::bad(format, format!("expected pixels, got {width}x{height}")));
        }
        let n_pixels = u64::from(width) * u64::from(height);
        check("width_max", self.width_max.into(), width.into())?;
        check("height_max", self.height_max.into(), height.into())?;
        check("n_pixels_max", self.n_pixels_max, n_pixels)?;
        let bytes = n_pixels.saturating_mul(bytes_per_pixel);
        check("decoded_bytes_max", self.decoded_bytes_max, bytes)
    }

    /// Room for a decoder's own buffers beside the samples: four times the samples and some air.
    pub(crate) fn working_bytes(&self) -> usize {
        let bytes = self.decoded_bytes_max.saturating_mul(4).saturating_add(16 << 20);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// `Ok` when `found` is within `limit`.
pub(crate) fn check(name: &'static str, limit: u64, found: u64) -> Result<(), ImageError> {
    if found <= limit { Ok(()) } else { Err(ImageError::Limit { name, limit, found }) }
}
