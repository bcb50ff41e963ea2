//! How strong the noise is, and how much stronger enhancement made it.

use std::f64::consts::FRAC_PI_2;

use crate::{
    MetricError, Picture, Plane,
    scorable::{expect_scorable, expect_scorable_pair, undefined},
    statistics::{is_clipped_high, is_clipped_low, rgb_at},
};

/// The third quartile of the standard normal distribution.
const NORMAL_QUARTILE: f64 = 0.674_489_750_196_081_7;
/// The side of the areas that [`noise_gain`] looks at.
const BLOCK: usize = 8;
/// [`noise_gain`] takes the median of this many areas at least.
const FLAT_BLOCKS_MIN: usize = 16;
/// One usable area in so many counts as flat.
const FLAT_SHARE: usize = 4;
/// Below this the sums only have rounding errors.
const NOISE_MIN: f64 = 1e-9;
/// Pixels of an area that may be clipped.
const CLIPPED_PIXELS_MAX: usize = BLOCK * BLOCK / 16;

/// Standard deviation of the noise in grey (0.299, 0.587, 0.114) by [Immerkær 1996]:
/// `√(π/2) / (6 (W-2) (H-2)) Σ |I ∗ N|` with `N = [1 -2 1]ᵀ [1 -2 1]`. 0 upwards on the scale 0..255;
/// lower is less noise. Fine texture counts as noise.
///
/// # Errors
/// When a side is below 3 pixels.
pub fn noise_immerkaer(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("noise-immerkaer", 3, picture)?;
    let grey = picture.grey();
    Ok(laplacian_noise(&grey, [0, 0], [grey.width, grey.height]))
}

/// Standard deviation of the noise, averaged over red, green and blue, by [Donoho 1994]: the median
/// absolute diagonal coefficient of the finest `db2` wavelet, mirrored border, zeros left out, over the
/// normal distribution's 0.6745; scikit-image's `estimate_sigma`. 0 upwards on the scale 0..255; lower is
/// less noise.
///
/// # Errors
/// When a side is below 4 pixels.
pub fn noise_wavelet(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("noise-wavelet", 4, picture)?;
    let sum: f64 = picture.planes.iter().map(wavelet_noise).sum();
    Ok(sum / 3.0)
}

/// How much stronger the noise is in the flat areas after enhancement: the ratio of its standard
/// deviations in grey, 1 when unchanged, below 1 when removed. A plain gain of `g` gives `g`.
///
/// The image is cut into areas of 8x8 pixels. An area is usable when at most 4 of its pixels are clipped
/// ([`clipped_high`](crate::clipped_high), [`clipped_low`](crate::clipped_low)) in either image, since
/// clipping hides noise, and when the low image is not entirely smooth there, as it is where a JPEG file
/// dropped all detail. Of the usable areas the quarter whose four 4x4 means in the low image lie closest
/// together is flat. Choosing by these means, not by the variance, keeps the choice from favouring areas
/// that have little noise by chance: the operator that then measures the noise, [`noise_immerkaer`]'s,
/// hardly sees such means. Each image's noise is the median over the flat areas, so that fine texture in
/// some of them does not count.
///
/// # Errors
/// When the two differ in size, or fewer than 16 areas are flat.
pub fn noise_gain(low: &Picture, enhanced: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("noise-gain", 1, low, enhanced)?;
    let [low_grey, enhanced_grey] = [low.grey(), enhanced.grey()];
    let flat = flat_corners(low, &low_grey, enhanced);
    if flat.len() < FLAT_BLOCKS_MIN {
        let detail = format!(
            "expected {FLAT_BLOCKS_MIN} flat areas of 8x8 pixels with noise, got {}",
            flat.len()
        );
        return undefined("noise-gain", detail);
    }
    let [before, after] = [&low_grey, &enhanced_grey].map(|plane| {
        let sigma = |&corner: &[usize; 2]| laplacian_noise(plane, corner, [BLOCK, BLOCK]);
        median(&mut flat.iter().map(sigma).collect::<Vec<_>>())
    });
    Ok(after / before)
}

