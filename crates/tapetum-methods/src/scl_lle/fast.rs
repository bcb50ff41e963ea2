//! A fast, approximate way for large images: the curve's rates from a reduced copy, with kernels that see
//! on it what the network sees on the image.
//!
//! The curve maps are smooth, so that a reduced copy has room for them. The network reads them from a
//! neighbourhood of some pixels, though, which on a reduced copy would be wider than on the image: it
//! would answer to other things. So every kernel is moved to the copy's scale first. With the factor `f`,
//! its taps at -1, 0 and 1 lie at `-1/f`, 0 and `1/f` there, and a value between pixels is that of the
//! parabola through the three nearest: means, slopes and curvatures keep their effect. At `f = 1` the
//! kernels are the network's own.

use tapetum_image::{Image, Srgb};
use tapetum_nn::{
    FastEnhancer,
    kernels::{BandLayer, BandPlan, Compute, Instructions, Precision, ReducedCurve, rates_of_row},
};

/// The curve of one image, estimated on its reduced copy.
pub struct FastCurve {
    curve: ReducedCurve,
}

impl FastCurve {
    /// Runs the network's `layers` on the means `reduced` over blocks of `factor` times `factor` pixels.
    pub(super) fn estimate(
        layers: &[BandLayer],
        precision: Precision,
        reduced: &Image<Srgb>,
        factor: u32,
    ) -> Self {
        let weights: Vec<Vec<f32>> =
            layers.iter().map(|layer| at_scale(layer.weight, factor)).collect();
        let layers: Vec<BandLayer> = layers
            .iter()
            .zip(&weights)
            .map(|(layer, weight)| BandLayer { weight, ..*layer })
            .collect();
        let plan =
            BandPlan::new(Compute { instructions: Instructions::best(), precision }, 3, &layers);
        let width = reduced.width() as usize;
        let mut rates = vec![0.0; width * reduced.height() as usize * 32];
        plan.run(&reduced.pixels, width, rates_of_row, &mut rates);
        Self { curve: ReducedCurve::new(rates, width, factor as usize) }
    }
}

impl FastEnhancer for FastCurve {
    fn enhance_part(&self, part: &Image<Srgb>, x: u32, y: u32) -> Image<Srgb> {
        let mut pixels = vec![0.0; part.pixels.len()];
        let (place, width) = ([x as usize, y as usize], part.width() as usize);
        self.curve.apply(Instructions::best(), place, &part.pixels, width, &mut pixels);
        Image::new(part.width(), part.height(), pixels)
    }
}

/// Kernels `[…, 3, 3]` of an image for its reduced copy: `M K Mᵀ`, where column `j` of `M` holds the
/// weights with which tap `j` reads the copy's pixels.
fn at_scale(kernels: &[f32], factor: u32) -> Vec<f32> {
    let distance = 1.0 / f64::from(factor);
    let (near, far) = (distance * (distance + 1.0) / 2.0, distance * (distance - 1.0) / 2.0);
    let centre = 1.0 - distance * distance;
    let moved = |[before, at, after]: [f64; 3]| {
        [near * before + far * after, centre * (before + after) + at, far * before + near * after]
    };
    let (kernels, _) = kernels.as_chunks::<9>();
    let kernel_at_scale = |kernel: &[f32; 9]| {
        let value = |row: usize, column: usize| f64::from(kernel[row * 3 + column]);
        let rows = [0, 1, 2].map(|row| moved([0, 1, 2].map(|column| value(row, column))));
        let columns = [0, 1, 2].map(|column| moved([0, 1, 2].map(|row| rows[row][column])));
        [0, 1, 2].map(|row| [0, 1, 2].map(|column| columns[column][row] as f32))
    };
    kernels.iter().flat_map(kernel_at_scale).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: [f32; 9] = [0.5, -1.0, 0.25, 2.0, 0.125, -0.5, 1.0, 0.75, -2.0];

    #[test]
    fn at_factor_one_kernels_stay() {
        assert_eq!(at_scale(&KERNEL.repeat(3), 1), KERNEL.repeat(3));
    }

    #[test]
    fn kernels_answer_to_a_parabola_as_on_the_image() {
        let answer = |kernel: &[f32], step: f64| -> f64 {
            let term = |(idx, weight): (usize, &f32)| {
                let (x, y) = ((idx % 3) as f64 - 1.0, (idx / 3) as f64 - 1.0);
                let (x, y) = (x * step, y * step);
                f64::from(*weight) * (1.0 + x - 2.0 * y + 0.5 * x * y - x * x + 3.0 * y * y)
            };
            kernel.iter().enumerate().map(term).sum()
        };
        for factor in 1..=10 {
            let found = answer(&at_scale(&KERNEL, factor), f64::from(factor));
            let expected = answer(&KERNEL, 1.0);
            // Weights rounded to 2^-24 of their value, of a parabola in hundreds.
            assert!((found - expected).abs() < 1e-4, "{factor}: {found} for {expected}");
        }
    }
}
