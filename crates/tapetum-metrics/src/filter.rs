//! A separable window that slides over two planes together.

use crate::Plane;

/// What lies outside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// Nothing: only windows inside the image count.
    Valid,
    /// Zeros, so that each pixel has a window around it.
    Zero,
}

/// Weights of a Gaussian whose centre is tap `n_taps / 2`; they sum to 1.
pub(crate) fn gaussian(n_taps: usize, sigma: f64) -> Vec<f64> {
    let distance = |tap: usize| tap as f64 - (n_taps / 2) as f64;
    let weight = |tap| (-distance(tap).powi(2) / (2.0 * sigma * sigma)).exp();
    let sum: f64 = (0..n_taps).map(weight).sum();
    (0..n_taps).map(|tap| weight(tap) / sum).collect()
}

/// `n_taps` equal weights that sum to 1.
pub(crate) fn uniform(n_taps: usize) -> Vec<f64> {
    vec![1.0 / n_taps as f64; n_taps]
}

/// Hands to `each_row`, from the top, one row of windowed means for each of `quantities`, which are
/// made of a pixel of the first and the pixel of the second plane at the same place.
///
/// A row is filtered along as it comes in and kept until the window has passed it: nothing larger than
/// `taps.len()` rows is ever held.
pub(crate) fn slide<const N: usize>(
    planes: [&Plane; 2],
    taps: &[f64],
    border: Border,
    quantities: impl Fn(f64, f64) -> [f64; N],
    mut each_row: impl FnMut([&[f64]; N]),
) {
    let [first, second] = planes;
    let margin = if border == Border::Zero { taps.len() / 2 } else { 0 };
    let (width, height) = (first.width + 2 * margin, first.height + 2 * margin);
    assert!(taps.len() <= width.min(height), "a window of {} in {width}x{height}", taps.len());
    let out_width = width + 1 - taps.len();

    let mut lines = [(); N].map(|()| vec![0.0; width]);
    let mut kept = [(); N].map(|()| vec![0.0; taps.len() * out_width]);
    let mut means = [(); N].map(|()| vec![0.0; out_width]);
    for y in 0..height {
        let newest = y % taps.len() * out_width..(y % taps.len() + 1) * out_width;
        for (idx, (line, kept)) in lines.iter_mut().zip(&mut kept).enumerate() {
            let filtered = &mut kept[newest.clone()];
            if y < margin || y >= margin + first.height {
                filtered.fill(0.0);
                continue;
            }
            let pairs = first.row(y - margin).iter().zip(second.row(y - margin));
            for (value, (&a, &b)) in line[margin..].iter_mut().zip(pairs) {
                *value = quantities(a, b)[idx];
            }
            along(line, taps, filtered);
        }
        if y + 1 >= taps.len() {
            for (mean, kept) in means.iter_mut().zip(&kept) {
                across(kept, newest.end, taps, mean);
            }
            each_row(means.each_ref().map(Vec::as_slice));
        }
    }
}

/// Windowed means of one line.
fn along(line: &[f64], taps: &[f64], out: &mut [f64]) {
    let shifted: Vec<&[f64]> = (0..taps.len()).map(|tap| &line[tap..]).collect();
    weighted_sum(&shifted, taps, out);
}

/// Windowed means down the columns of as many rows as there are taps, the oldest of which begins at
/// `oldest` and follows the newest.
fn across(kept: &[f64], oldest: usize, taps: &[f64], out: &mut [f64]) {
    let (newer, older) = kept.split_at(oldest);
    let rows = older.chunks_exact(out.len()).chain(newer.chunks_exact(out.len()));
    weighted_sum(&rows.collect::<Vec<_>>(), taps, out);
}

/// `out[x] = Σ taps[i] rows[i][x]`, in blocks that stay in registers.
fn weighted_sum(rows: &[&[f64]], taps: &[f64], out: &mut [f64]) {
    const LANES: usize = 8;
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let n_blocked = blocks.len() * LANES;
    for (block, start) in blocks.iter_mut().zip((0..).step_by(LANES)) {
        let mut sums = [0.0; LANES];
        for (row, &tap) in rows.iter().zip(taps) {
            for (sum, value) in sums.iter_mut().zip(&row[start..start + LANES]) {
                *sum += tap * value;
            }
        }
        *block = sums;
    }
    for (value, x) in rest.iter_mut().zip(n_blocked..) {
        *value = rows.iter().zip(taps).map(|(row, &tap)| tap * row[x]).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: every weight times every pixel under the window.
    fn plain(plane: &Plane, taps: &[f64], border: Border) -> Vec<f64> {
        let margin = if border == Border::Zero { taps.len() as isize / 2 } else { 0 };
        let ends = [plane.width, plane.height].map(|n| n as isize + margin - taps.len() as isize);
        let pixel = |x: isize, y: isize| {
            let inside = x >= 0 && y >= 0 && x < plane.width as isize && y < plane.height as isize;
            if inside { plane.at(x as usize, y as usize) } else { 0.0 }
        };
        let mut means = Vec::new();
        for top in -margin..=ends[1] {
            for left in -margin..=ends[0] {
                let taps = || (0..).zip(taps);
                let sum = taps().flat_map(|(dy, v)| taps().map(move |(dx, h)| (dx, dy, v * h)));
                means.push(sum.map(|(dx, dy, w)| w * pixel(left + dx, top + dy)).sum());
            }
        }
        means
    }

    #[test]
    fn sliding_is_the_sum_of_weights_times_pixels() {
        let wave = |scale: f64, idx: u32| 100.0 + 90.0 * (scale * f64::from(idx)).sin();
        for (width, height, n_taps, border) in [
            (37, 23, 11, Border::Valid),
            (19, 12, 11, Border::Zero),
            (8, 9, 8, Border::Valid),
            (3, 2, 11, Border::Zero),
            (1, 1, 1, Border::Valid),
        ] {
            let count = (width * height) as u32;
            let [a, b] = [0.37, 1.71].map(|scale| {
                Plane::new(width, height, (0..count).map(|idx| wave(scale, idx)).collect())
            });
            let taps: Vec<f64> = (0..n_taps).map(|tap| 0.1 + 0.02 * tap as f64).collect();
            let mut found = [Vec::new(), Vec::new()];
            slide(
                [&a, &b],
                &taps,
                border,
                |a, b| [a, a * b],
                |rows| {
                    found.iter_mut().zip(rows).for_each(|(all, row)| all.extend_from_slice(row));
                },
            );
            let expected =
                [plain(&a, &taps, border), plain(&a.zip(&b, |a, b| a * b), &taps, border)];
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.len(), expected.len());
                let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
                assert!(found.iter().zip(expected).all(close), "{width}x{height}, {n_taps} taps");
            }
        }
    }

    #[test]
    fn windows_sum_to_one_around_their_centre() {
        for taps in [gaussian(11, 1.5), uniform(7), gaussian(17, 3.4)] {
            assert!((taps.iter().sum::<f64>() - 1.0).abs() < 1e-15);
            assert!(taps.iter().eq(taps.iter().rev()));
        }
        assert!((gaussian(11, 1.5)[5] - 0.266_011_724_861_794).abs() < 1e-12);
    }
}
