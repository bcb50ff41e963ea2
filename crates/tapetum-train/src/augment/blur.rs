//! A Gaussian blur of random width.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tapetum_image::{Image, Srgb};

use crate::{
    augment::{
        draws::{between, chance, unit},
        range::{expect_in, refused},
    },
    error::TrainError,
};

/// The largest side of a kernel, in pixels.
const SIDE_MAX: u32 = 63;
/// How many kernels a recipe may list.
const KERNELS_MAX: usize = 32;

/// A Gaussian blur; by default it never happens.
///
/// The kernel is a Gaussian at whole pixels, cut off at its side and brought to sum 1. Beyond the
/// border the image is mirrored without repeating the border: torchvision's `gaussian_blur`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// How often the image is blurred, 0 to 1.
    pub probability: f32,
    /// Smallest and largest standard deviation in pixels, 0.01 to 100; uniform in between.
    pub sigma: [f32; 2],
    /// Sides of the kernels to choose from, odd, 1 to 63; a side of 1 leaves the image as it is.
    pub kernels: Vec<u32>,
    /// How often each kernel is chosen, relative to the others; none for equally often. Semi-LLIE
    /// takes `floor(4.95 U)` and adds 1 to even numbers, U uniform from 0 to 1: that is `[1, 3, 5]`
    /// with the weights `[2, 2, 0.95]`.
    pub kernel_weights: Vec<f32>,
}

impl Default for Blur {
    fn default() -> Self {
        Self { probability: 0.0, sigma: [0.1, 2.0], kernels: vec![3], kernel_weights: vec![] }
    }
}

impl Blur {
    pub(super) fn check(&self) -> Result<(), TrainError> {
        expect_in("blur.probability", self.probability, 0.0..=1.0)?;
        let [smallest, largest] = self.sigma;
        expect_in("blur.sigma", smallest, 0.01..=100.0)?;
        expect_in("blur.sigma", largest, 0.01..=100.0)?;
        if smallest > largest {
            let detail = format!("expected the smaller value first, got {smallest} and {largest}");
            return Err(refused("blur.sigma", detail));
        }
        self.check_kernels()?;
        self.check_weights()
    }

    fn check_kernels(&self) -> Result<(), TrainError> {
        let n_kernels = self.kernels.len();
        if !(1..=KERNELS_MAX).contains(&n_kernels) {
            let detail = format!("expected 1 to {KERNELS_MAX} of them, got {n_kernels}");
            return Err(refused("blur.kernels", detail));
        }
        let wrong = |side: &&u32| side.is_multiple_of(2) || **side > SIDE_MAX;
        self.kernels.iter().find(wrong).map_or(Ok(()), |side| {
            let detail = format!("expected odd sides of 1 to {SIDE_MAX}, got {side}");
            Err(refused("blur.kernels", detail))
        })
    }

    fn check_weights(&self) -> Result<(), TrainError> {
        let (n_kernels, n_weights) = (self.kernels.len(), self.kernel_weights.len());
        if n_weights != 0 && n_weights != n_kernels {
            let detail =
                format!("expected one for each of {n_kernels} kernels or none, got {n_weights}");
            return Err(refused("blur.kernel_weights", detail));
        }
        for &weight in &self.kernel_weights {
            expect_in("blur.kernel_weights", weight, 0.0..=1e6)?;
        }
        if n_weights != 0 && self.kernel_weights.iter().sum::<f32>() == 0.0 {
            let detail = "expected at least one above 0, got none".to_owned();
            return Err(refused("blur.kernel_weights", detail));
        }
        Ok(())
    }

    /// The kernel's weights from one side to the other, or none where nothing is blurred. Takes
    /// three random numbers.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Option<Vec<f32>> {
        let happens = chance(self.probability, random);
        let sigma = between(self.sigma, random);
        let side = self.side(unit(random));
        (happens && side > 1).then(|| kernel(side, sigma))
    }

    /// The side at a share of the weights' sum, 0 up to 1.
    fn side(&self, share: f32) -> u32 {
        let weight = |idx: usize| self.kernel_weights.get(idx).copied().unwrap_or(1.0);
        let n_kernels = self.kernels.len();
        let mut left = share * (0..n_kernels).map(weight).sum::<f32>();
        for (idx, &side) in self.kernels.iter().enumerate() {
            if left < weight(idx) {
                return side;
            }
            left -= weight(idx);
        }
        // Rounding reached the end of the last kernel that can be chosen.
        let last = (0..n_kernels).rev().find(|&idx| weight(idx) > 0.0);
        self.kernels[last.expect("`check` saw a weight above 0")]
    }
}

/// `exp(-x^2 / (2 sigma^2))` at the whole numbers around 0, brought to sum 1.
fn kernel(side: u32, sigma: f32) -> Vec<f32> {
    let half = (side / 2) as i32;
    let weight = |x: i32| (-0.5 * (x as f32 / sigma).powi(2)).exp();
    let sum: f32 = (-half..=half).map(weight).sum();
    (-half..=half).map(|x| weight(x) / sum).collect()
}

