//! MSRCR: multi-scale retinex with colour restoration.
//!
//! D. Jobson, Z. Rahman, G. Woodell, *A Multiscale Retinex for Bridging the Gap Between Color Images and
//! the Human Observation of Scenes*, IEEE TIP 6(7), 1997, doi 10.1109/83.597272. Each sample is
//! compared with Gaussian means around it on a logarithmic scale. The last step follows A. Petro,
//! C. Sbert, J.-M. Morel, *Multiscale Retinex*, IPOL 4 (2014), doi 10.5201/ipol.2014.107.

use rayon::prelude::*;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

use super::surround::gaussian_means;

/// The facts about MSRCR.
pub static CARD: MethodCard = MethodCard {
    name: "msrcr",
    title: "MSRCR",
    citation: "Jobson, Rahman, Woodell, A Multiscale Retinex for Bridging the Gap Between Color Images \
               and the Human Observation of Scenes, IEEE TIP 6(7), 1997",
    purpose: "a baseline that evens out the light; noisy and pale in the dark",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::WholeImageOnly,
    // The image before and after and its finished rows, as floats; a plane before and after a Gaussian,
    // in between, and its retinex.
    working_bytes_per_pixel: 80,
    default_weights: None,
    weights_by_scale: &[],
};

/// Standard deviations of the surrounds in pixels, which count alike.
const SCALES_PX: [f64; 3] = [15.0, 80.0, 250.0];
/// Strength of the colour restoration.
const ALPHA: f32 = 125.0;
/// Samples in a hundred that may be cut off at each end of the range.
const CUT_PERCENT: usize = 1;
/// A smaller range holds nothing but rounding: 8-bit levels next to each other differ fifteen times more.
const RANGE_MIN: f32 = 1e-3;

/// Retinex, colour restoration, and the range stretched to 0..1.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    let retinex = restored_retinex(low);
    let (darkest, brightest) = range(retinex.clone());
    if brightest - darkest < RANGE_MIN {
        return low.clone();
    }
    let mut pixels = retinex;
    pixels.par_iter_mut().for_each(|value| {
        *value = ((*value - darkest) / (brightest - darkest)).clamp(0.0, 1.0);
    });
    Image::new(low.width(), low.height(), pixels)
}

/// `ln(α I_c / Σ I) Σ_n (ln I_c − ln(F_n * I_c)) / 3` of each sample, with samples of
/// 1..256 so that black has a logarithm. The paper's `β` and gain scale it as a whole, its offset
/// shifts it: both vanish when the range is stretched.
pub fn restored_retinex(low: &Image<Srgb>) -> Vec<f32> {
    let mut restored = vec![0.0; low.pixels.len()];
    for channel in 0..3 {
        let retinex = retinex(low, channel);
        let (pixels, _) = low.pixels.as_chunks::<3>();
        restored.par_chunks_exact_mut(3).zip(pixels).zip(retinex).for_each(
            |((restored, pixel), retinex)| {
                let sum: f32 = pixel.iter().map(|&value| level(value)).sum();
                restored[channel] = (ALPHA * level(pixel[channel]) / sum).ln() * retinex;
            },
        );
    }
    restored
}

/// `Σ_n (ln I_c − ln(F_n * I_c)) / 3` of one channel.
fn retinex(low: &Image<Srgb>, channel: usize) -> Vec<f32> {
    let plane: Vec<f32> = low.pixels.par_chunks_exact(3).map(|pixel| pixel[channel]).collect();
    let mut retinex: Vec<f32> = plane.par_iter().map(|&value| level(value).ln()).collect();
    for deviation_px in SCALES_PX {
        let surround = gaussian_means(&plane, low.width() as usize, deviation_px);
        retinex.par_iter_mut().zip(&surround).for_each(|(retinex, &surround)| {
            *retinex -= level(surround).ln() / SCALES_PX.len() as f32;
        });
    }
    retinex
}

/// 1..256.
fn level(value: f32) -> f32 {
    1.0 + 255.0 * value.clamp(0.0, 1.0)
}

/// What is left between the cut ends of the range.
fn range(mut values: Vec<f32>) -> (f32, f32) {
    let n_cut = values.len() * CUT_PERCENT / 100;
    let n_kept = values.len() - 2 * n_cut;
    let (_, &mut darkest, above) = values.select_nth_unstable_by(n_cut, f32::total_cmp);
    let brightest = match n_kept {
        1 => darkest,
        _ => *above.select_nth_unstable_by(n_kept - 2, f32::total_cmp).1,
    };
    (darkest, brightest)
}
