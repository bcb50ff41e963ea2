//! Resizing with antialiasing.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images};

use crate::image::Image;

/// How input pixels are weighted for an output pixel. Where the image gets smaller the filter is
/// stretched by as much, and at the borders the weights are brought to sum 1: what Pillow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// A triangle of two pixels; never beyond the range of the input.
    Bilinear,
    /// Keys' cubic with a = -1/2, of four pixels.
    Bicubic,
    /// A sinc windowed by its own main lobe, of six pixels.
    Lanczos,
}

/// The image at another size, by an antialiased Lanczos-3 filter; values are clamped to 0..1.
///
/// # Panics
/// When a side is 0.
pub fn resize<E>(image: &Image<E>, width: u32, height: u32) -> Image<E> {
    resize_with(image, width, height, Filter::Lanczos)
}

/// The image at another size, by a filter of choice; values are clamped to 0..1 after both passes.
///
/// # Panics
/// When a side is 0.
pub fn resize_with<E>(image: &Image<E>, width: u32, height: u32, filter: Filter) -> Image<E> {
    assert!(width > 0 && height > 0, "a size of {width}x{height}");
    let bytes = image.pixels.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let source = images::Image::from_vec_u8(image.width(), image.height(), bytes, PixelType::F32x3)
        .expect("three floats a pixel");
    let mut target = images::Image::new(width, height, PixelType::F32x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter.into()));
    Resizer::new().resize(&source, &mut target, &options).expect("both images are float RGB");
    let (values, _) = target.buffer().as_chunks::<4>();
    let values = values.iter().map(|&bytes| f32::from_ne_bytes(bytes).clamp(0.0, 1.0));
    Image::new(width, height, values.collect())
}

impl Filter {
    /// How far the pixels lie at most that an enlarged pixel is made of.
    pub fn radius_px(self) -> u32 {
        match self {
            Self::Bilinear => 1,
            Self::Bicubic => 2,
            Self::Lanczos => 3,
        }
    }
}

impl From<Filter> for FilterType {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Bilinear => Self::Bilinear,
            Filter::Bicubic => Self::CatmullRom,
            Filter::Lanczos => Self::Lanczos3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Srgb;

    #[test]
    fn shrinking_keeps_the_mean_and_a_constant_stays_constant() {
        let wave = |idx: usize| 0.5 + 0.3 * (idx as f32 * 0.7).sin();
        let image = Image::<Srgb>::new(64, 48, (0..64 * 48 * 3).map(wave).collect());
        let mean =
            |image: &Image<Srgb>| image.pixels.iter().sum::<f32>() / image.pixels.len() as f32;
        assert!((mean(&image) - mean(&resize(&image, 16, 12))).abs() < 2e-3);
        let flat = Image::<Srgb>::new(5, 7, vec![0.25; 105]);
        assert!(resize(&flat, 11, 3).pixels.iter().all(|v| (v - 0.25).abs() < 1e-6));
    }
    /// Slopes with an edge, in 8-bit steps; tools/golden/augment.py makes the same.
    fn hills() -> Image<Srgb> {
        let value = |x: u32, y: u32, channel: u32| {
            (x * 9 + y * (5 + 2 * channel)) % 120 + 40 + if (x + y) % 7 < 3 { 60 } else { 0 }
        };
        let row = |y| (0..23).flat_map(move |x| (0..3).map(move |channel| value(x, y, channel)));
        Image::new(23, 17, (0..17).flat_map(row).map(|value| value as f32 / 255.0).collect())
    }

