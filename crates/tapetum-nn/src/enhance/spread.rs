//! How far several results for one photograph lie apart, pixel by pixel.

use rayon::prelude::*;
use tapetum_image::{Channels, ColorConversion, Raster, Rect, Samples};

use super::exposure::luma;

/// Rows that are read at a time.
const BAND_ROWS: u32 = 32;

/// The standard deviation of the luma of images of one size, which come one by one and are not kept:
/// mean and squared deviations are carried on [Welford 1962].
#[derive(Debug)]
pub struct Spread {
    width: u32,
    height: u32,
    n_images: u32,
    means: Vec<f32>,
    /// Sums of the squared deviations from the means.
    squares: Vec<f32>,
}

impl Spread {
    /// Memory for a pixel.
    pub const BYTES_PER_PX: u64 = 8;
    /// The standard deviation that is white on the map, as is every larger one.
    pub const DEVIATION_WHITE: f32 = 0.1;

    /// Of no image yet.
    pub fn new(width: u32, height: u32) -> Self {
        let zeros = || vec![0.0; width as usize * height as usize];
        Self { width, height, n_images: 0, means: zeros(), squares: zeros() }
    }

    /// How many images were added.
    pub fn n_images(&self) -> u32 {
        self.n_images
    }

    /// Adds an image; its luma is that of the sRGB-encoded samples, 0..1.
    ///
    /// # Panics
    /// When the size is another one.
    pub fn add(&mut self, raster: &Raster, conversion: &ColorConversion) {
        let found = (raster.width(), raster.height());
        assert_eq!(found, (self.width, self.height), "all images have one size");
        self.n_images += 1;
        let (width, n_images) = (self.width, self.n_images as f32);
        let band_px = BAND_ROWS as usize * width as usize;
        let bands = self
            .means
            .par_chunks_mut(band_px)
            .zip(self.squares.par_chunks_mut(band_px))
            .enumerate();
        bands.for_each(|(idx, (means, squares))| {
            let (y, height) = (idx as u32 * BAND_ROWS, means.len() as u32 / width);
            let band = conversion.to_srgb(&raster.read_rgb(Rect { x: 0, y, width, height }));
            let (pixels, _) = band.pixels.as_chunks::<3>();
            for ((mean, square), pixel) in means.iter_mut().zip(squares).zip(pixels) {
                let luma = luma(*pixel);
                let deviation = luma - *mean;
                *mean += deviation / n_images;
                *square += deviation * (luma - *mean);
            }
        });
    }

    /// The map, grey of 16 bits: 0 where all images agree, 65,535 from a standard deviation of
    /// [`Spread::DEVIATION_WHITE`] on, linear in between and rounded half up. The standard deviation is
    /// that of a sample: the squares are divided by one less than the number of images.
    ///
    /// # Panics
    /// When fewer than two images were added.
    pub fn map(&self) -> Raster {
        assert!(self.n_images >= 2, "a spread is of two images or more");
        let divisor = (self.n_images - 1) as f32;
        let share = |square: &f32| (square / divisor).sqrt() / Self::DEVIATION_WHITE;
        let samples = Samples::F32(self.squares.iter().map(share).collect()).to_depth(16);
        let map = Raster::new(self.width, self.height, Channels::Grey, samples);
        map.expect("one sample a pixel")
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn map(images: &[Raster]) -> Vec<u16> {
        let mut spread = Spread::new(images[0].width(), images[0].height());
        for image in images {
            spread.add(image, &ColorConversion::identity());
        }
        match spread.map().into_samples() {
            Samples::U16(values) => values,
            other => panic!("expected 16 bits, got {}", other.depth_bits()),
        }
    }

    fn grey(values: &[f32]) -> Raster {
        let samples = Samples::F32(values.to_vec());
        Raster::new(values.len() as u32, 1, Channels::Grey, samples).unwrap()
    }

    #[test]
    fn the_scale_ends_at_a_tenth() {
        // Two values at a distance d have a standard deviation of d / √2.
        let apart = |deviation: f32| 0.2 + deviation * 2f32.sqrt();
        let [first, second] = [[0.2; 5], [0.2, apart(0.025), apart(0.05), apart(0.11), 1.0]];
        let found = map(&[grey(&first), grey(&second)]);
        assert_eq!(found[0], 0);
        assert_eq!(found[3..], [65_535; 2]);
        for (found, expected) in found[1..3].iter().zip([16_383.75, 32_767.5]) {
            assert!((f64::from(*found) - expected).abs() <= 1.0, "{found} is not {expected}");
        }
    }

    #[test]
    fn the_map_is_that_of_a_plain_computation_over_all_images() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        // More than one band of rows, and a last one that is not full.
        let (width, height, n_images) = (7, 75, 9);
        let base: Vec<f32> = (0..width * height * 3).map(|_| random.random()).collect();
        let mut image = || {
            let values = base.iter().map(|value| 0.8 * value + 0.1 * random.random::<f32>());
            let samples = Samples::F32(values.collect());
            Raster::new(width, height, Channels::Rgb, samples).unwrap()
        };
        let images: Vec<Raster> = (0..n_images).map(|_| image()).collect();
        let found = map(&images);
        for (idx, &found) in found.iter().enumerate() {
            let lumas = images.iter().map(|image| {
                let Samples::F32(values) = image.samples() else { panic!("floats went in") };
                let channel = |channel: usize| f64::from(values[idx * 3 + channel]);
                0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2)
            });
            let mean = lumas.clone().sum::<f64>() / f64::from(n_images);
            let squares: f64 = lumas.map(|luma| (luma - mean).powi(2)).sum();
            let deviation = (squares / f64::from(n_images - 1)).sqrt();
            let difference = (f64::from(found) - deviation / 0.1 * 65_535.0).abs();
            // Half a step from rounding, the rest for sums in 32 bits.
            assert!(difference <= 0.6, "{difference} steps at {idx}");
        }
        assert!(found.iter().any(|&value| value > 10_000));
    }
}
