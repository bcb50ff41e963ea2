//! The classical methods against other implementations; `tools/golden/classical.py` made the numbers.

use tapetum_image::{Image, Srgb};
use tapetum_methods::{
    all,
    classical::{Classical, clahe, find, gamma, histogram_equalization, lime, msrcr},
    load,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

const GOLDEN: &[u8] = include_bytes!("../data/classical.safetensors");

/// The 8-bit levels of the script's picture: dark, with edges, slopes and noise.
fn levels(width: usize, height: usize) -> Vec<usize> {
    let level = |idx: usize| {
        let (x, y, channel) = (idx / 3 % width, idx / 3 / width, idx % 3);
        let slope = (x * x * (channel + 3) + 5 * y * y) / 160 % 90;
        let patches = 37 * ((x / 9 + y / 7) % 3);
        let noise = (x * 7919 + y * 104_729 + channel * 31) % 11;
        (slope + patches + noise) * 2 / 3
    };
    (0..width * height * 3).map(level).collect()
}

fn picture(width: usize, height: usize) -> Image<Srgb> {
    let pixels = levels(width, height).into_iter().map(|level| level as f32 / 255.0).collect();
    Image::new(width as u32, height as u32, pixels)
}

fn every() -> impl Iterator<Item = Classical> {
    all().into_iter().filter_map(|card| find(card.name))
}

#[test]
fn equalized_levels_are_those_of_opencv() {
    // Sums that the script prints for OpenCV's `equalizeHist` and `createCLAHE(2.0, (8, 8))`.
    let cases = [
        ((64, 48), 199_206_457, 129_251_377),
        ((61, 47), 180_415_394, 115_494_218),
        ((64, 45), 180_703_156, 111_320_146),
        ((200, 160), 2_067_681_327, 1_538_064_801),
        ((203, 161), 2_104_874_957, 1_684_640_998),
        ((5, 3), 15_108, 14_004),
        ((1, 1), 0, 255),
    ];
    for ((width, height), equalized, limited) in cases {
        let plane: Vec<f32> =
            levels(width, height).into_iter().step_by(3).map(|level| level as f32).collect();
        let found = histogram_equalization::equalize(&plane);
        assert_eq!(checksum(&found), equalized, "{width}x{height}");
        let found = clahe::equalize(&plane, width);
        assert_eq!(checksum(&found), limited, "{width}x{height}");
    }
}

fn checksum(values: &[f32]) -> u64 {
    let levels = values.iter().map(|value| value.round_ties_even() as u64);
    levels.zip(1..).map(|(level, place): (u64, u64)| level * (place % 1009)).sum()
}

#[test]
fn lime_is_that_of_a_direct_solver() {
    let low = picture(67, 45);
    let illumination: Vec<f32> =
        lime::illumination(&low).into_iter().map(|light| light as f32).collect();
    // The solver stops where the error is known to be below 1e-4; it is far below then.
    assert_close(&illumination, "lime.illumination", [2e-5, 5e-6]);
    assert_close(&lime::enhance(&low).pixels, "lime.enhanced", [1e-4, 1e-5]);
}

#[test]
fn msrcr_is_that_of_plain_gaussians() {
    let low = picture(67, 45);
    // A surround is off by up to 2e-5 of white, which is a hundredth of a dark one; times the
    // logarithm of the colour restoration, which is about four.
    assert_close(&msrcr::restored_retinex(&low), "msrcr.retinex", [2e-3, 5e-4]);
    assert_close(&msrcr::enhance(&low).pixels, "msrcr.enhanced", [5e-4, 1e-4]);
}

/// Compares with the script's numbers, by peak and by RMSE.
fn assert_close(found: &[f32], name: &str, [peak_max, rmse_max]: [f64; 2]) {
    let golden = Weights::from_bytes(GOLDEN).unwrap();
    let expected = &golden.tensors[name].values;
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs()));
    let (peak, squares) = differences.fold((0f64, 0.0), |(peak, sum), difference| {
        (peak.max(difference), sum + difference.powi(2))
    });
    let rmse = (squares / found.len() as f64).sqrt();
    println!("{name}: peak {peak:.2e}, RMSE {rmse:.2e}");
    assert!(peak <= peak_max && rmse <= rmse_max, "{name}: peak {peak:e}, RMSE {rmse:e}");
}

#[test]
fn gamma_is_the_power_of_the_samples() {
    let low = Image::new(1, 2, vec![0.0, 0.01, 0.1, 0.5, 0.9, 1.0]);
    let expected = [0.0, 0.123_285, 0.351_119, 0.729_740, 0.953_238, 1.0];
    for (found, expected) in gamma::enhance(&low).pixels.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }
}