    fn weighted_mean(values: &[f32]) -> f64 {
        let weighted = |(idx, value): (usize, &f32)| (idx % 101 + 1) as f64 * f64::from(*value);
        values.iter().enumerate().map(weighted).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn each_filter_is_that_of_pillow() {
        // Printed by tools/golden/augment.py, with Pillow 13.0: the pixels at four places.
        let cases = [
            (
                Filter::Bilinear,
                (5, 4),
                15.065441_f64,
                [
                    0.361462, 0.377335, 0.393208, 0.543348, 0.559221, 0.571159, 0.439532, 0.543181,
                    0.531503, 0.420209, 0.409951, 0.506395,
                ],
                [92, 96, 100, 138, 142, 146, 112, 139, 136, 107, 104, 129],
            ),
            (
                Filter::Bilinear,
                (40, 33),
                25.033156_f64,
                [
                    0.392157, 0.392157, 0.392157, 0.698039, 0.698039, 0.698039, 0.383950, 0.394170,
                    0.404390, 0.305882, 0.431373, 0.556863,
                ],
                [100, 100, 100, 178, 178, 178, 98, 100, 103, 78, 110, 142],
            ),
            (
                Filter::Bicubic,
                (5, 4),
                15.061079_f64,
                [
                    0.341242, 0.354352, 0.368539, 0.548664, 0.568742, 0.587376, 0.431940, 0.570354,
                    0.546123, 0.398268, 0.394335, 0.518745,
                ],
                [87, 90, 94, 140, 145, 150, 110, 145, 139, 102, 100, 132],
            ),
            (
                Filter::Bicubic,
                (40, 33),
                25.031653_f64,
                [
                    0.387679, 0.387001, 0.386323, 0.699128, 0.698450, 0.697772, 0.397063, 0.407283,
                    0.417502, 0.269866, 0.396034, 0.522202,
                ],
                [99, 98, 98, 179, 178, 178, 101, 104, 107, 69, 101, 133],
            ),
            (
                Filter::Lanczos,
                (5, 4),
                15.052568_f64,
                [
                    0.334328, 0.343182, 0.354559, 0.545563, 0.570861, 0.595911, 0.428980, 0.602037,
                    0.564009, 0.387900, 0.380333, 0.527325,
                ],
                [85, 87, 90, 139, 146, 152, 109, 153, 144, 99, 97, 135],
            ),
            (
                Filter::Lanczos,
                (40, 33),
                25.036089_f64,
                [
                    0.389908, 0.389203, 0.388497, 0.680220, 0.679515, 0.678809, 0.398570, 0.409227,
                    0.419884, 0.249996, 0.376191, 0.502387,
                ],
                [99, 99, 99, 174, 174, 173, 101, 104, 107, 64, 96, 128],
            ),
        ];
        for (filter, (width, height), sum, floats, levels) in cases {
            let resized = resize_with(&hills(), width, height, filter);
            let places = [(0, 0), (width - 1, 0), (2, 3), (width - 1, height - 1)];
            let start = |(x, y)| ((y * width + x) * 3) as usize;
            let found = places.map(start).map(|idx| &resized.pixels[idx..idx + 3]).concat();
            for ((found, float), level) in found.iter().zip(floats).zip(levels) {
                let name = format!("{filter:?} {width}x{height}");
                assert!((found - float).abs() < 2e-6, "{name}: {found} is not {float}");
                // Pillow rounds bytes between its two passes, so that they stray by more than the
                // half level of one rounding; up to 1.08 levels in these pictures.
                assert!((found * 255.0 - level as f32).abs() < 1.1, "{name}: {found}, {level}");
            }
            let mean = weighted_mean(&resized.pixels);
            assert!((mean - sum).abs() < 2e-5, "{filter:?} {width}x{height}: {mean} is not {sum}");
        }
    }

    #[test]
    fn values_stay_in_range_where_a_filter_overshoots() {
        let edge = (0..8 * 8 * 3).map(|idx| if idx / 3 % 8 < 4 { 0.0 } else { 1.0 });
        let edge = Image::<Srgb>::new(8, 8, edge.collect());
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            let resized = resize_with(&edge, 19, 1, filter);
            assert!(resized.pixels.iter().all(|value| (0.0..=1.0).contains(value)), "{filter:?}");
        }
    }
}
