//! The Fréchet distance of two sets of features, each taken as normally distributed.

use crate::MetricError;

const METRIC: &str = "Fréchet distance";
/// Rotations are done when all pairs are this close to orthogonal, relative to their lengths.
const ORTHOGONAL: f64 = 1e-12;
/// Squared length of a row, relative to that of the matrix, that is taken for rounding.
const NEGLIGIBLE: f64 = 1e-30;
/// Passes over all pairs; about ten suffice.
const N_PASSES_MAX: usize = 60;

/// `|μ₁ - μ₂|² + Tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)` of two sets of feature vectors of one length, with covariances divided by
/// `n - 1` ([Fréchet 1957], [Heusel 2017]). From 0.
///
/// With `X` the centred features, a row a sample, `Tr (Σ₁ Σ₂)^½` is the sum of the singular values of
/// `X₁ X₂ᵀ / √((n₁ - 1)(n₂ - 1))`: exact however few samples there are, where the root of a large singular
/// matrix is not.
///
/// # Errors
/// When a set has fewer than two vectors, their lengths differ, or a value is not finite.
pub fn frechet_distance(first: &[Vec<f64>], second: &[Vec<f64>]) -> Result<f64, MetricError> {
    check(first, second)?;
    let [(mean_first, first), (mean_second, second)] = [first, second].map(centred);
    let shift: f64 = mean_first.iter().zip(&mean_second).map(|(a, b)| (a - b).powi(2)).sum();
    let [trace_first, trace_second] = [&first, &second]
        .map(|set| set.iter().map(|row| dot(row, row)).sum::<f64>() / (set.len() - 1) as f64);
    let scale = (((first.len() - 1) * (second.len() - 1)) as f64).sqrt();
    let [first, second] = [first, second].map(compressed);
    let products = first.iter().map(|a| second.iter().map(|b| dot(a, b)).collect());
    let root = singular_values(products.collect()).iter().sum::<f64>() / scale;
    // Rounding can leave a little below 0 for equal sets.
    Ok((shift + trace_first + trace_second - 2.0 * root).max(0.0))
}

fn check(first: &[Vec<f64>], second: &[Vec<f64>]) -> Result<(), MetricError> {
    let undefined = |detail| Err(MetricError::Undefined { metric: METRIC, detail });
    let (n_first, n_second) = (first.len(), second.len());
    if n_first < 2 || n_second < 2 {
        return undefined(format!(
            "expected two samples or more a set, got {n_first} and {n_second}"
        ));
    }
    let n_features = first[0].len();
    if let Some(row) = first.iter().chain(second).find(|row| row.len() != n_features) {
        return undefined(format!("expected {n_features} features a sample, got {}", row.len()));
    }
    if let Some(value) = first.iter().chain(second).flatten().find(|value| !value.is_finite()) {
        return undefined(format!("expected finite features, got {value}"));
    }
    Ok(())
}

/// The mean, and the samples without it.
fn centred(samples: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut mean = vec![0.0; samples[0].len()];
    for row in samples {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= samples.len() as f64);
    let rows = samples.iter().map(|row| row.iter().zip(&mean).map(|(a, b)| a - b).collect());
    let rows = rows.collect();
    (mean, rows)
}

/// At most as many rows as there are features, with the same `Xᵀ X`: the samples themselves, or the rows
/// of its Cholesky factor with pivots.
fn compressed(samples: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n_features = samples[0].len();
    if samples.len() <= n_features {
        return samples;
    }
    let columns: Vec<Vec<f64>> =
        (0..n_features).map(|idx| samples.iter().map(|row| row[idx]).collect()).collect();
    let mut rest: Vec<Vec<f64>> =
        columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    let largest = |rest: &[Vec<f64>]| {
        (0..n_features)
            .max_by(|&a, &b| rest[a][a].total_cmp(&rest[b][b]))
            .map(|at| (at, rest[at][at]))
    };
    let start = largest(&rest).map_or(0.0, |(_, value)| value);
    let mut factor = Vec::with_capacity(n_features);
    while let Some((pivot, value)) = largest(&rest)
        && value > start * 1e-15
        && factor.len() < n_features
    {
        let row: Vec<f64> = rest[pivot].iter().map(|entry| entry / value.sqrt()).collect();
        for (entries, &factor) in rest.iter_mut().zip(&row) {
            entries.iter_mut().zip(&row).for_each(|(entry, other)| *entry -= factor * other);
        }
        factor.push(row);
    }
    factor
}

/// Rotates pairs of rows until all are orthogonal ([Hestenes 1958]); their lengths are the singular values.
fn singular_values(matrix: Vec<Vec<f64>>) -> Vec<f64> {
    let n_columns = matrix.first().map_or(0, Vec::len);
    let mut rows = if matrix.len() <= n_columns { matrix } else { transposed(&matrix) };
    let negligible = NEGLIGIBLE * rows.iter().map(|row| dot(row, row)).sum::<f64>();
    for _ in 0..N_PASSES_MAX {
        let mut is_orthogonal = true;
        for second in 1..rows.len() {
            let (before, after) = rows.split_at_mut(second);
            for row in before {
                is_orthogonal &= !orthogonalize(row, &mut after[0], negligible);
            }
        }
        if is_orthogonal {
            break;
        }
    }
    rows.iter().map(|row| dot(row, row).sqrt()).collect()
}

/// Whether the two had to be rotated. Rows whose squares sum to less than `negligible` are rounding.
fn orthogonalize(first: &mut [f64], second: &mut [f64], negligible: f64) -> bool {
    let product = dot(first, second);
    let (square_first, square_second) = (dot(first, first), dot(second, second));
    let is_small = square_first.min(square_second) <= negligible;
    if is_small || product.abs() <= ORTHOGONAL * (square_first * square_second).sqrt() {
        return false;
    }
    let ratio = (square_second - square_first) / (2.0 * product);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (a, b) in first.iter_mut().zip(second) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
    true
}

fn transposed(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n_columns = matrix.first().map_or(0, Vec::len);
    (0..n_columns).map(|column| matrix.iter().map(|row| row[column]).collect()).collect()
}

/// Eight sums side by side, which the processor adds at once.
fn dot(first: &[f64], second: &[f64]) -> f64 {
    let ((first, rest_first), (second, rest_second)) =
        (first.as_chunks::<8>(), second.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in first.iter().zip(second) {
        for idx in 0..8 {
            sums[idx] += a[idx] * b[idx];
        }
    }
    let rest = rest_first.iter().zip(rest_second).map(|(a, b)| a * b).sum::<f64>();
    sums.iter().sum::<f64>() + rest
}
