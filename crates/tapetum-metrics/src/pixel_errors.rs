//! Mean squared and absolute errors of pixels.

use crate::{MetricError, Picture, Plane, scorable::expect_scorable_pair};

/// Mean squared error over all pixels and channels, on the scale 0..255: 0 (equal) to 65025; lower is
/// better.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn mse(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("mse", 1, enhanced, reference)?;
    Ok(mean_of_channels(enhanced, reference, plane_mse))
}

/// Root of [`mse`], 0..255; lower is better.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn rmse_255(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    Ok(mse(enhanced, reference)?.sqrt())
}

/// Mean absolute error over all pixels and channels, 0..255; lower is better.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn mae_255(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("mae", 1, enhanced, reference)?;
    Ok(mean_of_channels(enhanced, reference, |a, b| mean_of(a, b, |a, b| (a - b).abs())))
}

/// Mean squared error of two planes of one size.
pub(crate) fn plane_mse(first: &Plane, second: &Plane) -> f64 {
    mean_of(first, second, |a, b| (a - b) * (a - b))
}

/// Mean of a score of two planes over red, green and blue.
pub(crate) fn mean_of_channels(
    first: &Picture,
    second: &Picture,
    score: impl Fn(&Plane, &Plane) -> f64,
) -> f64 {
    let channels = first.planes.iter().zip(&second.planes);
    channels.map(|(first, second)| score(first, second)).sum::<f64>() / 3.0
}

fn mean_of(first: &Plane, second: &Plane, error: impl Fn(f64, f64) -> f64) -> f64 {
    let pairs = first.values.iter().zip(&second.values);
    pairs.map(|(&a, &b)| error(a, b)).sum::<f64>() / first.values.len() as f64
}
