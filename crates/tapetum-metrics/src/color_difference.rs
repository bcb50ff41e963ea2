//! CIE76 and CIEDE2000: how different two colours look.

use std::{array, f64::consts::TAU, ops::Range, sync::LazyLock};

use crate::{MetricError, Picture, scorable::expect_scorable_pair};

/// sRGB to XYZ under D65, rows X, Y, Z (IEC 61966-2-1).
const SRGB_TO_XYZ: [[f64; 3]; 3] = [
    [0.412_456_4, 0.357_576_1, 0.180_437_5],
    [0.212_672_9, 0.715_152_2, 0.072_175_0],
    [0.019_333_9, 0.119_192_0, 0.950_304_1],
];
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];
/// Pixels whose colours are computed together: few enough for the nearest cache.
const BLOCK: usize = 256;

/// Mean ΔE00 ([`ciede2000`]) over the pixels: 0 (equal) to about 100; lower is better, about 1 is just
/// noticeable side by side.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn mean_ciede2000(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("ciede2000", 1, enhanced, reference)?;
    Ok(mean_difference(enhanced, reference, ciede2000))
}

/// Mean ΔE*ab of 1976 ([`delta_e76`]) over the pixels: 0 (equal) to about 260; lower is better.
///
/// # Errors
/// When the two differ in size or hold no pixel.
pub fn mean_delta_e76(enhanced: &Picture, reference: &Picture) -> Result<f64, MetricError> {
    expect_scorable_pair("delta-e76", 1, enhanced, reference)?;
    Ok(mean_difference(enhanced, reference, delta_e76))
}

/// A colour in CIE L*a*b* under D65.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lab {
    /// Lightness, 0..100.
    pub l: f64,
    /// Green to red.
    pub a: f64,
    /// Blue to yellow.
    pub b: f64,
}

impl Lab {
    /// From sRGB-encoded red, green and blue, 0..1.
    pub fn from_srgb(rgb: [f64; 3]) -> Self {
        let rgb = rgb.map(linear);
        Self::from_responses([0, 1, 2].map(|axis| response(axis, rgb)))
    }

    /// From the [`response`] to X, Y and Z.
    fn from_responses([x, y, z]: [f64; 3]) -> Self {
        Self { l: 116.0 * y - 16.0, a: 500.0 * (x - y), b: 200.0 * (y - z) }
    }
}

/// ΔE*ab of 1976: the distance in L*a*b*.
pub fn delta_e76(first: Lab, second: Lab) -> f64 {
    let [l, a, b] = [first.l - second.l, first.a - second.a, first.b - second.b];
    (l * l + a * a + b * b).sqrt()
}

/// ΔE00 of two colours with all weights 1 ([Sharma 2005], equations 2–22). About 1 is just
/// noticeable side by side.
pub fn ciede2000(first: Lab, second: Lab) -> f64 {
    let length = |x: f64, y: f64| (x * x + y * y).sqrt();
    let seventh = |chroma: f64| (chroma.powi(7) / (chroma.powi(7) + 25f64.powi(7))).sqrt();
    let g = 0.5 * (1.0 - seventh(0.5 * (length(first.a, first.b) + length(second.a, second.b))));
    let [(c1, h1), (c2, h2)] = [first, second].map(|lab| {
        let a = lab.a * (1.0 + g);
        (length(a, lab.b), lab.b.atan2(a).rem_euclid(TAU))
    });
    let is_grey = c1 * c2 == 0.0;

    let delta_l = second.l - first.l;
    let delta_c = c2 - c1;
    let half_step = if is_grey { 0.0 } else { 0.5 * wrapped(h2 - h1) };
    let delta_h = 2.0 * (c1 * c2).sqrt() * half_step.sin();

    let mean_l = 0.5 * (first.l + second.l);
    let mean_c = 0.5 * (c1 + c2);
    let mean_h = mean_hue(h1, h2, is_grey);
    let lightness_square = (mean_l - 50.0) * (mean_l - 50.0);
    let scale_l = 1.0 + 0.015 * lightness_square / (20.0 + lightness_square).sqrt();
    let scale_c = 1.0 + 0.045 * mean_c;
    let scale_h = 1.0 + 0.015 * mean_c * hue_weight(mean_h);
    let from_blue = (mean_h.to_degrees() - 275.0) / 25.0;
    let angle = (60.0 * (-from_blue * from_blue).exp()).to_radians();
    let rotation = -angle.sin() * 2.0 * seventh(mean_c);

    let (l, c, h) = (delta_l / scale_l, delta_c / scale_c, delta_h / scale_h);
    (l * l + c * c + h * h + rotation * c * h).max(0.0).sqrt()
}

/// A difference of two hues, -π..π.
fn wrapped(step: f64) -> f64 {
    match step {
        step if step > 0.5 * TAU => step - TAU,
        step if step < -0.5 * TAU => step + TAU,
        step => step,
    }
}

