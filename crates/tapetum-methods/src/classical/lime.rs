//! LIME: the light of a scene as a smooth map that keeps its edges, and the photograph divided by it.
//!
//! X. Guo, Y. Li, H. Ling, *LIME: Low-Light Image Enhancement via Illumination Map Estimation*, IEEE TIP
//! 26(2), 2017, doi 10.1109/TIP.2016.2639450. The first estimate is the largest of red, green and blue;
//! it is refined by the paper's accelerated solver with weights of strategy III, solved to an error of
//! 1e-4 at most. Denoising by BM3D, an option of the paper, is left out.

use rayon::prelude::*;
use tapetum_image::{Image, Srgb};
use tapetum_nn::{MethodCard, SizeRule, Tiling};

use super::weighted_least_squares::System;

/// The facts about LIME.
pub static CARD: MethodCard = MethodCard {
    name: "lime",
    title: "LIME",
    citation: "Guo, Li, Ling, LIME: Low-Light Image Enhancement via Illumination Map Estimation, \
               IEEE TIP 26(2), 2017; without BM3D",
    purpose: "the strongest of the baselines in the dark; bright, and noisy where there is little light",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::WholeImageOnly,
    // The image before and after and its finished rows, as floats; ten numbers of the solver, half of
    // them of 64 bits, and a third more on the halved grids.
    working_bytes_per_pixel: 130,
    default_weights: None,
    weights_by_scale: &[],
};

/// Balance between the first estimate and smoothness, `α`; the paper's choice.
const SMOOTHNESS: f32 = 0.15;
/// Exponent of the refined map, `γ`; the paper's choice.
const GAMMA: f64 = 0.8;
/// Standard deviation of the window `G_σ` in pixels, `σ`; the paper's choice.
const WINDOW_DEVIATION_PX: f32 = 2.0;
/// Pixels of the window in each direction: three standard deviations.
const WINDOW_RADIUS_PX: usize = 6;
/// Keeps denominators from zero, `ε`; the paper gives no number.
const EPSILON: f32 = 1e-3;

/// The image divided by its light: `R = L / (T^γ + ε)`, clamped to 0..1.
pub fn enhance(low: &Image<Srgb>) -> Image<Srgb> {
    let illumination = illumination(low);
    let mut pixels = low.pixels.clone();
    pixels.par_chunks_exact_mut(3).zip(&illumination).for_each(|(pixel, &light)| {
        let light = light.powf(GAMMA) + f64::from(EPSILON);
        pixel
            .iter_mut()
            .for_each(|value| *value = (f64::from(*value) / light).clamp(0.0, 1.0) as f32);
    });
    Image::new(low.width(), low.height(), pixels)
}

/// The refined map `T` of each pixel, 0..1: the accelerated solver.
pub fn illumination(low: &Image<Srgb>) -> Vec<f64> {
    let width = low.width() as usize;
    let brightest = |pixel: &[f32]| pixel.iter().copied().fold(0.0, f32::max).min(1.0);
    let first: Vec<f32> = low.pixels.par_chunks_exact(3).map(brightest).collect();
    let [right, down] = [1, width].map(|step| weights(&differences(&first, width, step), width));
    let values: Vec<f64> = first.iter().copied().map(f64::from).collect();
    drop(first);
    let mut refined = System::new(width, right, down).solve(&values);
    refined.par_iter_mut().for_each(|light| *light = light.clamp(0.0, 1.0));
    refined
}

/// The difference to the cell `step` ahead, in the row or in the column; none beyond the border.
fn differences(map: &[f32], width: usize, step: usize) -> Vec<Option<f32>> {
    let is_last = |idx: usize| {
        if step == 1 { (idx + 1).is_multiple_of(width) } else { idx + step >= map.len() }
    };
    let difference = |idx: usize| (!is_last(idx)).then(|| map[idx + step] - map[idx]);
    (0..map.len()).into_par_iter().map(difference).collect()
}

/// `α W / (|∇T̂| + ε)` with `W = Σ G / (|Σ G ∇T̂| + ε)` over the window:
/// the accelerated solver with weights of strategy III.
fn weights(differences: &[Option<f32>], width: usize) -> Vec<f32> {
    let known: Vec<f32> = differences.par_iter().map(|known| known.unwrap_or(0.0)).collect();
    let windowed = window(&known, width);
    let areas = window(&vec![1.0; known.len()], width);
    let weight = |((difference, windowed), area): ((&Option<f32>, &f32), &f32)| {
        let structure = area / (windowed.abs() + EPSILON);
        difference.map_or(0.0, |known| SMOOTHNESS * structure / (known.abs() + EPSILON))
    };
    differences.par_iter().zip(&windowed).zip(&areas).map(weight).collect()
}

/// Sums over the window around each pixel, as far as it lies in the image.
fn window(plane: &[f32], width: usize) -> Vec<f32> {
    let taps = taps();
    let radius = WINDOW_RADIUS_PX;
    let height = plane.len() / width;
    let mut along_rows = vec![0.0; plane.len()];
    let rows = along_rows.par_chunks_mut(width).zip(plane.par_chunks(width));
    rows.for_each(|(sums, row)| {
        for (x, sum) in sums.iter_mut().enumerate() {
            let (start, end) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            let taps = &taps[start + radius - x..];
            *sum = row[start..end].iter().zip(taps).map(|(value, tap)| value * tap).sum();
        }
    });
    let mut sums = vec![0.0; plane.len()];
    sums.par_chunks_mut(width).enumerate().for_each(|(y, sums)| {
        for other in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            let tap = taps[other + radius - y];
            let row = &along_rows[other * width..(other + 1) * width];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += tap * value);
        }
    });
    sums
}

/// A Gaussian whose samples sum to one.
fn taps() -> [f32; 2 * WINDOW_RADIUS_PX + 1] {
    let height = |idx: usize| {
        let distance = idx as f32 - WINDOW_RADIUS_PX as f32;
        (-0.5 * (distance / WINDOW_DEVIATION_PX).powi(2)).exp()
    };
    let taps: [f32; 2 * WINDOW_RADIUS_PX + 1] = std::array::from_fn(height);
    let sum: f32 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}
