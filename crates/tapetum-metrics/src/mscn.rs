//! Mean-subtracted, contrast-normalised values, which NIQE and BRISQUE look at.

use crate::Plane;

const TAPS: usize = 7;
const HALF: usize = TAPS / 2;
const SIGMA: f64 = 7.0 / 6.0;
/// Differences from the local mean below this, on the scale 0..255, are rounding and become zero: in
/// a flat area their signs would otherwise be chance.
const ROUNDING: f64 = 1e-10;

/// What lies outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// The nearest pixel.
    Replicate,
    /// Zero.
    Zero,
}

/// `(I - μ) / (σ + 1)` and `σ`, of the input's size.
pub(crate) struct Normalized {
    pub(crate) values: Plane,
    pub(crate) deviation: Plane,
}

/// Normalises a plane of the scale 0..255 [Mittal 2012, Eq. 1-3]: `μ` and `σ` are mean and standard
/// deviation under a Gaussian of 7x7 taps, σ 7/6.
pub(crate) fn normalize(plane: &Plane, border: Border) -> Normalized {
    let mean = blur(plane, border);
    let mean_square = blur(&plane.map(|value| value * value), border);
    let deviation = mean_square.zip(&mean, |square, mean| (square - mean * mean).abs().sqrt());
    let centred = plane.zip(&mean, |value, mean| value - mean);
    let values = centred.zip(&deviation, |difference, deviation| {
        if difference.abs() < ROUNDING { 0.0 } else { difference / (deviation + 1.0) }
    });
    Normalized { values, deviation }
}

/// A Gaussian of 7 taps down the columns, then along the rows.
fn blur(plane: &Plane, border: Border) -> Plane {
    let (width, height) = (plane.width, plane.height);
    let weights = weights();
    let mut values = Vec::with_capacity(width * height);
    let mut padded = vec![0.0; width + 2 * HALF];
    for y in 0..height {
        padded.fill(0.0);
        let column_sums = &mut padded[HALF..HALF + width];
        for (tap, &weight) in weights.iter().enumerate() {
            let Some(row_idx) = source(y + tap, height, border) else { continue };
            for (sum, &value) in column_sums.iter_mut().zip(plane.row(row_idx)) {
                *sum += weight * value;
            }
        }
        if border == Border::Replicate {
            let (first, last) = (padded[HALF], padded[HALF + width - 1]);
            padded[..HALF].fill(first);
            padded[HALF + width..].fill(last);
        }
        let row = padded.windows(TAPS).map(|window| dot(window, &weights));
        values.extend(row);
    }
    Plane::new(width, height, values)
}

/// The row under a tap: `position` is the row's index plus [`HALF`].
fn source(position: usize, height: usize, border: Border) -> Option<usize> {
    let inside = (HALF..HALF + height).contains(&position);
    (inside || border == Border::Replicate).then(|| position.saturating_sub(HALF).min(height - 1))
}

fn dot(window: &[f64], weights: &[f64; TAPS]) -> f64 {
    window.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

fn weights() -> [f64; TAPS] {
    let mut weights = [0.0; TAPS];
    for (weight, offset) in weights.iter_mut().zip(-(HALF as i32)..) {
        *weight = (-0.5 * (f64::from(offset) / SIGMA).powi(2)).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_plane_has_no_structure_but_at_a_zero_border() {
        let flat = Plane::new(20, 9, vec![200.3; 180]);
        let replicated = normalize(&flat, Border::Replicate);
        assert!(replicated.values.values.iter().all(|&value| value == 0.0));
        assert!(replicated.deviation.values.iter().all(|&value| value < 1e-4));
        let zero = normalize(&flat, Border::Zero).values;
        assert!(zero.at(0, 0) > 0.5 && zero.at(10, 4) == 0.0);
    }
}