/// The hue halfway along the shorter arc; the sum where a colour has no hue (equation 14).
fn mean_hue(h1: f64, h2: f64, is_grey: bool) -> f64 {
    match h1 + h2 {
        sum if is_grey => sum,
        sum if (h1 - h2).abs() <= 0.5 * TAU => 0.5 * sum,
        sum if sum < TAU => 0.5 * (sum + TAU),
        sum => 0.5 * (sum - TAU),
    }
}

/// `T = 1 - 0.17 cos(h - 30°) + 0.24 cos 2h + 0.32 cos(3h + 6°) - 0.20 cos(4h - 63°)`, with the multiples
/// from one sine and one cosine (equation 15).
fn hue_weight(hue: f64) -> f64 {
    static OFFSETS: LazyLock<[(f64, f64); 3]> =
        LazyLock::new(|| [30.0f64, -6.0, 63.0].map(|degrees| degrees.to_radians().sin_cos()));
    let [(sin_30, cos_30), (sin_6, cos_6), (sin_63, cos_63)] = *OFFSETS;
    let (sin, cos) = hue.sin_cos();
    let (sin_2h, cos_2h) = (2.0 * sin * cos, 2.0 * cos * cos - 1.0);
    let (sin_3h, cos_3h) = (sin_2h * cos + cos_2h * sin, cos_2h * cos - sin_2h * sin);
    let (sin_4h, cos_4h) = (2.0 * sin_2h * cos_2h, 2.0 * cos_2h * cos_2h - 1.0);
    1.0 - 0.17 * (cos * cos_30 + sin * sin_30)
        + 0.24 * cos_2h
        + 0.32 * (cos_3h * cos_6 + sin_3h * sin_6)
        - 0.20 * (cos_4h * cos_63 + sin_4h * sin_63)
}

fn mean_difference(first: &Picture, second: &Picture, difference: impl Fn(Lab, Lab) -> f64) -> f64 {
    let n_pixels = first.planes[0].values.len();
    let mut sum = 0.0;
    for start in (0..n_pixels).step_by(BLOCK) {
        let [first, second] =
            [first, second].map(|picture| labs(picture, start..n_pixels.min(start + BLOCK)));
        sum += first.iter().zip(&second).map(|(&a, &b)| difference(a, b)).sum::<f64>();
    }
    sum / n_pixels as f64
}

/// Colours of a run of pixels, one step after the other for all of them: such loops use SIMD.
fn labs(picture: &Picture, pixels: Range<usize>) -> Vec<Lab> {
    let light = picture.planes.each_ref().map(|plane| {
        plane.values[pixels.clone()].iter().map(|&value| linear_of_255(value)).collect::<Vec<_>>()
    });
    let [x, y, z] = [0, 1, 2].map(|axis| {
        let rgb = light[0].iter().zip(&light[1]).zip(&light[2]);
        rgb.map(|((&r, &g), &b)| response(axis, [r, g, b])).collect::<Vec<_>>()
    });
    let responses = x.iter().zip(&y).zip(&z);
    responses.map(|((&x, &y), &z)| Lab::from_responses([x, y, z])).collect()
}

/// The cube root of X, Y or Z (`axis` 0, 1, 2) of linear red, green and blue over that of white, which a
/// line replaces near black.
fn response(axis: usize, rgb: [f64; 3]) -> f64 {
    let row = SRGB_TO_XYZ[axis];
    let t = (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) / WHITE[axis];
    let root = cube_root(t);
    if t > 0.008_856 { root } else { 7.787 * t + 16.0 / 116.0 }
}

/// The cube root of a positive normal number, to the last digit but one, without branches or calls.
fn cube_root(value: f64) -> f64 {
    // The bits of a float are nearly its logarithm: a third of them, and two thirds of the exponent's
    // bias less what makes the errors even, is the root within 5 %. Halley's step cubes that error.
    let mut root = f64::from_bits(value.to_bits() / 3 + (0x2a9f_7893 << 32));
    for _ in 0..3 {
        let cube = root * root * root;
        root *= (cube + 2.0 * value) / (2.0 * cube + value);
    }
    root
}

