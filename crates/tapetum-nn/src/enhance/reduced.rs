//! A reduced copy of a photograph, on which a network finds what is the same for all of it.

use rayon::prelude::*;
use tapetum_image::{ColorConversion, Image, Raster, Rect, Srgb};
use tapetum_kernels::{Instructions, block_means};

/// Pixels of the reduced copy at most.
pub(super) const REDUCED_PX_MAX: u64 = 200_000;
/// Pixels that are read at a time.
const STRIP_PX: u32 = 1 << 18;

/// How many pixels in each direction become one of a copy of at most `px_max` pixels, 1 or more.
pub(super) fn factor(width: u32, height: u32, px_max: u64) -> u32 {
    let fits = |factor: &u32| {
        u64::from(width.div_ceil(*factor)) * u64::from(height.div_ceil(*factor)) <= px_max.max(1)
    };
    (1..).find(fits).expect("at some factor one pixel is left")
}

/// The means over blocks of `factor` times `factor` pixels, read strip by strip.
pub(super) fn reduce(raster: &Raster, conversion: &ColorConversion, factor: u32) -> Image<Srgb> {
    let (width, height) = (raster.width(), raster.height());
    let (n_columns, n_rows) = (width.div_ceil(factor), height.div_ceil(factor));
    let row_values = n_columns as usize * 3;
    let mut pixels = vec![0.0; n_rows as usize * row_values];
    let strip_rows = (STRIP_PX / width / factor).max(1);
    let strips = pixels.par_chunks_mut(strip_rows as usize * row_values);
    strips.zip((0..n_rows).into_par_iter().step_by(strip_rows as usize)).for_each(
        |(means, row)| {
            let y = row * factor;
            let rect = Rect { x: 0, y, width, height: (strip_rows * factor).min(height - y) };
            let strip = conversion.to_srgb(&raster.read_rgb(rect));
            block_means(
                Instructions::best(),
                &strip.pixels,
                width as usize,
                factor as usize,
                means,
            );
        },
    );
    Image::new(n_columns, n_rows, pixels)
}

#[cfg(test)]
mod tests {
    use tapetum_image::{Channels, Samples};

    use super::*;

    #[test]
    fn the_reduced_copy_keeps_to_its_size() {
        for (size, expected) in [
            ((1, 1), 1),
            ((500, 400), 1),
            ((512, 512), 2),
            ((4000, 3000), 8),
            ((200_001, 1), 2),
            ((u32::MAX, 1), 21_475),
        ] {
            assert_eq!(factor(size.0, size.1, REDUCED_PX_MAX), expected, "{size:?}");
        }
    }

    #[test]
    fn a_copy_of_one_strip_equals_one_of_many() {
        let (width, height) = (700, 3201);
        let values = (0..width * height).map(|idx| (idx % 251) as f32 / 251.0).collect();
        let raster = Raster::new(width, height, Channels::Grey, Samples::F32(values));
        let raster = raster.expect("as many values as pixels");
        let reduced = reduce(&raster, &ColorConversion::identity(), 4);
        assert_eq!((reduced.width(), reduced.height()), (175, 801));
        let whole = ColorConversion::identity().to_srgb(&raster.read_rgb(raster.rect()));
        let mut expected = vec![0.0; reduced.pixels.len()];
        block_means(Instructions::best(), &whole.pixels, width as usize, 4, &mut expected);
        assert_eq!(reduced.pixels, expected);
    }
}
