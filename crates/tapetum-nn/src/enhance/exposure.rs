//! How a photograph is exposed, from one pass over its pixels.

use tapetum_image::{ColorConversion, Image, Raster, Rect, Srgb};

/// Longest side of the reduced copy.
const PREVIEW_PX_MAX: u32 = 256;

/// Added to luma before its logarithm: half an 8-bit level, so that black counts without ruling.
const LOG_OFFSET: f64 = 0.5 / 255.0;

/// Statistics of the luma of a whole image, each 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Mean luma.
    pub mean: f64,
    /// Geometric mean of luma: the typical brightness, as the eye takes it, little moved by a lamp
    /// or a window.
    pub geometric_mean: f64,
    /// Share of pixels with a luma below [`Exposure::DARK`].
    pub dark_share: f64,
    /// Whether all samples are equal.
    pub is_constant: bool,
}

impl Exposure {
    /// Luma below which a pixel counts as dark: details there are hard to make out on a screen.
    pub const DARK: f32 = 0.12;
}

/// Measures a raster and makes a reduced copy of it, of block means, in the same pass; `None` when
/// the raster holds a non-finite value.
pub(super) fn measure(
    raster: &Raster,
    conversion: &ColorConversion,
) -> Option<(Exposure, Image<Srgb>)> {
    let (width, height) = (raster.width(), raster.height());
    let block_px = width.max(height).div_ceil(PREVIEW_PX_MAX);
    let mut sums = Sums::default();
    let mut preview = Vec::new();
    for y in (0..height).step_by(block_px as usize) {
        let rect = Rect { x: 0, y, width, height: block_px.min(height - y) };
        let native = raster.read_rgb(rect);
        if native.pixels.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let strip = conversion.to_srgb(&native);
        sums.add(&strip);
        preview.extend(block_means(&strip, block_px));
    }
    let preview_size = (width.div_ceil(block_px), height.div_ceil(block_px));
    Some((sums.exposure(), Image::new(preview_size.0, preview_size.1, preview)))
}

/// One row of the reduced copy: means over blocks as high as the strip.
fn block_means(strip: &Image<Srgb>, block_px: u32) -> Vec<f32> {
    let (width, block) = (strip.width() as usize, block_px as usize);
    let mut sums = vec![[0f32; 3]; width.div_ceil(block)];
    for row in strip.pixels.chunks_exact(width * 3) {
        let (pixels, _) = row.as_chunks::<3>();
        for (x, pixel) in pixels.iter().enumerate() {
            for (sum, value) in sums[x / block].iter_mut().zip(pixel) {
                *sum += value;
            }
        }
    }
    let n_pixels = |idx: usize| (block.min(width - idx * block) * strip.height() as usize) as f32;
    let means = sums.iter().enumerate().map(|(idx, sum)| sum.map(|sum| sum / n_pixels(idx)));
    means.flatten().collect()
}

#[derive(Debug)]
struct Sums {
    luma: f64,
    log_luma: f64,
    n_dark: u64,
    n_pixels: u64,
    lowest: f32,
    highest: f32,
}

impl Default for Sums {
    fn default() -> Self {
        let (lowest, highest) = (f32::INFINITY, f32::NEG_INFINITY);
        Self { luma: 0.0, log_luma: 0.0, n_dark: 0, n_pixels: 0, lowest, highest }
    }
}

impl Sums {
    fn add(&mut self, image: &Image<Srgb>) {
        let (pixels, _) = image.pixels.as_chunks::<3>();
        for &pixel in pixels {
            let luma = luma(pixel);
            self.luma += f64::from(luma);
            self.log_luma += f64::from((luma + LOG_OFFSET as f32).ln());
            self.n_dark += u64::from(luma < Exposure::DARK);
            self.lowest = pixel.iter().copied().fold(self.lowest, f32::min);
            self.highest = pixel.iter().copied().fold(self.highest, f32::max);
        }
        self.n_pixels += pixels.len() as u64;
    }

    fn exposure(&self) -> Exposure {
        let n_pixels = self.n_pixels as f64;
        Exposure {
            mean: self.luma / n_pixels,
            geometric_mean: ((self.log_luma / n_pixels).exp() - LOG_OFFSET).max(0.0),
            dark_share: self.n_dark as f64 / n_pixels,
            is_constant: self.lowest == self.highest,
        }
    }
}

/// Luma of an sRGB-encoded pixel: `0.299 R + 0.587 G + 0.114 B` (Rec. 601).
pub(super) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Mean luma of an image.
pub(super) fn mean_luma(image: &Image<Srgb>) -> f64 {
    let (pixels, _) = image.pixels.as_chunks::<3>();
    pixels.iter().map(|&pixel| f64::from(luma(pixel))).sum::<f64>() / pixels.len() as f64
}
