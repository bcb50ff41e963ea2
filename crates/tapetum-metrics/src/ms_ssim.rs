//! SSIM over five scales [Wang 2003].

use crate::{
    MetricError, Picture, Plane,
    pixel_errors::mean_of_channels,
    scorable::expect_scorable_pair,
    ssim::{Window, similarity},
};

/// How much each scale counts, the finest first ([Wang 2003], §3.2).
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// MS-SSIM [Wang 2003]: `cs1^w1 cs2^w2 cs3^w3 cs4^w4 ssim5^w5` with the Gaussian window 11x11 of σ 1.5,
/// windows inside the image and halving by 2x2 means, for each channel; their mean. A negative mean of a
/// scale counts as 0, and the last column or row of an odd size is paired with itself. 0..1, 1 for equal
/// images; higher is better.
///
/// # Errors
/// When the two differ in size or a side is below 176 pixels, where the coarsest scale is smaller than
/// the window.
pub fn ms_ssim(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("ms-ssim", 176, enhanced, reference)?;
    let window = Window::wang();
    Ok(mean_of_channels(enhanced, reference, |first, second| channel(first, second, &window)))
}

fn channel(first: &Plane, second: &Plane, window: &Window) -> f64 {
    let (mut first, mut second) = (first.clone(), second.clone());
    let mut product = 1.0;
    for (scale, weight) in (1..).zip(WEIGHTS) {
        let found = similarity(&first, &second, window);
        if scale == WEIGHTS.len() {
            return product * found.ssim.max(0.0).powf(weight);
        }
        product *= found.contrast.max(0.0).powf(weight);
        (first, second) = (halved(&first), halved(&second));
    }
    product
}

/// Means of 2x2 pixels.
fn halved(plane: &Plane) -> Plane {
    let (width, height) = (plane.width.div_ceil(2), plane.height.div_ceil(2));
    let mut values = Vec::with_capacity(width * height);
    for y in 0..height {
        let upper = plane.row(2 * y);
        let lower = plane.row((2 * y + 1).min(plane.height - 1));
        let pairs = upper.chunks(2).zip(lower.chunks(2));
        values.extend(pairs.map(|(upper, lower)| {
            0.25 * (upper[0] + upper[upper.len() - 1] + lower[0] + lower[lower.len() - 1])
        }));
    }
    Plane::new(width, height, values)
}
