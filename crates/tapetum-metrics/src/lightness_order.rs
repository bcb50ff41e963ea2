//! LOE: how much the order of lightness between pixels changed.

use crate::{MetricError, Picture, Plane, scorable::expect_scorable_pair};

/// The side of the grid that the pixels are thinned to.
const GRID: usize = 50;
/// Half the side, less one half, of the window of [`LoeVariant::LocalMax`].
const WINDOW_HALF: usize = 5;

/// Which pixels LOE compares. The numbers of the variants cannot be compared with each other: each
/// ends at its own number of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoeVariant {
    /// `loe`, after [Wang 2013] (NPE): thinned so that the shorter side has 50 pixels.
    ///
    /// With `r = 50 / min(width, height)` the grid has `round(r width) x round(r height)` points;
    /// point `i` of `n` on a side of `size` pixels is pixel `floor((i + 1/2) size / n)`, unfiltered.
    /// Images with a side of 50 or less are taken whole.
    Thinned,
    /// `loe-local-max`, as Semi-LLIE's evaluation has it: the maximum over 11x11 pixels (cut at the
    /// border), then the 50x50 pixels at multiples of `floor(width / 50)` and `floor(height / 50)`.
    LocalMax,
    /// `loe-full`: every pixel.
    Full,
}

impl LoeVariant {
    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thinned => "loe",
            Self::LocalMax => "loe-local-max",
            Self::Full => "loe-full",
        }
    }
}

/// Lightness-order error [Wang 2013]: for each pixel the number of pixels whose order of lightness
/// against it differs between the two images, averaged over the pixels. 0 (best) up to less than the
/// number of pixels compared; lower is better.
///
/// Lightness is the largest of red, green and blue; the order is `L(x) >= L(y)`.
///
/// # Errors
/// When the two differ in size, have no pixel, or have a side below 50 for [`LoeVariant::LocalMax`].
pub fn loe(enhanced: &Picture, low: &Picture, variant: LoeVariant) -> Result<f64, MetricError> {
    let side_min = if variant == LoeVariant::LocalMax { GRID } else { 1 };
    expect_scorable_pair(variant.name(), side_min, enhanced, low)?;
    let pick = match variant {
        LoeVariant::Thinned => thinned,
        LoeVariant::LocalMax => local_max_grid,
        LoeVariant::Full => |lightness: Plane| lightness.values,
    };
    Ok(mean_disorder(&pick(lightness(enhanced)), &pick(lightness(low))))
}

fn lightness(picture: &Picture) -> Plane {
    let [red, green, blue] = &picture.planes;
    red.zip(green, f64::max).zip(blue, f64::max)
}

fn thinned(lightness: Plane) -> Vec<f64> {
    let shorter = lightness.width.min(lightness.height);
    if shorter <= GRID {
        return lightness.values;
    }
    let points = |size: usize| {
        let n_points = (2 * GRID * size + shorter) / (2 * shorter);
        (0..n_points).map(move |idx| (2 * idx + 1) * size / (2 * n_points))
    };
    let (columns, rows) = (points(lightness.width), points(lightness.height));
    rows.flat_map(|y| columns.clone().map(move |x| (x, y)))
        .map(|(x, y)| lightness.at(x, y))
        .collect()
}

fn local_max_grid(lightness: Plane) -> Vec<f64> {
    let window = |centre: usize, size: usize| {
        centre.saturating_sub(WINDOW_HALF)..(centre + WINDOW_HALF + 1).min(size)
    };
    let (stride_x, stride_y) = (lightness.width / GRID, lightness.height / GRID);
    let points = (0..GRID * GRID).map(|idx| (idx % GRID * stride_x, idx / GRID * stride_y));
    points
        .map(|(x, y)| {
            let rows = window(y, lightness.height);
            let columns = window(x, lightness.width);
            rows.flat_map(|row| &lightness.row(row)[columns.clone()]).copied().fold(0.0, f64::max)
        })
        .collect()
}

/// Ordered pairs whose order differs, per value. A pair `(x, y)` differs when `>=` holds in one image
/// alone; each such pair is a weak inversion seen from one image or the other.
fn mean_disorder(first: &[f64], second: &[f64]) -> f64 {
    let (first, second) = (ranks(first), ranks(second));
    let n_pairs = weak_inversions(&first, &second) + weak_inversions(&second, &first);
    n_pairs as f64 / first.len() as f64
}

/// Each value's position among the distinct values.
fn ranks(values: &[f64]) -> Vec<usize> {
    let mut distinct = values.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let rank = |value: &f64| distinct.partition_point(|other| other.total_cmp(value).is_lt());
    values.iter().map(rank).collect()
}

/// The number of ordered pairs with `first[x] > first[y]` and `second[x] <= second[y]`.
///
/// Walks upwards through `first` and asks a binary indexed tree how many of those passed lie as high
/// in `second`: n log n instead of n².
fn weak_inversions(first: &[usize], second: &[usize]) -> u64 {
    let mut pairs: Vec<(usize, usize)> =
        first.iter().copied().zip(second.iter().copied()).collect();
    pairs.sort_unstable();
    let mut below = vec![0u64; second.iter().max().map_or(0, |max| max + 2)];
    let mut n_inversions = 0;
    let mut n_passed = 0;
    for equals in pairs.chunk_by(|a, b| a.0 == b.0) {
        n_inversions +=
            equals.iter().map(|&(_, rank)| n_passed - count_below(&below, rank)).sum::<u64>();
        equals.iter().for_each(|&(_, rank)| insert(&mut below, rank));
        n_passed += equals.len() as u64;
    }
    n_inversions
}

fn insert(tree: &mut [u64], rank: usize) {
    let mut node = rank + 1;
    while node < tree.len() {
        tree[node] += 1;
        node += node & node.wrapping_neg();
    }
}

fn count_below(tree: &[u64], rank: usize) -> u64 {
    let mut node = rank;
    let mut count = 0;
    while node > 0 {
        count += tree[node];
        node &= node - 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_count_is_the_count_of_the_definition() {
        // Few levels, so that ties in one image, in the other and in both occur.
        let mut state = 1u64;
        let mut level = |n_levels: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % n_levels) as f64
        };
        for (n_values, n_levels) in [(1, 1), (7, 2), (60, 5), (200, 90)] {
            let first: Vec<f64> = (0..n_values).map(|_| level(n_levels)).collect();
            let second: Vec<f64> = (0..n_values).map(|_| level(n_levels)).collect();
            let differs = |x: usize, y: usize| (first[x] >= first[y]) != (second[x] >= second[y]);
            let pairs = (0..n_values).flat_map(|x| (0..n_values).map(move |y| (x, y)));
            let slow = pairs.filter(|&(x, y)| differs(x, y)).count() as f64 / n_values as f64;
            assert_eq!(mean_disorder(&first, &second), slow, "{n_values} values");
        }
    }
}
