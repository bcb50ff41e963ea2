//! Order of lightness, statistics and harm against the numbers that `tools/golden/no_reference.py` prints.

use tapetum_metrics::{
    LoeVariant, MetricError, average_gradient, clipped_high, clipped_low, colourfulness, eme,
    entropy, hue_shift_degrees, loe, luma_statistics, newly_clipped, noise_immerkaer,
    noise_wavelet,
};

use crate::{
    golden::{check, enhanced, flat, low},
    scene,
};

#[test]
fn loe_is_that_of_the_script() {
    check("loe", loe(&enhanced(), &low(), LoeVariant::Thinned), 432.7085333333333);
    check("loe-local-max", loe(&enhanced(), &low(), LoeVariant::LocalMax), 77.996);
    let crop = |pixels: Vec<u8>| {
        let rows = pixels.chunks(900).take(60).flat_map(|row| &row[..210]);
        scene::picture(70, 60, &rows.copied().collect::<Vec<_>>())
    };
    let [enhanced, low] = [scene::enhanced, scene::low].map(|make| crop(make(300, 200, 3)));
    check("loe-full", loe(&enhanced, &low, LoeVariant::Full), 1032.1859523809524);
}

#[test]
fn loe_is_zero_for_a_rising_curve_and_refuses_what_it_cannot_compare() {
    let brighter = low().map(|value| 20.0 * value.sqrt());
    for variant in [LoeVariant::Thinned, LoeVariant::LocalMax, LoeVariant::Full] {
        check(variant.name(), loe(&brighter, &low(), variant), 0.0);
        let sizes = loe(&brighter, &flat(3, 3, 0.0), variant);
        assert!(matches!(sizes, Err(MetricError::Sizes { .. })), "{sizes:?}");
    }
    check("one pixel", loe(&flat(1, 1, 0.2), &flat(1, 1, 0.1), LoeVariant::Thinned), 0.0);
    let small = loe(&flat(49, 60, 0.2), &flat(49, 60, 0.1), LoeVariant::LocalMax);
    assert!(matches!(small, Err(MetricError::TooSmall { .. })), "{small:?}");
}

#[test]
fn statistics_are_those_of_the_script() {
    let picture = enhanced();
    check("entropy", entropy(&picture), 6.424093384093581);
    check("mean", luma_statistics(&picture).map(|pair| pair.0), 138.68079223333334);
    check("deviation", luma_statistics(&picture).map(|pair| pair.1), 22.63728029138659);
    check("colourfulness", colourfulness(&picture), 18.83475804578749);
    check("average gradient", average_gradient(&picture), 6.420603045477532);
    check("eme", eme(&picture), 1.7179591312831808);
    check("eme of the dark", eme(&low()), 2.678581649854296);
}

#[test]
fn flat_and_tiny_pictures_have_plain_statistics() {
    for value in [0.0, 0.5] {
        let picture = flat(8, 8, value);
        for found in [entropy, colourfulness, average_gradient, eme, noise_immerkaer, noise_wavelet]
        {
            assert!(found(&picture).unwrap().abs() < 1e-9);
        }
        check("mean", luma_statistics(&picture).map(|pair| pair.0), 255.0 * f64::from(value));
    }
    let pixel = flat(1, 1, 1.0);
    check("entropy", entropy(&pixel), 0.0);
    check("clipped", clipped_high(&pixel), 1.0);
    for found in [average_gradient, eme, noise_immerkaer, noise_wavelet] {
        assert!(matches!(found(&pixel), Err(MetricError::TooSmall { .. })));
    }
    let empty = flat(0, 0, 0.0);
    for found in [entropy, colourfulness, clipped_high, clipped_low] {
        assert!(matches!(found(&empty), Err(MetricError::TooSmall { .. })));
    }
}

#[test]
fn values_that_are_no_image_are_errors() {
    for value in [f32::NAN, f32::INFINITY, -1e9] {
        let picture = flat(60, 60, value);
        for found in [entropy, colourfulness, eme, clipped_low, noise_immerkaer, noise_wavelet] {
            assert!(matches!(found(&picture), Err(MetricError::Undefined { .. })), "{value}");
        }
        for variant in [LoeVariant::Thinned, LoeVariant::LocalMax, LoeVariant::Full] {
            assert!(loe(&picture, &flat(60, 60, 0.5), variant).is_err(), "{value}");
            assert!(loe(&flat(60, 60, 0.5), &picture, variant).is_err(), "{value}");
        }
    }
}

#[test]
fn clipped_pixels_are_counted_by_any_channel_above_and_by_all_below() {
    let levels = [[255, 10, 10], [254, 254, 254], [0, 0, 0], [0, 0, 1], [0, 255, 0]];
    let picture = scene::picture(5, 1, levels.as_flattened());
    check("high", clipped_high(&picture), 0.4);
    check("low", clipped_low(&picture), 0.2);
    let before =
        scene::picture(5, 1, [[255, 10, 10], [9; 3], [9; 3], [9; 3], [9; 3]].as_flattened());
    check("newly clipped", newly_clipped(&before, &picture), 0.2);
    assert!(newly_clipped(&before, &flat(4, 1, 0.0)).is_err());
}

#[test]
fn hue_shift_is_that_of_the_script_and_ignores_grey() {
    // scikit-image's matrix and white have other digits than ours: a per mille of the angle.
    let found = hue_shift_degrees(&low(), &enhanced()).unwrap();
    assert!((found / 13.746016918953055 - 1.0).abs() < 1e-3, "{found}");
    check("equal", hue_shift_degrees(&enhanced(), &enhanced()), 0.0);
    let grey = hue_shift_degrees(&flat(4, 4, 0.2), &flat(4, 4, 0.4));
    assert!(matches!(grey, Err(MetricError::Undefined { .. })), "{grey:?}");
    let [red, cyan] =
        [[200, 40, 40], [40, 200, 200]].map(|rgb: [u8; 3]| scene::picture(1, 1, &rgb));
    let opposite = hue_shift_degrees(&red, &cyan).unwrap();
    assert!((160.0..=180.0).contains(&opposite), "{opposite}");
}