/// Upper left corners of the flat areas.
fn flat_corners(low: &Picture, low_grey: &Plane, enhanced: &Picture) -> Vec<[usize; 2]> {
    let (columns, rows) = (low.width() / BLOCK, low.height() / BLOCK);
    let corners = (0..columns * rows).map(|idx| [idx % columns * BLOCK, idx / columns * BLOCK]);
    let usable = corners.filter(|&corner| {
        laplacian_noise(low_grey, corner, [BLOCK, BLOCK]) > NOISE_MIN
            && [low, enhanced]
                .iter()
                .all(|picture| n_clipped(picture, corner) <= CLIPPED_PIXELS_MAX)
    });
    let mut ranked: Vec<(f64, [usize; 2])> =
        usable.map(|corner| (range_of_quarters(low_grey, corner), corner)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked.truncate(ranked.len() / FLAT_SHARE);
    ranked.into_iter().map(|(_, corner)| corner).collect()
}

fn n_clipped(picture: &Picture, [left, top]: [usize; 2]) -> usize {
    let pixels = (0..BLOCK * BLOCK).map(|idx| (left + idx % BLOCK, top + idx / BLOCK));
    let colours = pixels.map(|(x, y)| rgb_at(picture, y * picture.width() + x));
    colours.filter(|&rgb| is_clipped_high(rgb) || is_clipped_low(rgb)).count()
}

/// Largest less smallest mean of the four quarters.
fn range_of_quarters(plane: &Plane, [left, top]: [usize; 2]) -> f64 {
    const HALF: usize = BLOCK / 2;
    let means = [[0, 0], [HALF, 0], [0, HALF], [HALF, HALF]].map(|[right, down]| {
        let quarter = area(plane, [left + right, top + down], [HALF, HALF]);
        quarter.flatten().sum::<f64>() / (HALF * HALF) as f64
    });
    let max = means.into_iter().fold(f64::NEG_INFINITY, f64::max);
    max - means.into_iter().fold(f64::INFINITY, f64::min)
}

/// Rows of a part of a plane.
fn area(
    plane: &Plane,
    [left, top]: [usize; 2],
    [width, height]: [usize; 2],
) -> impl Iterator<Item = &[f64]> {
    (top..top + height).map(move |y| &plane.row(y)[left..left + width])
}

/// Immerkær's estimate over a part of a plane, at least 3x3 pixels.
fn laplacian_noise(plane: &Plane, corner: [usize; 2], [width, height]: [usize; 2]) -> f64 {
    let rows: Vec<&[f64]> = area(plane, corner, [width, height]).collect();
    let mut sum = 0.0;
    for three in rows.windows(3) {
        let down = |x: usize| three[0][x] - 2.0 * three[1][x] + three[2][x];
        sum +=
            (1..width - 1).map(|x| (down(x - 1) - 2.0 * down(x) + down(x + 1)).abs()).sum::<f64>();
    }
    FRAC_PI_2.sqrt() / 6.0 * sum / ((width - 2) * (height - 2)) as f64
}

fn wavelet_noise(plane: &Plane) -> f64 {
    let across = Plane::new(
        n_coefficients(plane.width),
        plane.height,
        (0..plane.height).flat_map(|y| details(plane.row(y))).collect(),
    );
    let column = |x: usize| (0..plane.height).map(|y| across.at(x, y)).collect::<Vec<_>>();
    let diagonal = (0..across.width).flat_map(|x| details(&column(x)));
    let mut sizes: Vec<f64> = diagonal.filter(|&value| value != 0.0).map(f64::abs).collect();
    if sizes.is_empty() { 0.0 } else { median(&mut sizes) / NORMAL_QUARTILE }
}

fn n_coefficients(length: usize) -> usize {
    (length + 3) / 2
}

/// Convolution with the high-pass filter of `db2`, mirrored border, every second value.
fn details(signal: &[f64]) -> Vec<f64> {
    let root = 3f64.sqrt();
    let filter = [-1.0 - root, 3.0 + root, root - 3.0, 1.0 - root].map(|tap| tap / 32f64.sqrt());
    let last = signal.len() as isize - 1;
    let mirrored = |idx: isize| {
        let idx = if idx < 0 { -1 - idx } else { idx };
        signal[(if idx > last { 2 * last + 1 - idx } else { idx }) as usize]
    };
    let detail = |idx: usize| {
        let taps = filter.iter().zip(0isize..);
        taps.map(|(weight, tap)| weight * mirrored(2 * idx as isize + 1 - tap)).sum()
    };
    (0..n_coefficients(signal.len())).map(detail).collect()
}

/// The mean of the two middle values of an even number; the values must not be empty.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_even { 0.5 * (upper + below.iter().copied().fold(f64::MIN, f64::max)) } else { upper }
}