/// Linear light of an sRGB-encoded value, both 0..1.
fn linear(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// [`linear`] of a value on the scale 0..255: from a table for the levels of 8-bit files.
fn linear_of_255(value: f64) -> f64 {
    static LEVELS: LazyLock<[f64; 256]> =
        LazyLock::new(|| array::from_fn(|level| linear(level as f64 / 255.0)));
    let level = value as u8;
    if f64::from(level) == value { LEVELS[usize::from(level)] } else { linear(value / 255.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pairs and differences published by Sharma, Wu and Dalal (2005), table 1.
    const SHARMA: [([f64; 3], [f64; 3], f64); 34] = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 3.1571, -77.2803], [50.0, 0.0, -82.7485], 2.8615),
        ([50.0, 2.8361, -74.02], [50.0, 0.0, -82.7485], 3.4412),
        ([50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485], 1.0),
        ([50.0, -1.1848, -84.8006], [50.0, 0.0, -82.7485], 1.0),
        ([50.0, -0.9009, -85.5211], [50.0, 0.0, -82.7485], 1.0),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, -1.0, 2.0], [50.0, 0.0, 0.0], 2.3669),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0009], 7.1792),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.001], 7.1792),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0011], 7.2195),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0012], 7.2195),
        ([50.0, -0.001, 2.49], [50.0, 0.0009, -2.49], 4.8045),
        ([50.0, -0.001, 2.49], [50.0, 0.001, -2.49], 4.8045),
        ([50.0, -0.001, 2.49], [50.0, 0.0011, -2.49], 4.7461),
        ([50.0, 2.5, 0.0], [50.0, 0.0, -2.5], 4.3065),
        ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
        ([50.0, 2.5, 0.0], [61.0, -5.0, 29.0], 22.8977),
        ([50.0, 2.5, 0.0], [56.0, -27.0, -3.0], 31.903),
        ([50.0, 2.5, 0.0], [58.0, 24.0, 15.0], 19.4535),
        ([50.0, 2.5, 0.0], [50.0, 3.1736, 0.5854], 1.0),
        ([50.0, 2.5, 0.0], [50.0, 3.2972, 0.0], 1.0),
        ([50.0, 2.5, 0.0], [50.0, 1.8634, 0.5757], 1.0),
        ([50.0, 2.5, 0.0], [50.0, 3.2592, 0.335], 1.0),
        ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ([63.0109, -31.0961, -5.8663], [62.8187, -29.7946, -4.0864], 1.263),
        ([61.2901, 3.7196, -5.3901], [61.4292, 2.248, -4.962], 1.8731),
        ([35.0831, -44.1164, 3.7933], [35.0232, -40.0716, 1.5901], 1.8645),
        ([22.7233, 20.0904, -46.694], [23.0331, 14.973, -42.5619], 2.0373),
        ([36.4612, 47.858, 18.3852], [36.2715, 50.5065, 21.2231], 1.4146),
        ([90.8027, -2.0831, 1.441], [91.1528, -1.6435, 0.0447], 1.4441),
        ([90.9257, -0.5406, -0.9208], [88.6381, -0.8985, -0.7239], 1.5381),
        ([6.7747, -0.2908, -2.4247], [5.8714, -0.0985, -2.2286], 0.6377),
        ([2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082),
    ];

    #[test]
    fn the_published_pairs_give_the_published_differences() {
        let lab = |[l, a, b]: [f64; 3]| Lab { l, a, b };
        for (first, second, expected) in SHARMA {
            let found = ciede2000(lab(first), lab(second));
            assert!((found - expected).abs() < 5e-5, "{first:?} {second:?}: {found}");
            assert!((ciede2000(lab(second), lab(first)) - found).abs() < 1e-9, "symmetric");
        }
    }

    #[test]
    fn srgb_white_and_red_have_their_known_lab_values() {
        let cases = [([1.0; 3], [100.0, 0.0, 0.0]), ([1.0, 0.0, 0.0], [53.24, 80.09, 67.20])];
        for (rgb, [l, a, b]) in cases {
            assert!(delta_e76(Lab::from_srgb(rgb), Lab { l, a, b }) < 0.05, "{rgb:?}");
        }
    }

    #[test]
    fn levels_between_those_of_8_bits_are_computed() {
        for value in [-3.0, 0.0, 7.0, 7.25, 254.999, 255.0, 255.5, 300.0] {
            let expected = linear(value / 255.0);
            assert!((linear_of_255(value) - expected).abs() < 1e-15, "{value}");
        }
    }

    #[test]
    fn the_cube_root_is_that_of_the_standard_library() {
        for idx in 0..20_000 {
            let value = 0.001 * 1.0007f64.powi(idx);
            let relative = cube_root(value) / value.cbrt() - 1.0;
            assert!(relative.abs() < 5e-16, "{value}: {relative}");
        }
    }

    #[test]
    fn means_are_over_pixels() {
        let first = Picture::from_rgb(2, 1, &[0.2, 0.4, 0.6, 0.5, 0.5, 0.5]);
        let second = Picture::from_rgb(2, 1, &[0.3, 0.4, 0.6, 0.5, 0.5, 0.5]);
        let [a, b] = [0.2f32, 0.3].map(|red| Lab::from_srgb([red, 0.4, 0.6].map(f64::from)));
        let found = mean_ciede2000(&first, &second).unwrap();
        assert!((found - 0.5 * ciede2000(a, b)).abs() < 1e-12);
        let found = mean_delta_e76(&first, &second).unwrap();
        assert!((found - 0.5 * delta_e76(a, b)).abs() < 1e-12);
        assert_eq!(mean_ciede2000(&first, &first), Ok(0.0));
    }
}
