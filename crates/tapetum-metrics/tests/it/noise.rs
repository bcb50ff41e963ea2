//! Noise estimates against the numbers that `tools/golden/no_reference.py` prints, and on known noise.

use tapetum_metrics::{MetricError, Picture, noise_gain, noise_immerkaer, noise_wavelet};

use crate::{
    golden::{check, enhanced, flat, low, odd},
    scene,
};

#[test]
fn noise_estimates_are_those_of_the_script_and_of_scikit_image() {
    check("immerkaer", noise_immerkaer(&enhanced()), 4.876314084072519);
    check("immerkaer of the dark", noise_immerkaer(&low()), 0.7745010876640744);
    check("wavelet", noise_wavelet(&enhanced()), 7.584871395195463);
    check("wavelet, odd sides", noise_wavelet(&odd()), 7.45363912836187);
}

#[test]
fn noise_of_known_strength_is_measured_within_five_per_cent() {
    let picture = noisy(&plain_scene(), 4.0, 1);
    // Grey of three independent channels has less noise than each.
    let grey = 4.0 * (0.299f64.powi(2) + 0.587f64.powi(2) + 0.114f64.powi(2)).sqrt();
    assert!((noise_immerkaer(&picture).unwrap() / grey - 1.0).abs() < 0.05);
    assert!((noise_wavelet(&picture).unwrap() / 4.0 - 1.0).abs() < 0.05);
}

#[test]
fn noise_gain_of_known_strength_is_measured_within_five_per_cent() {
    for clean in [plain_scene(), partly_textured_scene()] {
        let low = noisy(&clean, 3.0, 1);
        // The same noise, brighter.
        check_gain(&low, &low.map(|value| 2.5 * value), 2.5);
        // Noise of its own, stronger and weaker, on a brighter scene.
        let bright = clean.map(|value| 2.0 * value);
        check_gain(&low, &noisy(&bright, 6.0, 2), 2.0);
        check_gain(&low, &noisy(&bright, 1.5, 3), 0.5);
        check_gain(&low, &low, 1.0);
    }
}

#[test]
fn noise_gain_needs_flat_areas_with_noise_that_is_not_clipped() {
    let noisy = noisy(&plain_scene(), 3.0, 1);
    for (low, enhanced) in [
        (flat(1, 1, 0.5), flat(1, 1, 0.5)),
        (flat(160, 160, 0.2), flat(160, 160, 0.4)),
        (flat(160, 160, 0.0), flat(160, 160, 0.4)),
        (noisy.clone(), noisy.map(|_| 255.0)),
    ] {
        let found = noise_gain(&low, &enhanced);
        assert!(matches!(found, Err(MetricError::Undefined { .. })), "{found:?}");
    }
    assert!(matches!(noise_gain(&noisy, &flat(1, 1, 0.0)), Err(MetricError::Sizes { .. })));
}

fn check_gain(low: &Picture, enhanced: &Picture, expected: f64) {
    let found = noise_gain(low, enhanced).unwrap();
    assert!((found / expected - 1.0).abs() < 0.05, "{found}, not {expected}");
}

/// Slopes and hard edges.
fn plain_scene() -> Picture {
    paint(|x, y| {
        let is_box = (x / 90 + y / 70).is_multiple_of(2);
        30.0 + 0.1 * x as f32 + 0.05 * y as f32 + if is_box { 25.0 } else { 0.0 }
    })
}

/// A slope, with a strong fine pattern over its right half.
fn partly_textured_scene() -> Picture {
    paint(|x, y| {
        let pattern = (x as f32 * 1.3).sin() + (y as f32 * 0.9).cos();
        50.0 + 0.1 * x as f32 + if x >= 160 { 12.0 * pattern } else { 0.0 }
    })
}

fn paint(level: impl Fn(usize, usize) -> f32) -> Picture {
    let pixels: Vec<f32> =
        (0..320 * 240).flat_map(|idx| [level(idx % 320, idx / 320) / 255.0; 3]).collect();
    Picture::from_rgb(320, 240, &pixels)
}

/// Adds independent normal noise to every value.
fn noisy(picture: &Picture, sigma: f64, seed: u32) -> Picture {
    let mut picture = picture.clone();
    for (channel, plane) in (0..).zip(&mut picture.planes) {
        for (value, idx) in plane.values.iter_mut().zip(0..) {
            let uniform =
                |salt| (f64::from(scene::hash([idx, channel, salt])) + 0.5) / 2f64.powi(32);
            let [first, second] = [uniform(2 * seed), uniform(2 * seed + 1)];
            *value += sigma * (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
        }
    }
    picture
}
