//! Simple facts about one image: brightness, contrast, colour, information, clipping.

use crate::{MetricError, Picture, Plane, scorable::expect_scorable};

/// A channel at or above this is clipped: it rounds to 255.
const CLIPPED_HIGH_MIN: f64 = 254.5;
/// A channel at or below this is clipped: it rounds to 0 (to even).
const CLIPPED_LOW_MAX: f64 = 0.5;
const EME_BLOCK: usize = 8;

/// Shannon entropy of the histogram of grey (0.299, 0.587, 0.114) rounded (halves up) to 8 bits, in
/// bits; 0..8.
///
/// # Errors
/// When the picture has no pixel.
pub fn entropy(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("entropy", 1, picture)?;
    let grey = picture.grey();
    let mut counts = [0u32; 256];
    grey.values.iter().for_each(|&value| counts[round_half_up(value) as u8 as usize] += 1);
    let shares =
        counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / grey.values.len() as f64);
    Ok(shares.map(|share| -share * share.log2()).sum::<f64>().max(0.0))
}

/// Mean and standard deviation (divisor n) of grey (0.299, 0.587, 0.114); 0..255 and 0..127.5.
///
/// # Errors
/// When the picture has no pixel.
pub fn luma_statistics(picture: &Picture) -> Result<(f64, f64), MetricError> {
    expect_scorable("luma", 1, picture)?;
    Ok(mean_and_deviation(&picture.grey().values))
}

/// Colourfulness `√(σ_rg² + σ_yb²) + 0.3 √(μ_rg² + μ_yb²)` with `rg = R - G` and
/// `yb = (R + G) / 2 - B` [Hasler 2003]. 0 for grey, about 110 for extremely colourful; neither direction
/// is better.
///
/// # Errors
/// When the picture has no pixel.
pub fn colourfulness(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("colourfulness", 1, picture)?;
    let (rg_mean, rg_deviation) = mean_and_deviation(&picture.mix([1.0, -1.0, 0.0]).values);
    let (yb_mean, yb_deviation) = mean_and_deviation(&picture.mix([0.5, 0.5, -1.0]).values);
    Ok(rg_deviation.hypot(yb_deviation) + 0.3 * rg_mean.hypot(yb_mean))
}

/// Average gradient of grey: the mean of `√((Δx² + Δy²) / 2)` with forward differences, over all pixels
/// but the last row and column. 0 upwards; higher is more detail, or more noise.
///
/// # Errors
/// When a side is below 2 pixels.
pub fn average_gradient(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("average-gradient", 2, picture)?;
    let grey = picture.grey();
    let row_sum = |y: usize| -> f64 {
        let (row, below) = (grey.row(y), grey.row(y + 1));
        let pairs = row.windows(2).zip(below);
        pairs.map(|(pair, below)| (pair[1] - pair[0]).hypot(below - pair[0])).sum()
    };
    let sum: f64 = (0..grey.height - 1).map(row_sum).sum();
    let n_pixels = (grey.width - 1) * (grey.height - 1);
    Ok(sum * std::f64::consts::FRAC_1_SQRT_2 / n_pixels as f64)
}

/// EME, the measure of enhancement [Agaian 2001]: the mean over blocks of 8x8 pixels of
/// `20 log₁₀((max + 1) / (min + 1))` of grey; incomplete blocks at the right and bottom are left out.
/// 0..48.2, higher is more local contrast. The 1 keeps black blocks finite.
///
/// # Errors
/// When a side is below 8 pixels.
pub fn eme(picture: &Picture) -> Result<f64, MetricError> {
    expect_scorable("eme", EME_BLOCK, picture)?;
    let grey = picture.grey();
    let (columns, rows) = (grey.width / EME_BLOCK, grey.height / EME_BLOCK);
    let corners = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    let sum: f64 = corners.map(|(column, row)| block_contrast(&grey, column, row)).sum();
    Ok(sum / (columns * rows) as f64)
}

/// `clipped_high`: the share of pixels with any channel of 254.5 or more; 0..1.
///
/// # Errors
/// When the picture has no pixel.
pub fn clipped_high(picture: &Picture) -> Result<f64, MetricError> {
    share("clipped-high", picture, is_clipped_high)
}

/// `clipped_low`: the share of pixels with all channels at 0.5 or less; 0..1.
///
/// # Errors
/// When the picture has no pixel.
pub fn clipped_low(picture: &Picture) -> Result<f64, MetricError> {
    share("clipped-low", picture, is_clipped_low)
}

/// The nearest integer; a half goes up although rounding made it a trifle less. Weighted sums of 8-bit
/// channels are halves now and then, and one level more or less shows in NIQE's fourth digit.
pub(crate) fn round_half_up(value: f64) -> f64 {
    (value + 0.5 + 1e-9).floor()
}

pub(crate) fn is_clipped_high(rgb: [f64; 3]) -> bool {
    rgb.iter().any(|&value| value >= CLIPPED_HIGH_MIN)
}

pub(crate) fn is_clipped_low(rgb: [f64; 3]) -> bool {
    rgb.iter().all(|&value| value <= CLIPPED_LOW_MAX)
}

/// The pixel's red, green and blue.
pub(crate) fn rgb_at(picture: &Picture, idx: usize) -> [f64; 3] {
    [0, 1, 2].map(|channel| picture.planes[channel].values[idx])
}

fn share(
    metric: &'static str,
    picture: &Picture,
    is_counted: impl Fn([f64; 3]) -> bool,
) -> Result<f64, MetricError> {
    expect_scorable(metric, 1, picture)?;
    let n_pixels = picture.width() * picture.height();
    let n_counted = (0..n_pixels).filter(|&idx| is_counted(rgb_at(picture, idx))).count();
    Ok(n_counted as f64 / n_pixels as f64)
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}

fn block_contrast(grey: &Plane, column: usize, row: usize) -> f64 {
    let rows = (row * EME_BLOCK..(row + 1) * EME_BLOCK).map(|y| grey.row(y));
    let values = rows.flat_map(|row| &row[column * EME_BLOCK..(column + 1) * EME_BLOCK]);
    let (min, max) =
        values.fold((f64::INFINITY, 0.0f64), |(min, max), &v| (min.min(v), max.max(v)));
    20.0 * ((max + 1.0) / (min + 1.0)).log10()
}
