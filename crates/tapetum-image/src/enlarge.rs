//! Enlarging by whole factors, window by window.

use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer, images};

use crate::{
    image::{Image, Native, Rect},
    raster::{Raster, Samples},
    resize::Filter,
};

/// Rows of a band of the result.
const BAND_ROWS: u32 = 64;

/// The image `scale` times as large on each side. Unlike [`resize_with`](crate::resize_with), values may
/// lie beyond those of the input: a filter with negative weights overshoots at edges.
///
/// # Panics
/// When a side or the scale is 0.
pub fn enlarge<E>(image: &Image<E>, scale: u32, filter: Filter) -> Image<E> {
    let whole = image.rect().enlarged(scale);
    resample(image, (0.0, 0.0), whole, scale, filter)
}

impl Raster {
    /// A window of the raster `scale` times as large on each side, as [`Raster::read_rgb`] reads one: `rect`
    /// counts pixels of the large raster. Windows of any sizes fit together without seams, since pixels around
    /// a window are taken in. The filter overshoots at edges; where the file holds integers, values are cut to
    /// 0..1.
    ///
    /// # Panics
    /// When `rect` is empty or reaches outside.
    pub fn read_enlarged_rgb(&self, rect: Rect, scale: u32, filter: Filter) -> Image<Native> {
        if scale == 1 {
            return self.read_rgb(rect);
        }
        let columns = reach(rect.x, rect.width, self.width(), scale, filter);
        let rows = reach(rect.y, rect.height, self.height(), scale, filter);
        let (width, height) = (columns.1 - columns.0, rows.1 - rows.0);
        let source = self.read_rgb(Rect { x: columns.0, y: rows.0, width, height });
        let start = |at: u32, first: u32| f64::from(at) / f64::from(scale) - f64::from(first);
        let start = (start(rect.x, columns.0), start(rect.y, rows.0));
        let mut window = resample(&source, start, rect, scale, filter);
        if !matches!(self.samples(), Samples::F32(_)) {
            window.pixels.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
        window
    }

    /// The raster `scale` times as large on each side, with the same channels and depth.
    ///
    /// # Panics
    /// When the scale is 0, or a side of the result is 2^32 or more.
    pub fn enlarged(&self, scale: u32, filter: Filter) -> Self {
        let mut result = self.blank(scale);
        let rect = result.rect();
        for y in (0..rect.height).step_by(BAND_ROWS as usize) {
            let band = Rect { y, height: BAND_ROWS.min(rect.height - y), ..rect };
            result.write_rgb(0, y, &self.read_enlarged_rgb(band, scale, filter));
        }
        result
    }
}

/// First pixel, and the one behind the last, that a range of the large raster is made of.
fn reach(start: u32, length: u32, side: u32, scale: u32, filter: Filter) -> (u32, u32) {
    let end = (start + length).div_ceil(scale) + filter.radius_px();
    ((start / scale).saturating_sub(filter.radius_px()), end.min(side))
}

/// The window of the size of `rect` that begins at `start` in pixels of `source`.
fn resample<E>(
    source: &Image<E>,
    start: (f64, f64),
    rect: Rect,
    scale: u32,
    filter: Filter,
) -> Image<E> {
    let bytes = source.pixels.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let (width, height) = (source.width(), source.height());
    let source = images::Image::from_vec_u8(width, height, bytes, PixelType::F32x3)
        .expect("three floats a pixel");
    let mut target = images::Image::new(rect.width, rect.height, PixelType::F32x3);
    // Thirds are rounded, and must not reach beyond the border for that.
    let side = |length: u32, start: f64, whole: u32| {
        (f64::from(length) / f64::from(scale)).min(f64::from(whole) - start)
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter.into())).crop(
        start.0,
        start.1,
        side(rect.width, start.0, width),
        side(rect.height, start.1, height),
    );
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both images are float RGB, and the window lies inside");
    let (values, _) = target.buffer().as_chunks::<4>();
    let values = values.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
    Image::new(rect.width, rect.height, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{image::Srgb, raster::Channels, resize::resize_with};

    const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

    /// Hills between 0.2 and 0.8, so that no filter leaves 0..1.
    fn hills(width: u32, height: u32) -> Vec<f32> {
        let value = |idx: u32| 0.5 + 0.3 * (idx as f32 * 0.37).sin();
        (0..width * height * 3).map(value).collect()
    }

    fn raster(width: u32, height: u32, samples: Samples) -> Raster {
        Raster::new(width, height, Channels::Rgb, samples).unwrap()
    }

    fn peak(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn windows_show_the_whole_without_seams() {
        let (width, height) = (23, 17);
        let image = Image::<Srgb>::new(width, height, hills(width, height));
        let file = raster(width, height, Samples::F32(image.pixels.clone()));
        for (scale, filter) in [2, 3, 4].into_iter().flat_map(|s| FILTERS.map(|f| (s, f))) {
            let whole = enlarge(&image, scale, filter);
            // The same as the general way gives, which each filter's own test compares with Pillow.
            let general = resize_with(&image, width * scale, height * scale, filter);
            assert!(peak(&whole.pixels, &general.pixels) < 1e-6, "{filter:?} {scale}");
            for place in [(0, 0, 1, 1), (5, 3, 7, 9), (width * scale - 3, height * scale - 1, 3, 1)]
            {
                let (x, y, w, h) = place;
                let rect = Rect { x, y, width: w, height: h };
                let window = file.read_enlarged_rgb(rect, scale, filter);
                let rows = (y..y + h).flat_map(|row| {
                    let start = ((row * width * scale + x) * 3) as usize;
                    whole.pixels[start..start + w as usize * 3].iter().copied()
                });
                let difference = peak(&window.pixels, &rows.collect::<Vec<_>>());
                assert!(difference < 1e-6, "{filter:?} {scale} {place:?}: {difference}");
            }
        }
    }

    #[test]
    fn a_raster_keeps_its_depth_and_its_values_stay_in_range() {
        let edge: Vec<u8> = (0..8 * 8 * 3).map(|i| if i / 3 % 8 < 4 { 0 } else { 255 }).collect();
        let bytes = raster(8, 8, Samples::U8(edge));
        for filter in FILTERS {
            let large = bytes.enlarged(2, filter);
            assert_eq!((large.width(), large.height(), large.depth_bits()), (16, 16, 8));
            let window = bytes.read_enlarged_rgb(large.rect(), 2, filter);
            assert!(window.pixels.iter().all(|value| (0.0..=1.0).contains(value)), "{filter:?}");
            let floats = raster(8, 8, bytes.samples().to_depth(32));
            let window = floats.read_enlarged_rgb(large.rect(), 2, filter);
            let overshoots = window.pixels.iter().any(|value| *value < -0.01);
            assert_eq!(overshoots, filter != Filter::Bilinear, "{filter:?}");
        }
    }

    #[test]
    fn many_bands_are_one_raster() {
        let (width, height) = (5, 90);
        let file = raster(width, height, Samples::F32(hills(width, height)));
        let large = file.enlarged(2, Filter::Bicubic);
        let whole = file.read_enlarged_rgb(large.rect(), 2, Filter::Bicubic);
        let difference = peak(&large.read_rgb(large.rect()).pixels, &whole.pixels);
        assert!(difference < 1e-6, "{difference}");
        assert_eq!(file.enlarged(1, Filter::Lanczos), file);
    }
}
