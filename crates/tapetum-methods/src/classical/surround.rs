//! Gaussian means with any standard deviation in time that does not depend on it.
//!
//! Half a Gaussian, `exp(-x^2/2)` for `x >= 0`, is nearly a sum of three damped waves, and a damped wave
//! is a recursion over two numbers. (R. Deriche, *Recursively Implementing the Gaussian and Its
//! Derivatives*, INRIA 1893, 1993, has two; these three were fitted by least squares, see
//! `tools/golden/classical.py`.) The sum differs from the Gaussian by at most 8.4e-6, and by 7e-6 of
//! its area in all.

use rayon::prelude::*;

/// `exp(-damping x) (cosine cos(frequency x) + sine sin(frequency x))`.
struct Wave {
    damping: f64,
    frequency: f64,
    cosine: f64,
    sine: f64,
}

const WAVES: [Wave; 3] = [
    Wave { damping: 2.18270198, frequency: 0.52662041, cosine: 3.15430464, sine: 7.31239953 },
    Wave { damping: 2.15161183, frequency: 1.6161724, cosine: -2.31281483, sine: -0.91995063 },
    Wave { damping: 2.07925442, frequency: 2.85678778, cosine: 0.15850174, sine: -0.04389727 },
];

/// Lines that are filtered side by side.
const N_LANES: usize = 16;
type Lanes = [f32; N_LANES];

/// The means of a plane in rows of `width`, weighted by a Gaussian around each pixel. Near a border it
/// is the mean over the pixels that exist.
pub(super) fn gaussian_means(plane: &[f32], width: usize, deviation_px: f64) -> Vec<f32> {
    let along_columns = filter_and_transpose(plane, width, deviation_px);
    filter_and_transpose(&along_columns, plane.len() / width, deviation_px)
}

/// Filters the columns of a plane; they are the rows of the result.
fn filter_and_transpose(plane: &[f32], width: usize, deviation_px: f64) -> Vec<f32> {
    let height = plane.len() / width;
    let areas = sums(&vec![[1.0; N_LANES]; height], deviation_px);
    let mut result = vec![0.0; plane.len()];
    result.par_chunks_mut(N_LANES * height).enumerate().for_each(|(idx, rows)| {
        let (start, n_columns) = (idx * N_LANES, rows.len() / height);
        let mut lines = vec![[0.0; N_LANES]; height];
        for (line, row) in lines.iter_mut().zip(plane.chunks_exact(width)) {
            line[..n_columns].copy_from_slice(&row[start..start + n_columns]);
        }
        let sums = sums(&lines, deviation_px);
        for (lane, row) in rows.chunks_exact_mut(height).enumerate() {
            for (value, (sum, area)) in row.iter_mut().zip(sums.iter().zip(&areas)) {
                *value = sum[lane] / area[lane];
            }
        }
    });
    result
}

/// Sums along the lines, weighted by a Gaussian that is 1 in its middle.
fn sums(lines: &[Lanes], deviation_px: f64) -> Vec<Lanes> {
    let mut sums = vec![[0.0; N_LANES]; lines.len()];
    for wave in &WAVES {
        let decay = (-wave.damping / deviation_px).exp();
        let (sine, cosine) = (wave.frequency / deviation_px).sin_cos();
        let turn = [decay * cosine, decay * sine].map(|value| value as f32);
        let shares = [wave.cosine, wave.sine].map(|value| value as f32);
        let mut state = [[0.0; N_LANES]; 2];
        for (sum, line) in sums.iter_mut().zip(lines) {
            advance(&mut state, turn);
            add(&mut state[0], line);
            add_wave(sum, &state, shares);
        }
        // The middle counts once: what lies ahead joins after the turn.
        let mut state = [[0.0; N_LANES]; 2];
        for (sum, line) in sums.iter_mut().zip(lines).rev() {
            advance(&mut state, turn);
            add_wave(sum, &state, shares);
            add(&mut state[0], line);
        }
    }
    sums
}

/// One step along the line: the state is a complex number, and turns and shrinks.
fn advance([real, imaginary]: &mut [Lanes; 2], turn: [f32; 2]) {
    for (real, imaginary) in real.iter_mut().zip(imaginary) {
        let before = [*real, *imaginary];
        *real = turn[0] * before[0] - turn[1] * before[1];
        *imaginary = turn[0] * before[1] + turn[1] * before[0];
    }
}

fn add(to: &mut Lanes, values: &Lanes) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += value);
}

fn add_wave(sum: &mut Lanes, [real, imaginary]: &[Lanes; 2], shares: [f32; 2]) {
    for (sum, (real, imaginary)) in sum.iter_mut().zip(real.iter().zip(imaginary)) {
        *sum += shares[0] * real + shares[1] * imaginary;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by adding up every pixel.
    fn expected(plane: &[f32], width: usize, deviation_px: f64) -> Vec<f64> {
        let height = plane.len() / width;
        let along = |values: &[f64]| -> Vec<f64> {
            let weight =
                |a: usize, b: usize| (-0.5 * ((a as f64 - b as f64) / deviation_px).powi(2)).exp();
            let mean = |at: usize| {
                let weighted =
                    values.iter().enumerate().map(|(idx, value)| weight(at, idx) * value);
                weighted.sum::<f64>() / (0..values.len()).map(|idx| weight(at, idx)).sum::<f64>()
            };
            (0..values.len()).map(mean).collect()
        };
        let rows: Vec<Vec<f64>> = plane
            .chunks_exact(width)
            .map(|row| along(&row.iter().copied().map(f64::from).collect::<Vec<_>>()))
            .collect();
        let mut result = vec![0.0; plane.len()];
        for x in 0..width {
            let column: Vec<f64> = rows.iter().map(|row| row[x]).collect();
            (0..height).zip(along(&column)).for_each(|(y, value)| result[y * width + x] = value);
        }
        result
    }

    #[test]
    fn means_are_those_of_the_gaussian() {
        for (width, height) in [(1, 1), (1, 40), (61, 1), (17, 5), (90, 70)] {
            let plane: Vec<f32> =
                (0..width * height).map(|idx| (idx * 7919 % 256) as f32 / 255.0).collect();
            for deviation_px in [15.0, 80.0, 250.0] {
                let found = gaussian_means(&plane, width, deviation_px);
                let expected = expected(&plane, width, deviation_px);
                let differences =
                    found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
                let peak = differences.fold(0.0, f64::max);
                // Twice 7e-6 for the two directions, and rounding.
                assert!(peak < 3e-5, "{width}x{height} {deviation_px}: {peak}");
            }
        }
    }

    #[test]
    fn a_plane_of_one_value_keeps_it() {
        let means = gaussian_means(&vec![0.7; 300 * 20], 300, 80.0);
        let peak = means.iter().map(|mean| (mean - 0.7).abs()).fold(0.0, f32::max);
        // Rounding, summed up over the reach of the Gaussian.
        assert!(peak < 1e-5, "{peak}");
    }
}
