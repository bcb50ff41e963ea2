//! Histogram equalisation of luma, with the colour differences kept.
//!
//! R. Hummel, *Image Enhancement by Histogram Transformation*, CGIP 6 (1977),
//! doi 10.1016/S0146-664X(77)80011-7. The curve is the cumulated histogram of luma
//! (`0.299 R + 0.587 G + 0.114 B`, Rec. 601), from 0 at the lowest level that occurs to 255 at the
//! highest, as OpenCV's `equalizeHist` has it. The change of luma is added to all three samples, which
//! keeps the hue, and `Cb` and `Cr`, until a sample meets the end of its range.

use rayon::prelude::*;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

use super::levels::{Curve, LEVEL_MAX, N_LEVELS, at, histogram};

/// The facts about histogram equalisation.
pub static CARD: MethodCard = MethodCard {
    name: "histogram-equalization",
    title: "Histogram equalization",
    citation: "Hummel, Image Enhancement by Histogram Transformation, CGIP 6, 1977; on luma",
    purpose: "a baseline that spreads the brightness of any photograph over the whole range",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::WholeImageOnly,
    // The image before and after and its finished rows, as floats; luma before and after.
    working_bytes_per_pixel: 70,
    default_weights: None,
    weights_by_scale: &[],
};

/// Equalises luma.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    let (pixels, _) = low.pixels.as_chunks::<3>();
    let luma: Vec<f32> = pixels.par_iter().map(|&pixel| luma(pixel) * LEVEL_MAX).collect();
    let equalized = equalize(&luma);
    let mut enhanced = low.pixels.clone();
    let changes =
        luma.par_iter().zip(&equalized).map(|(before, after)| (after - before) / LEVEL_MAX);
    enhanced.par_chunks_exact_mut(3).zip(changes).for_each(|(pixel, change)| {
        pixel.iter_mut().for_each(|value| *value = (*value + change).clamp(0.0, 1.0));
    });
    Image::new(low.width(), low.height(), enhanced)
}

/// Equalises one channel of brightness in 0..255; the result is in 0..255, too. On whole levels it is
/// that of OpenCV's `equalizeHist`.
pub fn equalize(brightness: &[f32]) -> Vec<f32> {
    let curve = curve(&histogram(brightness.iter().copied()));
    brightness.par_iter().map(|&value| at(&curve, value)).collect()
}

/// The cumulated histogram; levels of an image of one level stay where they are.
fn curve(counts: &[u32; N_LEVELS]) -> Curve {
    let n_pixels: u32 = counts.iter().sum();
    let lowest = counts.iter().copied().find(|&count| count > 0).unwrap_or(0);
    if lowest == n_pixels {
        return std::array::from_fn(|level| level as f32);
    }
    let scale = LEVEL_MAX / (n_pixels - lowest) as f32;
    let mut n_below = 0u32;
    counts.map(|count| {
        n_below += count;
        // Ties go to the even level, as in OpenCV.
        (n_below.saturating_sub(lowest) as f32 * scale).round_ties_even().min(LEVEL_MAX)
    })
}

fn luma([red, green, blue]: [f32; 3]) -> f32 {
    (0.299 * red + 0.587 * green + 0.114 * blue).clamp(0.0, 1.0)
}
