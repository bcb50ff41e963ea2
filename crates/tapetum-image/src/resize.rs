//! Resizing with antialiasing.

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images};

use crate::image::Image;

/// The image at another size, by an antialiased Lanczos-3 filter; values are clamped to 0..1.
///
/// # Panics
/// When a side is 0.
pub fn resize<E>(image: &Image<E>, width: u32, height: u32) -> Image<E> {
    assert!(width > 0 && height > 0, "a size of {width}x{height}");
    let bytes = image.pixels.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let source = images::Image::from_vec_u8(image.width(), image.height(), bytes, PixelType::F32x3)
        .expect("three floats a pixel");
    let mut target = images::Image::new(width, height, PixelType::F32x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).expect("both images are float RGB");
    let (values, _) = target.buffer().as_chunks::<4>();
    let values = values.iter().map(|&bytes| f32::from_ne_bytes(bytes).clamp(0.0, 1.0));
    Image::new(width, height, values.collect())
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
}
