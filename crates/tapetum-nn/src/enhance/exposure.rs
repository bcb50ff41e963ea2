//! How a photograph is exposed, from one pass over its pixels.

use tapetum_image::{ColorConversion, Raster, Rect};

/// Rows read at a time.
const STRIP_ROWS: u32 = 64;

/// Statistics of the luma of a whole image, each 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Mean luma.
    pub mean: f64,
    /// Share of pixels with a luma below [`Exposure::DARK`].
    pub dark_share: f64,
    /// Whether all samples are equal.
    pub is_constant: bool,
}

impl Exposure {
    /// Luma below which a pixel counts as dark: details there are hard to make out on a screen.
    pub const DARK: f32 = 0.12;

    /// Measures a raster; `None` when it holds a non-finite value.
    pub fn measure(raster: &Raster, conversion: &ColorConversion) -> Option<Self> {
        let (mut sum, mut n_dark) = (0.0, 0u64);
        let (mut lowest, mut highest) = (f32::INFINITY, f32::NEG_INFINITY);
        let (width, height) = (raster.width(), raster.height());
        for y in (0..height).step_by(STRIP_ROWS as usize) {
            let rect = Rect { x: 0, y, width, height: STRIP_ROWS.min(height - y) };
            let native = raster.read_rgb(rect);
            if native.pixels.iter().any(|value| !value.is_finite()) {
                return None;
            }
            let srgb = conversion.to_srgb(&native);
            let (pixels, _) = srgb.pixels.as_chunks::<3>();
            for &pixel in pixels {
                let luma = luma(pixel);
                sum += f64::from(luma);
                n_dark += u64::from(luma < Self::DARK);
                lowest = pixel.iter().copied().fold(lowest, f32::min);
                highest = pixel.iter().copied().fold(highest, f32::max);
            }
        }
        let n_pixels = raster.n_pixels() as f64;
        Some(Self {
            mean: sum / n_pixels,
            dark_share: n_dark as f64 / n_pixels,
            is_constant: lowest == highest,
        })
    }
}

/// Luma of an sRGB-encoded pixel: `0.299 R + 0.587 G + 0.114 B` (Rec. 601).
pub fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}
