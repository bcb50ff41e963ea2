//! Dark photographs made from well-lit ones.

use tapetum_data::{Synthesis, SynthesisRange, apply, draw, random_stream, shrunk};
use tapetum_image::{Image, Srgb};

/// No change but the rounding to 256 levels.
fn nothing() -> Synthesis {
    let cast = [1.0; 3];
    Synthesis { shrink: 1, exposure: 1.0, gamma: 1.0, cast, iso: 0, jpeg_quality: None }
}

/// Smooth waves of different periods in the three channels, 0.1..0.9.
fn waves(width: u32, height: u32) -> Image<Srgb> {
    let value = |x: u32, y: u32, channel: u32| {
        let phase = 0.19 * x as f32 + 0.13 * y as f32 * (1 + channel) as f32;
        0.5 + 0.4 * (phase + channel as f32).sin()
    };
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = rows.flat_map(|(x, y)| [0, 1, 2].map(|channel| value(x, y, channel)));
    Image::new(width, height, pixels.collect())
}

fn made(synthesis: &Synthesis, reference: &Image<Srgb>, name: &str) -> Image<Srgb> {
    apply(synthesis, reference, &mut random_stream(1, name)).unwrap()
}

/// Mean linear light of each channel.
fn light(image: &Image<Srgb>) -> [f64; 3] {
    let linear = image.to_linear();
    [0, 1, 2].map(|channel| {
        let values = linear.pixels.iter().skip(channel).step_by(3);
        values.map(|&value| f64::from(value)).sum::<f64>() / (linear.pixels.len() / 3) as f64
    })
}

fn mean(image: &Image<Srgb>) -> f64 {
    light(image).iter().sum::<f64>() / 3.0
}