/// Weighs the neighbours of each pixel in both directions; `kernel` has an odd length.
pub(super) fn blur(image: &Image<Srgb>, kernel: &[f32]) -> Image<Srgb> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let half = kernel.len() / 2;
    let mut across = vec![0.0; image.pixels.len()];
    for (row, blurred) in
        image.pixels.chunks_exact(width * 3).zip(across.chunks_exact_mut(width * 3))
    {
        let (pixels, _) = row.as_chunks::<3>();
        let wide: Vec<[f32; 3]> =
            (0..width + 2 * half).map(|x| pixels[mirrored(x, half, width)]).collect();
        for (idx, &weight) in kernel.iter().enumerate() {
            add_scaled(blurred, &wide.as_flattened()[idx * 3..], weight);
        }
    }
    let mut pixels = vec![0.0; across.len()];
    for (y, blurred) in pixels.chunks_exact_mut(width * 3).enumerate() {
        for (idx, &weight) in kernel.iter().enumerate() {
            let row = mirrored(y + idx, half, height);
            add_scaled(blurred, &across[row * width * 3..], weight);
        }
    }
    // The weights' sum may be a rounding above 1.
    pixels.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    Image::new(image.width(), image.height(), pixels)
}

fn add_scaled(sums: &mut [f32], values: &[f32], weight: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

/// The position in `0..n` of the one at `padded` in a line with `half` more on both sides, mirrored
/// at the first and the last as often as it takes.
fn mirrored(padded: usize, half: usize, n: usize) -> usize {
    let period = (2 * n as isize - 2).max(1);
    let idx = (padded as isize - half as isize).rem_euclid(period) as usize;
    idx.min(period as usize - idx).min(n - 1)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::augment::golden::{check, picture};

    #[test]
    fn blurs_are_those_of_torchvision() {
        let blurred = |image: &mut Image<Srgb>, side, sigma| {
            *image = blur(image, &kernel(side, sigma));
        };
        check("blur 3, 0.7", |image| blurred(image, 3, 0.7));
        check("blur 5, 2", |image| blurred(image, 5, 2.0));
        check("blur 7, 1.3", |image| blurred(image, 7, 1.3));
        check("blur 5, 0.1", |image| blurred(image, 5, 0.1));
    }

    #[test]
    fn beyond_the_border_the_image_is_mirrored() {
        let line = |n: usize| -> Vec<usize> { (0..n + 8).map(|x| mirrored(x, 4, n)).collect() };
        assert_eq!(line(5), [4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0]);
        assert_eq!(line(3), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(line(2), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(line(1), [0; 9]);
    }

    #[test]
    fn a_constant_image_of_any_size_stays_as_it_is() {
        for (width, height) in [(1, 1), (2, 1), (1, 7), (9, 4)] {
            let flat = vec![0.4; (width * height * 3) as usize];
            let image = blur(&Image::new(width, height, flat), &kernel(23, 5.0));
            assert!(image.pixels.iter().all(|value| (value - 0.4).abs() < 1e-6), "{image:?}");
        }
    }

    #[test]
    fn a_kernel_of_one_pixel_changes_nothing() {
        let image = picture(4, 3);
        assert_eq!(blur(&image, &kernel(1, 2.0)), image);
        let one = Blur { probability: 1.0, kernels: vec![1], ..Blur::default() };
        assert_eq!(one.draw(&mut ChaCha8Rng::seed_from_u64(1)), None);
    }

    #[test]
    fn kernels_are_chosen_by_their_weights() {
        let blur = Blur {
            kernels: vec![1, 3, 5],
            kernel_weights: vec![2.0, 2.0, 0.95],
            ..Blur::default()
        };
        // The rule that the weights stand for.
        for step in 0..10_000 {
            let share = (step as f32 + 0.5) / 10_000.0;
            let drawn = (4.95 * share).floor() as u32;
            let expected = if drawn.is_multiple_of(2) { drawn + 1 } else { drawn };
            assert_eq!(blur.side(share), expected, "{share}");
        }
        let zero_last = Blur { kernel_weights: vec![1.0, 1.0, 0.0], ..blur };
        assert_eq!(zero_last.side(1.0), 3);
    }

    #[test]
    fn the_blur_happens_as_often_as_its_probability_says() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let blur = Blur { probability: 0.3, ..Blur::default() };
        let n_blurred = (0..4000).filter(|_| blur.draw(&mut random).is_some()).count();
        // Four standard deviations around 1200.
        assert!(n_blurred.abs_diff(1200) < 116, "{n_blurred}");
    }

    #[test]
    fn the_width_of_the_kernel_is_uniform_in_its_range() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let blur = Blur { probability: 1.0, sigma: [0.5, 2.5], ..Blur::default() };
        let sigma = |kernel: Vec<f32>| (0.5 / (kernel[1] / kernel[0]).ln()).sqrt();
        let drawn: Vec<f32> = (0..4000).map(|_| sigma(blur.draw(&mut random).unwrap())).collect();
        assert!(drawn.iter().all(|sigma| (0.499..2.501).contains(sigma)));
        let mean = drawn.iter().sum::<f32>() / 4000.0;
        // Four standard deviations of the mean.
        assert!((mean - 1.5).abs() < 0.037, "{mean}");
    }
}
