//! Two-dimensional Fourier transforms of one size.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner, num_complex::Complex};

/// Forward and inverse transforms between an image, row by row, and its spectrum, column by column.
pub(crate) struct Fourier {
    width: usize,
    height: usize,
    rows: [Arc<dyn Fft<f64>>; 2],
    columns: [Arc<dyn Fft<f64>>; 2],
}

impl Fourier {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut both = |n: usize| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        let (rows, columns) = (both(width), both(height));
        Self { width, height, rows, columns }
    }

    /// The spectrum of real values, not normalised; frequency `(x, y)` at `x * height + y`.
    pub(crate) fn forward(&self, values: &[f64]) -> Vec<Complex<f64>> {
        let mut image: Vec<_> = values.iter().map(|&value| Complex::new(value, 0.0)).collect();
        self.rows[0].process(&mut image);
        let mut spectrum = image.clone();
        transpose(&image, &mut spectrum, self.width);
        self.columns[0].process(&mut spectrum);
        spectrum
    }

    /// The image of a spectrum, times the number of pixels. The spectrum is used up.
    pub(crate) fn inverse(&self, spectrum: &mut [Complex<f64>], image: &mut [Complex<f64>]) {
        self.columns[1].process(spectrum);
        transpose(spectrum, image, self.height);
        self.rows[1].process(image);
    }
}

/// Rows of `width` values become columns; in blocks, because a column on its own is a cache miss a value.
fn transpose(from: &[Complex<f64>], to: &mut [Complex<f64>], width: usize) {
    const BLOCK: usize = 8;
    let height = from.len() / width;
    for top in (0..height).step_by(BLOCK) {
        for x in 0..width {
            let column = &mut to[x * height + top..x * height + height.min(top + BLOCK)];
            for (value, y) in column.iter_mut().zip(top..) {
                *value = from[y * width + x];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn a_spectrum_is_the_sum_of_its_definition_and_comes_back() {
        let (width, height) = (6, 35);
        let values: Vec<f64> = (0..210).map(|idx| (0.7 * f64::from(idx)).sin()).collect();
        let fourier = Fourier::new(width, height);
        let mut spectrum = fourier.forward(&values);
        let (u, v) = (2, 11);
        let expected: Complex<f64> = (0..width * height)
            .map(|idx| {
                let (x, y) = (idx % width, idx / width);
                let turns = (u * x) as f64 / width as f64 + (v * y) as f64 / height as f64;
                Complex::from_polar(values[idx], -TAU * turns)
            })
            .sum();
        assert!((spectrum[u * height + v] - expected).norm() < 1e-11);
        let mut image = spectrum.clone();
        fourier.inverse(&mut spectrum, &mut image);
        let close = |(found, value): (&Complex<f64>, &f64)| (found / 210.0 - value).norm() < 1e-12;
        assert!(image.iter().zip(&values).all(close));
    }
}
