//! The fast way: what a network needs to know of a photograph comes from a reduced copy of it.

use rayon::prelude::*;
use tapetum_image::{ColorConversion, Image, Raster, Rect, Srgb};
use tapetum_kernels::{Instructions, block_means};

use super::EnhanceError;
use crate::network::{FastEnhancer, Network};

/// Pixels of the reduced copy at most.
const REDUCED_PX_MAX: u64 = 200_000;
/// Working memory for a pixel of the reduced copy: its three values, and up to 32 that a method finds.
const REDUCED_BYTES_PER_PX: u64 = 140;
/// Pixels that are read at a time.
const STRIP_PX: u32 = 1 << 18;

/// How closely the result follows the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Quality {
    /// The network's own result.
    #[default]
    Exact,
    /// Close to it, and much faster for large photographs: see
    /// [`Network::fast`](crate::Network::fast). Photographs of up to 200,000 pixels come out as with
    /// `Exact`, to 1e-5.
    Fast,
}

/// Lets the network find what it needs on a reduced copy.
pub(super) fn prepare(
    network: &dyn Network,
    raster: &Raster,
    conversion: &ColorConversion,
) -> Result<Box<dyn FastEnhancer>, EnhanceError> {
    let factor = factor(raster.width(), raster.height());
    let reduced = reduce(raster, conversion, factor);
    let no_fast_way = EnhanceError::NoFastWay { method: network.card().name };
    network.fast(&reduced, factor).ok_or(no_fast_way)
}

/// How many pixels in each direction become one of the reduced copy.
fn factor(width: u32, height: u32) -> u32 {
    let fits = |factor: &u32| {
        u64::from(width.div_ceil(*factor)) * u64::from(height.div_ceil(*factor)) <= REDUCED_PX_MAX
    };
    (1..).find(fits).expect("at some factor one pixel is left")
}

/// Working memory for the reduced copy.
pub(super) fn working_bytes(raster: &Raster) -> u64 {
    let factor = factor(raster.width(), raster.height());
    let side = |length: u32| u64::from(length.div_ceil(factor));
    side(raster.width()) * side(raster.height()) * REDUCED_BYTES_PER_PX
}

/// The means over blocks of `factor` times `factor` pixels, read strip by strip.
fn reduce(raster: &Raster, conversion: &ColorConversion, factor: u32) -> Image<Srgb> {
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
            assert_eq!(factor(size.0, size.1), expected, "{size:?}");
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
