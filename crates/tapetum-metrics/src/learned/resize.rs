//! Bicubic resizing with antialiasing.

use crate::Plane;

/// Keys' cubic with a = -1/2, stretched by the reduction where the plane gets smaller, its weights
/// brought to sum 1 at the borders: what PIL's `BICUBIC` does to floats.
pub(super) fn bicubic(plane: &Plane, width: usize, height: usize) -> Plane {
    let columns = taps(plane.width, width);
    let rows = taps(plane.height, height);
    let mut narrow = Vec::with_capacity(width * plane.height);
    for y in 0..plane.height {
        let row = plane.row(y);
        narrow.extend(columns.iter().map(|tap| tap.sum(|x| row[x])));
    }
    let mut values = Vec::with_capacity(width * height);
    for tap in &rows {
        values.extend((0..width).map(|x| tap.sum(|y| narrow[y * width + x])));
    }
    Plane::new(width, height, values)
}

/// The inputs of one output.
struct Tap {
    first: usize,
    weights: Vec<f64>,
}

impl Tap {
    fn sum(&self, value: impl Fn(usize) -> f64) -> f64 {
        self.weights.iter().zip(self.first..).map(|(weight, idx)| weight * value(idx)).sum()
    }
}

fn taps(n_in: usize, n_out: usize) -> Vec<Tap> {
    let step = n_in as f64 / n_out as f64;
    let stretch = step.max(1.0);
    let support = 2.0 * stretch;
    let tap = |idx: usize| {
        let centre = (idx as f64 + 0.5) * step;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(n_in);
        let weights = (first..end).map(|at| cubic((at as f64 + 0.5 - centre) / stretch));
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        Tap { first, weights: weights.iter().map(|weight| weight / sum).collect() }
    };
    (0..n_out).map(tap).collect()
}

fn cubic(distance: f64) -> f64 {
    const A: f64 = -0.5;
    match distance.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_and_larger_planes_are_those_of_pil() {
        let values = (0..17).flat_map(|y| (0..23).map(move |x| (x * 7 + y * 13) % 11 * 20));
        let plane = Plane::new(23, 17, values.map(f64::from).collect());
        // Printed by tools/golden/learned.py, with Pillow 13.0.
        let cases = [
            ([5, 4], [97.4127, 100.3353, 100.9664, 102.5873]),
            ([40, 31], [-14.3321, -9.6009, 106.6077, 214.3321]),
        ];
        for ([width, height], expected) in cases {
            let resized = bicubic(&plane, width, height);
            let places = [(0, 0), (width - 1, 0), (2, 3), (width - 1, height - 1)];
            for ((x, y), expected) in places.into_iter().zip(expected) {
                let found = resized.at(x, y);
                assert!((found - expected).abs() < 2e-4, "{width}x{height} at {x}, {y}: {found}");
            }
        }
    }

    #[test]
    fn a_constant_plane_stays_constant() {
        for size in [1, 7, 600] {
            let plane = Plane::new(size, 3, vec![200.0; size * 3]);
            let resized = bicubic(&plane, 299, 299);
            assert!(resized.values.iter().all(|value| (value - 200.0).abs() < 1e-9), "{size}");
        }
    }
}
