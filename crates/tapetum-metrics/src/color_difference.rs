//! CIEDE2000: how different two colours look.

/// sRGB to XYZ under D65, rows X, Y, Z (IEC 61966-2-1).
const SRGB_TO_XYZ: [[f64; 3]; 3] = [
    [0.412_456_4, 0.357_576_1, 0.180_437_5],
    [0.212_672_9, 0.715_152_2, 0.072_175_0],
    [0.019_333_9, 0.119_192_0, 0.950_304_1],
];
const WHITE: [f64; 3] = [0.950_47, 1.0, 1.088_83];

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
        let linear =
            rgb.map(|v| if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) });
        let xyz =
            SRGB_TO_XYZ.map(|row| row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2]);
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z] = [0, 1, 2].map(|axis| f(xyz[axis] / WHITE[axis]));
        Self { l: 116.0 * y - 16.0, a: 500.0 * (x - y), b: 200.0 * (y - z) }
    }
}

/// ΔE00 of two colours with all weights 1 ([Sharma 2005], equations 2–22). About 1 is just
/// noticeable side by side.
pub fn ciede2000(first: Lab, second: Lab) -> f64 {
    let chroma = |lab: Lab| lab.a.hypot(lab.b);
    let seventh = |chroma: f64| (chroma.powi(7) / (chroma.powi(7) + 25f64.powi(7))).sqrt();
    let g = 0.5 * (1.0 - seventh(0.5 * (chroma(first) + chroma(second))));
    let [(c1, h1), (c2, h2)] = [first, second].map(|lab| {
        let a = lab.a * (1.0 + g);
        let hue = if a == 0.0 && lab.b == 0.0 { 0.0 } else { lab.b.atan2(a).to_degrees() };
        (a.hypot(lab.b), hue.rem_euclid(360.0))
    });
    let is_grey = c1 * c2 == 0.0;

    let hue_step = match h2 - h1 {
        _ if is_grey => 0.0,
        step if step > 180.0 => step - 360.0,
        step if step < -180.0 => step + 360.0,
        step => step,
    };
    let delta_l = second.l - first.l;
    let delta_c = c2 - c1;
    let delta_h = 2.0 * (c1 * c2).sqrt() * (0.5 * hue_step).to_radians().sin();

    let mean_l = 0.5 * (first.l + second.l);
    let mean_c = 0.5 * (c1 + c2);
    let mean_h = match h1 + h2 {
        sum if is_grey => sum,
        sum if (h1 - h2).abs() <= 180.0 => 0.5 * sum,
        sum if sum < 360.0 => 0.5 * (sum + 360.0),
        sum => 0.5 * (sum - 360.0),
    };
    let cos = |degrees: f64| degrees.to_radians().cos();
    let t =
        1.0 - 0.17 * cos(mean_h - 30.0) + 0.24 * cos(2.0 * mean_h) + 0.32 * cos(3.0 * mean_h + 6.0)
            - 0.20 * cos(4.0 * mean_h - 63.0);
    let lightness_square = (mean_l - 50.0).powi(2);
    let scale_l = 1.0 + 0.015 * lightness_square / (20.0 + lightness_square).sqrt();
    let scale_c = 1.0 + 0.045 * mean_c;
    let scale_h = 1.0 + 0.015 * mean_c * t;
    let rotation = -(60.0 * (-((mean_h - 275.0) / 25.0).powi(2)).exp()).to_radians().sin()
        * 2.0
        * seventh(mean_c);

    let (l, c, h) = (delta_l / scale_l, delta_c / scale_c, delta_h / scale_h);
    (l * l + c * c + h * h + rotation * c * h).max(0.0).sqrt()
}

/// Mean ΔE00 over the pixels of two interleaved sRGB images, 0..1.
///
/// # Panics
/// When the two differ in length or hold no pixel.
pub fn mean_ciede2000(first: &[f32], second: &[f32]) -> f64 {
    assert_eq!(first.len(), second.len(), "images of one size");
    let (first, _) = first.as_chunks::<3>();
    let (second, _) = second.as_chunks::<3>();
    assert!(!first.is_empty(), "an image has pixels");
    let lab = |rgb: &[f32; 3]| Lab::from_srgb(rgb.map(f64::from));
    let sum: f64 = first.iter().zip(second).map(|(a, b)| ciede2000(lab(a), lab(b))).sum();
    sum / first.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs and differences published by Sharma, Wu and Dalal (2005), table 1: those that tell
    /// wrong hue handling, wrong rotation and wrong scaling apart.
    const SHARMA: [([f64; 3], [f64; 3], f64); 12] = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 3.1571, -77.2803], [50.0, 0.0, -82.7485], 2.8615),
        ([50.0, -1.3802, -84.2814], [50.0, 0.0, -82.7485], 1.0000),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0009], 7.1792),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0011], 7.2195),
        ([50.0, -0.001, 2.49], [50.0, 0.0009, -2.49], 4.8045),
        ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
        ([50.0, 2.5, 0.0], [58.0, 24.0, 15.0], 19.4535),
        ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ([22.7233, 20.0904, -46.694], [23.0331, 14.973, -42.5619], 2.0373),
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
            let found = Lab::from_srgb(rgb);
            let distance = (found.l - l).abs() + (found.a - a).abs() + (found.b - b).abs();
            assert!(distance < 0.05, "{rgb:?} is {found:?}");
        }
        assert_eq!(mean_ciede2000(&[0.3; 9], &[0.3; 9]), 0.0);
    }
}
