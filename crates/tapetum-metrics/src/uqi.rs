//! The universal quality index, SSIM's forerunner.

use crate::{
    MetricError, Picture, Plane,
    filter::{Border, slide, uniform},
    pixel_errors::mean_of_channels,
    scorable::expect_scorable_pair,
};

const SIDE: usize = 8;
/// Below this share of the mean square a variance is rounding.
const ROUNDING: f64 = 1e-12;

/// Universal quality index [Wang and Bovik 2002]: `4 σxy μx μy / ((σx² + σy²)(μx² + μy²))` in windows of
/// 8x8 pixels at every place inside the image, mean over windows and channels. Where both windows are
/// flat it is `2 μx μy / (μx² + μy²)`, and 1 where both are black. -1..1, 1 for equal images; higher is
/// better.
///
/// # Errors
/// When the two differ in size or a side is below 8 pixels.
pub fn uqi(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("uqi", SIDE, enhanced, reference)?;
    Ok(mean_of_channels(enhanced, reference, channel))
}

fn channel(first: &Plane, second: &Plane) -> f64 {
    let quantities = |a: f64, b: f64| [a, b, a * a + b * b, a * b];
    let (mut sum, mut n_windows) = (0.0, 0);
    slide(
        [first, second],
        &uniform(SIDE),
        Border::Valid,
        quantities,
        |[a, b, squares, product]| {
            n_windows += a.len();
            let means = a.iter().zip(b);
            for ((&a, &b), (&squares, &product)) in means.zip(squares.iter().zip(product)) {
                sum += quality(a, b, squares, product);
            }
        },
    );
    sum / n_windows as f64
}

fn quality(mean_a: f64, mean_b: f64, squares: f64, product: f64) -> f64 {
    let means = mean_a * mean_a + mean_b * mean_b;
    let variances = squares - means;
    if means == 0.0 {
        return 1.0;
    }
    let luminance = 2.0 * mean_a * mean_b / means;
    if variances <= ROUNDING * squares {
        return luminance;
    }
    luminance * 2.0 * (product - mean_a * mean_b) / variances
}