fn peak_difference(a: &Image<Srgb>, b: &Image<Srgb>) -> f32 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    a.pixels.iter().zip(&b.pixels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn without_darkness_noise_and_jpeg_only_rounding_remains() {
    let reference = waves(40, 30);
    let same = made(&nothing(), &reference, "a");
    assert!(peak_difference(&same, &reference) < 0.5001 / 255.0);
    let levels: Vec<f32> = (0..=255).flat_map(|level| [level as f32 / 255.0; 3]).collect();
    let levels = Image::new(16, 16, levels);
    assert_eq!(made(&nothing(), &levels, "a"), levels, "256 levels are kept bit for bit");
}

#[test]
fn less_exposure_and_more_gamma_are_darker() {
    let reference = waves(64, 64);
    for iso in [0, 400] {
        let dark = |exposure, gamma| {
            let jpeg_quality = Some(80);
            mean(&made(
                &Synthesis { exposure, gamma, iso, jpeg_quality, ..nothing() },
                &reference,
                "a",
            ))
        };
        let by_exposure = [1.0, 0.5, 0.2, 0.05, 0.01].map(|exposure| dark(exposure, 1.0));
        assert!(by_exposure.is_sorted_by(|a, b| a > b), "{by_exposure:?}");
        let by_gamma = [0.5, 1.0, 1.5, 2.5].map(|gamma| dark(0.5, gamma));
        assert!(by_gamma.is_sorted_by(|a, b| a > b), "{by_gamma:?}");
    }
    let half = mean(&made(&Synthesis { exposure: 0.5, ..nothing() }, &reference, "a"));
    assert!((half / mean(&reference) - 0.5).abs() < 0.002, "half the light is half the light");
}

#[test]
fn a_cast_changes_its_own_channel() {
    let reference = waves(64, 64);
    let before = light(&reference);
    for channel in 0..3 {
        let mut cast = [1.0; 3];
        cast[channel] = 0.6;
        let after = light(&made(&Synthesis { cast, ..nothing() }, &reference, "a"));
        for other in 0..3 {
            let expected = if other == channel { 0.6 } else { 1.0 };
            let ratio = after[other] / before[other];
            assert!((ratio - expected).abs() < 0.003, "{channel} changed {other} by {ratio}");
        }
    }
}

#[test]
fn noise_in_the_picture_has_the_variance_of_the_sensor() {
    // Mid-grey light of 0.2 at ISO 1600: 375 electrons are white, reading adds 1.51.
    let light = 0.2_f64;
    let srgb = 1.055 * light.powf(1.0 / 2.4) - 0.055;
    let flat = Image::<Srgb>::new(200, 200, vec![srgb as f32; 200 * 200 * 3]);
    let noisy = made(&Synthesis { iso: 1600, ..nothing() }, &flat, "flat").to_linear();
    let n_values = noisy.pixels.len() as f64;
    let mean = noisy.pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / n_values;
    let squares = noisy.pixels.iter().map(|&v| (f64::from(v) - mean).powi(2));
    let variance = squares.sum::<f64>() / n_values;
    let expected = light / 375.0 + (1.51_f64 / 375.0).powi(2);
    assert!((mean - light).abs() < 5.0 * (expected / n_values).sqrt(), "{mean}");
    // 0.4 % is one standard error; rounding to 256 levels adds 1 % at this light.
    assert!((variance / expected - 1.0).abs() < 0.03, "{variance} is not {expected}");
}

#[test]
fn a_picture_depends_on_seed_and_name_and_not_on_order() {
    let reference = waves(48, 32);
    let range = SynthesisRange::default();
    let one = |seed, name: &str| {
        let mut random = random_stream(seed, name);
        let synthesis = draw(&range, &mut random).unwrap();
        apply(&synthesis, &reference, &mut random).unwrap()
    };
    let forth: Vec<_> = ["a", "b", "c"].into_iter().map(|name| one(3, name)).collect();
    let mut back: Vec<_> = ["c", "b", "a"].into_iter().map(|name| one(3, name)).collect();
    back.reverse();
    assert_eq!(forth, back);
    assert_ne!(forth[0], forth[1]);
    assert_ne!(one(3, "a"), one(4, "a"));
}

#[test]
fn the_small_sensor_sees_the_small_picture() {
    let reference = waves(64, 48);
    let small = |shrink, iso| made(&Synthesis { shrink, iso, ..nothing() }, &reference, "a");
    for factor in [2, 4] {
        let low = small(factor, 0);
        assert_eq!((low.width(), low.height()), (64 / factor, 48 / factor));
        assert!((mean(&low) / mean(&reference) - 1.0).abs() < 0.01, "light is kept");
        let clean = shrunk(&reference, factor).unwrap();
        assert!(peak_difference(&low, &clean) < 0.5001 / 255.0);
    }
    // Noise is added to the small picture: averaging does not make it less.
    let rms = |shrink| {
        let (noisy, clean) = (small(shrink, 3200).to_linear(), small(shrink, 0).to_linear());
        let squares = noisy.pixels.iter().zip(&clean.pixels).map(|(a, b)| (a - b).powi(2));
        (squares.sum::<f32>() / noisy.pixels.len() as f32).sqrt()
    };
    assert!((rms(4) / rms(1) - 1.0).abs() < 0.1, "{} and {}", rms(4), rms(1));
}

#[test]
fn jpeg_leaves_its_marks_and_more_at_low_quality() {
    let reference = made(&Synthesis { iso: 800, ..nothing() }, &waves(64, 64), "a");
    let change = |quality| {
        let low = made(&Synthesis { jpeg_quality: Some(quality), ..nothing() }, &reference, "a");
        let squares = low.pixels.iter().zip(&reference.pixels).map(|(a, b)| (a - b).powi(2));
        squares.sum::<f32>() / low.pixels.len() as f32
    };
    let changes = [98, 85, 60, 20].map(change);
    assert!(changes[0] > 0.0 && changes.is_sorted_by(|a, b| a < b), "{changes:?}");
}

#[test]
fn draws_lie_in_their_ranges_and_fill_them() {
    let range = SynthesisRange { shrink: 2, ..SynthesisRange::default() };
    let mut random = random_stream(5, "draws");
    let draws: Vec<Synthesis> = (0..2000).map(|_| draw(&range, &mut random).unwrap()).collect();
    draws.iter().for_each(|synthesis| synthesis.check().unwrap());
    let inside = |[least, greatest]: [f32; 2], values: Vec<f32>| {
        assert!(values.iter().all(|v| (least..=greatest).contains(v)));
        // Half of a log-uniform draw lies below the geometric mean.
        let middle = (least * greatest).sqrt();
        let n_below = values.iter().filter(|&&v| v < middle).count() as f32;
        let share = n_below / values.len() as f32;
        assert!((share - 0.5).abs() < 0.06, "{share} below {middle}");
    };
    inside(range.exposure, draws.iter().map(|d| d.exposure).collect());
    inside(range.gamma, draws.iter().map(|d| d.gamma).collect());
    inside(range.iso.map(|v| v as f32), draws.iter().map(|d| d.iso as f32).collect());
    for channel in [0, 2] {
        let gains = draws.iter().map(|d| d.cast[channel]).collect();
        inside([1.0 / range.cast, range.cast], gains);
    }
    assert!(draws.iter().all(|d| d.cast[1] == 1.0 && d.shrink == 2));
    let qualities: Vec<u8> = draws.iter().filter_map(|d| d.jpeg_quality).collect();
    assert!((900..1100).contains(&qualities.len()), "half go through JPEG");
    assert_eq!(qualities.iter().min(), Some(&70));
    assert_eq!(qualities.iter().max(), Some(&98));
}

#[test]
fn wrong_numbers_are_refused_with_their_names() {
    let reference = waves(6, 4);
    let refused = |synthesis: Synthesis| {
        apply(&synthesis, &reference, &mut random_stream(1, "a")).unwrap_err().to_string()
    };
    let cases = [
        (Synthesis { shrink: 3, ..nothing() }, "shrink: expected 1, 2 or 4, got 3"),
        (Synthesis { shrink: 4, ..nothing() }, "expected sides that are multiples of 4, got 6x4"),
        (Synthesis { exposure: 0.0, ..nothing() }, "exposure: expected above 0, up to 16, got 0"),
        (
            Synthesis { exposure: f32::NAN, ..nothing() },
            "exposure: expected above 0, up to 16, got NaN",
        ),
        (Synthesis { gamma: 0.0, ..nothing() }, "gamma: expected 0.1 to 10, got 0"),
        (Synthesis { cast: [1.0, -1.0, 1.0], ..nothing() }, "cast: expected 0 to 16, got -1"),
        (Synthesis { iso: 1 << 20, ..nothing() }, "iso: expected 0 to 409600, got 1048576"),
        (
            Synthesis { jpeg_quality: Some(0), ..nothing() },
            "jpeg_quality: expected 1 to 100, got 0",
        ),
    ];
    for (synthesis, expected) in cases {
        assert_eq!(refused(synthesis), expected);
    }
    let range = SynthesisRange::default();
    let cases = [
        (
            SynthesisRange { exposure: [0.5, 0.1], ..range.clone() },
            "exposure: expected the least first, got 0.5 and 0.1",
        ),
        (
            SynthesisRange { iso: [0, 100], ..range.clone() },
            "iso: expected a least value above 0, or [0, 0], got 0",
        ),
        (SynthesisRange { cast: 0.5, ..range.clone() }, "cast: expected 1 to 16, got 0.5"),
        (SynthesisRange { jpeg_share: 2.0, ..range }, "jpeg_share: expected 0 to 1, got 2"),
    ];
    for (range, expected) in cases {
        let error = draw(&range, &mut random_stream(1, "a")).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn files_state_differences_and_unknown_keys_are_refused() {
    let range: SynthesisRange = serde_json::from_str(r#"{"exposure": [0.1, 0.2]}"#).unwrap();
    let expected = SynthesisRange { exposure: [0.1, 0.2], ..SynthesisRange::default() };
    assert_eq!(range, expected);
    assert!(serde_json::from_str::<SynthesisRange>(r#"{"exposures": [0.1, 0.2]}"#).is_err());
    let text = serde_json::to_string(&nothing()).unwrap();
    assert_eq!(serde_json::from_str::<Synthesis>(&text).unwrap(), nothing());
}
