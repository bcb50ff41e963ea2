//! Hyperbolic tangent and the eight-step curve, over a row of pixels.

use crate::row_conv::N_OUT;

/// Steps of the curve.
const N_STEPS: usize = 8;
/// Pixels worked on together.
const N_BLOCK: usize = 16;

/// Applies `u ← u + tanh(m) (u² - u)` for each step's three maps `m` to a row of pixels.
///
/// # Shapes
/// `image` and `output`: `[width, 3]`; `maps`: `[width, 32]`, of which the first 24 channels are the
/// maps before their tanh, the first step's three first.
///
/// # Panics
/// When the lengths do not fit together.
pub fn apply_curves_to_row(image: &[f32], maps: &[f32], output: &mut [f32]) {
    assert_eq!(image.len(), output.len(), "rows of one width");
    assert_eq!(image.len() / 3 * N_OUT, maps.len(), "32 maps a pixel");
    let images = image.chunks(N_BLOCK * 3).zip(maps.chunks(N_BLOCK * N_OUT));
    for ((image, maps), output) in images.zip(output.chunks_mut(N_BLOCK * 3)) {
        for channel in 0..3 {
            let mut values = [0f32; N_BLOCK];
            let n_pixels = image.len() / 3;
            for (value, pixel) in values.iter_mut().zip(image.chunks_exact(3)) {
                *value = pixel[channel];
            }
            for step in 0..N_STEPS {
                let mut rates = [0f32; N_BLOCK];
                for (rate, maps) in rates.iter_mut().zip(maps.chunks_exact(N_OUT)) {
                    *rate = maps[3 * step + channel];
                }
                for (value, rate) in values.iter_mut().zip(rates) {
                    *value += tanh(rate) * (*value * *value - *value);
                }
            }
            for (pixel, value) in output.chunks_exact_mut(3).zip(&values[..n_pixels]) {
                pixel[channel] = *value;
            }
        }
    }
}

/// A rational minimax approximation, odd, without branches; beyond the clamp tanh is 1 in `f32`. Off
/// by less than 4e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    const NUMERATOR: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ];
    const DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    let x = x.clamp(-7.905_31, 7.905_31);
    let square = x * x;
    let polynomial = |terms: &[f32]| terms.iter().fold(0.0, |sum, term| sum * square + term);
    x * polynomial(&NUMERATOR) / polynomial(&DENOMINATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_close_everywhere() {
        for idx in -20_000..=20_000 {
            let x = idx as f32 * 1e-3;
            let expected = f64::from(x).tanh();
            assert!((f64::from(tanh(x)) - expected).abs() < 4e-7, "{x}");
        }
        assert_eq!(tanh(f32::INFINITY), tanh(10.0));
    }
}
