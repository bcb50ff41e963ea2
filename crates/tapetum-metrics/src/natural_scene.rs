//! Asymmetric generalised Gaussians: how normalised values and their products are distributed.

use std::sync::LazyLock;

use libm::{lgamma, tgamma};

/// The shapes that NIQE tries: 0.2 to 10 in steps of 0.001.
const SHAPE_MIN: f64 = 0.2;
const SHAPE_STEP: f64 = 0.001;
const N_SHAPES: usize = 9801;

/// `Γ(2/α)² / (Γ(1/α) Γ(3/α))` of each shape, ascending.
static SHAPE_RATIOS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..N_SHAPES).map(|idx| ratio(shape_at(idx))).collect());

/// Sums over values that a fit needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SignedMoments {
    pub(crate) n_values: f64,
    pub(crate) n_negative: f64,
    pub(crate) n_positive: f64,
    /// Sums of squares of the negative and of the positive values.
    pub(crate) negative_squares: f64,
    pub(crate) positive_squares: f64,
    pub(crate) absolute: f64,
}

impl SignedMoments {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Self::default(), |sums, value| {
            let is_negative = f64::from(u8::from(value < 0.0));
            let is_positive = f64::from(u8::from(value > 0.0));
            let square = value * value;
            Self {
                n_values: sums.n_values + 1.0,
                n_negative: sums.n_negative + is_negative,
                n_positive: sums.n_positive + is_positive,
                negative_squares: sums.negative_squares + is_negative * square,
                positive_squares: sums.positive_squares + is_positive * square,
                absolute: sums.absolute + value.abs(),
            }
        })
    }

    /// `R̂`: the mean absolute value squared over the mean square, corrected for the two sides' standard
    /// deviations being `left` and `right` [Lasmar 2009].
    pub(crate) fn corrected_ratio(&self, left: f64, right: f64) -> f64 {
        let sides = left / right;
        let mean_square = (self.negative_squares + self.positive_squares) / self.n_values;
        let ratio = (self.absolute / self.n_values).powi(2) / mean_square;
        ratio * (sides.powi(3) + 1.0) * (sides + 1.0) / (sides.powi(2) + 1.0).powi(2)
    }
}

/// A fitted distribution: shape `α` and scales `β_l`, `β_r`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AsymmetricGaussian {
    pub(crate) shape: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
}

impl AsymmetricGaussian {
    /// By moment matching on the grid of shapes. NaN scales where a side is empty, the shape then being
    /// the first of the grid, as NumPy's `argmin` gives it.
    pub(crate) fn fit(moments: &SignedMoments) -> Self {
        let left = (moments.negative_squares / moments.n_negative).sqrt();
        let right = (moments.positive_squares / moments.n_positive).sqrt();
        let shape = nearest_shape(moments.corrected_ratio(left, right));
        let scale = (tgamma(1.0 / shape) / tgamma(3.0 / shape)).sqrt();
        Self { shape, left: left * scale, right: right * scale }
    }

    /// `(β_r - β_l) Γ(2/α) / Γ(1/α)` [Mittal 2013, Eq. 8].
    pub(crate) fn mean(&self) -> f64 {
        (self.right - self.left) * (tgamma(2.0 / self.shape) / tgamma(1.0 / self.shape))
    }
}

/// `Γ(2/α)² / (Γ(1/α) Γ(3/α))`: rises with `α` from 0 to 3/4.
pub(crate) fn ratio(shape: f64) -> f64 {
    (2.0 * lgamma(2.0 / shape) - lgamma(1.0 / shape) - lgamma(3.0 / shape)).exp()
}

fn shape_at(idx: usize) -> f64 {
    SHAPE_MIN + SHAPE_STEP * idx as f64
}

fn nearest_shape(wanted: f64) -> f64 {
    let ratios = &*SHAPE_RATIOS;
    let above = ratios.partition_point(|&ratio| ratio < wanted).min(N_SHAPES - 1);
    let below = above.saturating_sub(1);
    let is_below_nearer = wanted - ratios[below] <= ratios[above] - wanted;
    shape_at(if is_below_nearer { below } else { above })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_and_laplace_moments_give_shapes_two_and_one() {
        // Quantiles stand for samples; a Laplace quantile is a signed logarithm.
        let laplace = (1..400_000).map(|idx| {
            let share = f64::from(idx) / 400_000.0 - 0.5;
            -share.signum() * (1.0 - 2.0 * share.abs()).ln()
        });
        let fitted = AsymmetricGaussian::fit(&SignedMoments::of(laplace));
        assert!((fitted.shape - 1.0).abs() < 5e-3 && (fitted.left - 1.0).abs() < 5e-3);
        // The ratio of a normal distribution is 2/π.
        assert!((nearest_shape(2.0 / std::f64::consts::PI) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_side_gives_the_first_shape_and_no_scale() {
        let fitted = AsymmetricGaussian::fit(&SignedMoments::of([1.0, 2.0].into_iter()));
        assert!(fitted.shape == 0.2 && fitted.left.is_nan());
        assert_eq!((nearest_shape(0.0), nearest_shape(0.9)), (0.2, 10.0));
    }
}
