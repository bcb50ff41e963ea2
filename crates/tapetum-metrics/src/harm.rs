//! What enhancement did that it should not: turned hues, clipped pixels.

use crate::{
    Lab, MetricError, Picture,
    scorable::{expect_scorable_pair, undefined},
    statistics::{is_clipped_high, rgb_at},
};

/// Below this chroma, in either image, a hue is noise: about two just noticeable differences from grey.
const CHROMA_MIN: f64 = 5.0;

/// Mean absolute difference of CIE L*a*b* hue angles (D65) in degrees, each pixel weighted by
/// `√(C_low C_enhanced)` as in the hue term of colour-difference formulas; 0 (best) to 180. Pixels with a
/// chroma below 5 in either image do not count.
///
/// # Errors
/// When the two differ in size or no pixel is colourful in both.
pub fn hue_shift_degrees(low: &Picture, enhanced: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("hue-shift", 1, low, enhanced)?;
    let colourful =
        |picture, idx| Some(lab_at(picture, idx)).filter(|&lab| chroma(lab) >= CHROMA_MIN);
    let (mut sum, mut weights) = (0.0, 0.0);
    for idx in 0..low.width() * low.height() {
        // The low image first: most of its pixels are too dark for colour, and then the other is not asked.
        let Some(before) = colourful(low, idx) else { continue };
        let Some(after) = colourful(enhanced, idx) else { continue };
        let weight = (chroma(before) * chroma(after)).sqrt();
        sum += weight * hue_difference(before, after);
        weights += weight;
    }
    if weights == 0.0 {
        return undefined("hue-shift", "no pixel is colourful in both images");
    }
    Ok(sum / weights)
}

/// The share of pixels with any channel of 254.5 or more in the enhanced image and none in the low one;
/// 0 (best) to 1.
///
/// # Errors
/// When the two differ in size or have no pixel.
pub fn newly_clipped(low: &Picture, enhanced: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("newly-clipped", 1, low, enhanced)?;
    let n_pixels = low.width() * low.height();
    let is_new =
        |&idx: &usize| is_clipped_high(rgb_at(enhanced, idx)) && !is_clipped_high(rgb_at(low, idx));
    Ok((0..n_pixels).filter(is_new).count() as f64 / n_pixels as f64)
}

fn lab_at(picture: &Picture, idx: usize) -> Lab {
    Lab::from_srgb(rgb_at(picture, idx).map(|value| value / 255.0))
}

fn chroma(lab: Lab) -> f64 {
    lab.a.hypot(lab.b)
}

/// The angle between two colours seen from grey, in degrees: 0..180.
fn hue_difference(first: Lab, second: Lab) -> f64 {
    let along = first.a * second.a + first.b * second.b;
    let across = first.a * second.b - first.b * second.a;
    across.atan2(along).abs().to_degrees()
}