#[test]
fn equalizing_luma_keeps_the_colour_differences() {
    let low = picture(80, 60);
    let enhanced = histogram_equalization::enhance(&low).pixels;
    let (mut n_inside, mut n_changed) = (0, 0);
    for (before, after) in low.pixels.chunks_exact(3).zip(enhanced.chunks_exact(3)) {
        if after.iter().all(|value| (0.001..0.999).contains(value)) {
            n_inside += 1;
            n_changed += usize::from((before[0] - after[0]).abs() > 0.01);
            let difference = |of: &[f32]| [of[0] - of[1], of[1] - of[2]];
            let pairs = difference(before).into_iter().zip(difference(after));
            assert!(pairs.into_iter().all(|(before, after)| (before - after).abs() < 1e-6));
        }
    }
    assert!(n_inside > 2000 && n_changed > 1000, "{n_inside} {n_changed}");
}

#[test]
fn levels_between_levels_stay_between_them() {
    // A slope of 16 bits comes out with as many values as it went in.
    let slope: Vec<f32> = (0..4096).map(|idx| 20.0 + idx as f32 / 256.0).collect();
    for equalized in [histogram_equalization::equalize(&slope), clahe::equalize(&slope, 4096)] {
        let mut distinct: Vec<u32> = equalized.iter().map(|value| value.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 3000, "{}", distinct.len());
    }
}

#[test]
fn pictures_of_every_kind_come_out_finite_and_in_range() {
    let constant = |value: f32| Image::new(20, 11, vec![value; 20 * 11 * 3]);
    let bright = |image: Image<Srgb>| {
        let pixels = image.pixels.iter().map(|value| 1.0 - 0.2 * value).collect();
        Image::new(image.width(), image.height(), pixels)
    };
    let grey = |image: Image<Srgb>| {
        let pixels = image.pixels.chunks_exact(3).flat_map(|pixel| [pixel[1]; 3]).collect();
        Image::new(image.width(), image.height(), pixels)
    };
    let pictures = [
        constant(0.0),
        constant(0.3),
        constant(1.0),
        picture(1, 1),
        picture(1, 33),
        picture(33, 1),
        picture(2, 2),
        bright(picture(40, 30)),
        grey(picture(40, 30)),
    ];
    for method in every() {
        for low in &pictures {
            let enhanced = method.enhance_image(low, &Device::flex());
            assert_eq!((enhanced.width(), enhanced.height()), (low.width(), low.height()));
            let is_in_range = enhanced.pixels.iter().all(|value| (0.0..=1.0).contains(value));
            assert!(is_in_range, "{} {}x{}", method.card().name, low.width(), low.height());
        }
        let grey = grey(picture(40, 30));
        let enhanced = method.enhance_image(&grey, &Device::flex());
        let spread = enhanced.pixels.chunks_exact(3).map(|pixel| {
            pixel.iter().copied().fold(0.0, f32::max) - pixel.iter().copied().fold(1.0, f32::min)
        });
        assert!(spread.fold(0.0, f32::max) < 1e-4, "{} colours grey", method.card().name);
    }
}

#[test]
fn pictures_of_one_colour_stay_as_they_are_where_a_method_goes_by_contrast() {
    for value in [0.0, 0.2, 1.0] {
        let low = Image::new(70, 40, vec![value; 70 * 40 * 3]);
        assert_eq!(msrcr::enhance(&low), low);
        let equalized = histogram_equalization::enhance(&low);
        assert!(equalized.pixels.iter().all(|found| (found - value).abs() < 1e-6));
    }
}

#[test]
fn lime_divides_a_flat_picture_by_its_own_light() {
    let enhanced = lime::enhance(&Image::new(30, 20, vec![0.2; 1800]));
    let expected = 0.2 / (0.2f32.powf(0.8) + 1e-3);
    assert!(enhanced.pixels.iter().all(|found| (found - expected).abs() < 1e-4));
}

#[test]
fn a_batch_gives_the_same_as_its_images() {
    let device = Device::flex();
    let images: Vec<Vec<f32>> = [0.2, 0.5, 0.9]
        .map(|scale| picture(24, 17).pixels.into_iter().map(|value| scale * value).collect())
        .into();
    for method in every() {
        let data = TensorData::new(images.concat(), [3, 17, 24, 3]);
        let batch = Tensor::<4>::from_data(data, &device).permute([0, 3, 1, 2]);
        let enhanced = TensorValues::of(method.enhance(batch).permute([0, 2, 3, 1]));
        assert_eq!(enhanced.shape, [3, 17, 24, 3]);
        let expected = images.iter().flat_map(|pixels| {
            method.enhance_image(&Image::new(24, 17, pixels.clone()), &device).pixels
        });
        assert!(enhanced.values.into_iter().eq(expected), "{}", method.card().name);
    }
}

#[test]
fn tensors_for_a_method_without_weights_are_an_error() {
    for method in every() {
        assert!(load(method.card(), &Weights::default(), &Device::flex()).is_ok());
        let error = load(method.card(), &crate::scl_lle::filled(), &Device::flex()).err().unwrap();
        assert!(error.to_string().contains("expected no tensors, got 14"), "{error}");
    }
}
