//! CIELAB with the white of sRGB (D65) and back.

use tapetum_image::{Image, Linear, Srgb};

/// Linear sRGB to CIE XYZ (IEC 61966-2-1), each row divided by the white's share.
const TO_XYZ: [[f32; 3]; 3] = [
    [0.412_390_8 / WHITE[0], 0.357_584_34 / WHITE[0], 0.180_480_8 / WHITE[0]],
    [0.212_639, 0.715_168_7, 0.072_192_32],
    [0.019_330_82 / WHITE[2], 0.119_194_78 / WHITE[2], 0.950_532_15 / WHITE[2]],
];
/// CIE XYZ to linear sRGB.
const FROM_XYZ: [[f32; 3]; 3] = [
    [3.240_97, -1.537_383_2, -0.498_610_8],
    [-0.969_243_65, 1.875_967_5, 0.041_555_06],
    [0.055_630_08, -0.203_976_96, 1.056_971_5],
];
/// D65 as the sum of the three primaries.
const WHITE: [f32; 3] = [0.950_455_9, 1.0, 1.089_057_8];
/// Where the cube root gives way to a line: `(6/29)^3`, and the line's slope `(29/6)^2 / 3`.
const LINE_BELOW: f32 = 216.0 / 24_389.0;
const LINE_SLOPE: f32 = 841.0 / 108.0;

/// `L*` in 0..100, `a*` and `b*` of each pixel.
pub(super) fn from_srgb(pixels: &[f32]) -> Vec<f32> {
    let image = Image::<Srgb>::new((pixels.len() / 3) as u32, 1, pixels.to_vec());
    let linear = image.to_linear().pixels;
    linear.as_chunks().0.iter().flat_map(|&rgb| lab(rgb)).collect()
}

/// sRGB of each pixel, clamped to 0..1.
pub(super) fn to_srgb(lab: &[f32]) -> Vec<f32> {
    let (pixels, _) = lab.as_chunks::<3>();
    let linear = pixels.iter().flat_map(|&pixel| linear(pixel)).collect();
    let image = Image::<Linear>::new(pixels.len() as u32, 1, linear);
    image.to_srgb().pixels.into_iter().map(|value| value.clamp(0.0, 1.0)).collect()
}

fn lab(rgb: [f32; 3]) -> [f32; 3] {
    let [x, y, z] = times(&TO_XYZ, rgb).map(|share| {
        if share > LINE_BELOW { share.cbrt() } else { LINE_SLOPE * share + 4.0 / 29.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

fn linear([lightness, a, b]: [f32; 3]) -> [f32; 3] {
    let y = (lightness + 16.0) / 116.0;
    let share = |root: f32| {
        if root > 6.0 / 29.0 { root.powi(3) } else { (root - 4.0 / 29.0) / LINE_SLOPE }
    };
    let [x, y, z] = [y + a / 500.0, y, y - b / 200.0].map(share);
    times(&FROM_XYZ, [x * WHITE[0], y, z * WHITE[2]])
}

fn times(matrix: &[[f32; 3]; 3], [a, b, c]: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row[0] * a + row[1] * b + row[2] * c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_known_lightness_and_chroma() {
        let cases = [
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
            ([1.0, 1.0, 1.0], [100.0, 0.0, 0.0]),
            ([1.0, 0.0, 0.0], [53.24, 80.09, 67.20]),
            ([0.0, 1.0, 0.0], [87.73, -86.18, 83.18]),
            ([0.0, 0.0, 1.0], [32.30, 79.19, -107.86]),
            ([0.02, 0.02, 0.02], [1.398, 0.0, 0.0]),
        ];
        for (rgb, expected) in cases {
            let found = from_srgb(&rgb);
            for (value, expected) in found.iter().zip(expected) {
                assert!((value - expected).abs() < 0.02, "{rgb:?}: {found:?}");
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_colour() {
        let colours: Vec<f32> = (0..3000).map(|idx| (idx * 677 % 256) as f32 / 255.0).collect();
        let back = to_srgb(&from_srgb(&colours));
        let differences = colours.iter().zip(&back).map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0, f32::max) < 2e-5);
    }
}
