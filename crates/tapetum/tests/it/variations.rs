//! What a method that draws gives for a photograph, and the map of how far that lies apart.

use moxcms::ColorProfile;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum::{
    Channels, Draws, EnhanceError, EnhanceOptions, Enhancer, Error, Format, Metadata, MethodCard,
    Model, Network, Photo, Samples, SizeRule, Strength, Tiling, Variations,
};
use tapetum_nn::prelude::{Tensor, TensorData};

use crate::pictures::{dark_scene, photo, raster, read, srgb, write};

static CARD: MethodCard = MethodCard {
    name: "drawing",
    title: "Drawing",
    citation: "none",
    purpose: "tests",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::WholeImageOnly,
    working_bytes_per_pixel: 100,
    default_weights: None,
    weights_by_scale: &[],
};

/// Three times as bright; a draw adds noise that grows from the first row to the last.
struct Drawing {
    seed: Option<u64>,
    /// Of the noise in the last row, to both sides.
    amplitude: f32,
}

impl Network for Drawing {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let bright = low * 3.0 + 0.1;
        let Some(seed) = self.seed else { return bright };
        let [_, _, height, width] = bright.dims();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let share = |idx: usize| (idx / width + 1) as f32 / height as f32;
        let noise = (0..height * width)
            .map(|idx| self.amplitude * share(idx) * random.random_range(-1.0..1.0f32));
        let noise = TensorData::new(noise.collect::<Vec<_>>(), [1, 1, height, width]);
        let device = bright.device();
        bright + Tensor::<4>::from_data(noise, &device)
    }

    fn sampled(&self, seed: u64) -> Option<Box<dyn Network>> {
        Some(Box::new(Self { seed: Some(seed), ..*self }))
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn drawing(amplitude: f32) -> Enhancer {
    Enhancer::of_network(Box::new(Drawing { seed: None, amplitude }))
}

fn dark() -> Photo {
    photo(raster((24, 40), Channels::Rgb, 8, dark_scene))
}

fn at_strength(strength: f32) -> EnhanceOptions {
    EnhanceOptions { strength: Strength::Fixed(strength), ..EnhanceOptions::default() }
}

fn draws(n_samples: u32, seed: u64) -> Draws {
    Draws { n_samples, seed }
}

/// The variations as PNG files.
fn files(variations: &mut Variations<'_>) -> Vec<Vec<u8>> {
    variations.map(|drawn| write(&drawn.unwrap().0, Format::Png)).collect()
}

fn levels(map: &Photo) -> &[u16] {
    match map.raster.samples() {
        Samples::U16(levels) => levels,
        other => panic!("expected 16 bits, got {}", other.depth_bits()),
    }
}

#[test]
fn a_seed_gives_its_bytes_and_no_two_variations_are_alike() {
    let (enhancer, photo, options) = (drawing(0.1), dark(), at_strength(1.0));
    let drawn = |n_samples, seed| {
        let mut variations = enhancer.variations(&photo, &options, draws(n_samples, seed)).unwrap();
        let files = files(&mut variations);
        (files, write(&variations.uncertainty().unwrap(), Format::Png))
    };
    let (first, map) = drawn(4, 5);
    assert_eq!(first.len(), 4);
    assert!(drawn(4, 5) == (first.clone(), map.clone()));
    let (more, other_map) = drawn(6, 5);
    assert!(more[..4] == first[..], "a variation depends on how many there are");
    assert!(other_map != map);
    let (others, other_map) = drawn(4, 6);
    assert!(other_map != map);
    let mut all = [more, others].concat();
    let n_files = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), n_files, "two variations are alike");
}

#[test]
fn the_seed_of_a_variation_is_the_documented_one() {
    for (seed, number, expected) in [
        (0, 1, 0x4cda_891f_ecda_15ef),
        (0, 2, 0xa302_2de7_a9a3_4f1e),
        (1, 1, 0xe96e_4f93_69fa_ab8e),
        (u64::MAX, 64, 0x6da3_aa95_0439_4909),
    ] {
        assert_eq!(draws(64, seed).seed_of(number), expected, "{seed} {number}");
    }
}

#[test]
fn the_map_is_that_of_the_written_variations() {
    let p3 = Some(ColorProfile::new_display_p3().encode().unwrap());
    for (channels, depth_bits, icc, strength) in [
        (Channels::Rgb, 8, None, 1.0),
        (Channels::Rgb, 16, p3, 1.0),
        (Channels::Grey, 16, None, 0.5),
    ] {
        let what = format!("{channels:?} {depth_bits}");
        let mut photo = photo(raster((24, 40), channels, depth_bits, dark_scene));
        photo.metadata.icc = icc;
        let enhancer = drawing(0.1);
        let mut variations =
            enhancer.variations(&photo, &at_strength(strength), draws(5, 3)).unwrap();
        let written: Vec<Vec<f32>> =
            files(&mut variations).iter().map(|file| srgb(&read(file))).collect();
        let map = variations.uncertainty().unwrap();
        for (idx, &level) in levels(&map).iter().enumerate() {
            let lumas = written.iter().map(|values| {
                let [red, green, blue] = [0, 1, 2].map(|c| f64::from(values[idx * 3 + c]));
                0.299 * red + 0.587 * green + 0.114 * blue
            });
            let mean = lumas.clone().sum::<f64>() / 5.0;
            let variance = lumas.map(|luma| (luma - mean).powi(2)).sum::<f64>() / 4.0;
            let difference = (f64::from(level) - variance.sqrt() / 0.1 * 65_535.0).abs();
            // Half a step from rounding, the rest for sums in 32 bits.
            assert!(difference <= 0.6, "{what}: {difference} steps at {idx}");
        }
        let means = [0, 39].map(|row| {
            let row = &levels(&map)[row * 24..(row + 1) * 24];
            row.iter().map(|&level| f64::from(level)).sum::<f64>() / 24.0
        });
        // Uniform noise of 0.1 to both sides deviates by 0.1 / √3, which is 37,836 of 65,535.
        let expected = 37_836.0 * f64::from(strength);
        assert!((means[1] / expected - 1.0).abs() < 0.2, "{what}: {means:?}");
        assert!(means[0] < 0.2 * means[1], "{what}: {means:?}");
    }
}

#[test]
fn a_map_without_the_variations_is_the_same() {
    let (enhancer, photo, options) = (drawing(0.1), dark(), EnhanceOptions::default());
    let variations = || enhancer.variations(&photo, &options, draws(4, 1)).unwrap();
    let mut all = variations();
    assert_eq!(all.by_ref().map(Result::unwrap).count(), 4);
    let expected = all.uncertainty().unwrap();
    assert!(levels(&expected).iter().any(|&level| level > 1000));
    assert!(variations().uncertainty().unwrap() == expected);
    let mut some = variations();
    some.next();
    assert!(some.uncertainty().unwrap() == expected);
}

#[test]
fn at_strength_0_every_variation_is_the_photograph_and_the_map_is_black() {
    let (enhancer, photo) = (drawing(0.1), dark());
    let mut variations = enhancer.variations(&photo, &at_strength(0.0), draws(2, 0)).unwrap();
    for drawn in variations.by_ref() {
        let (drawn, report) = drawn.unwrap();
        assert!(drawn.raster == photo.raster);
        assert_eq!(report.n_tiles, 0);
    }
    assert!(levels(&variations.uncertainty().unwrap()).iter().all(|&level| level == 0));
}

#[test]
fn variations_keep_what_the_photograph_holds_and_the_map_keeps_nothing() {
    let mut photo = dark();
    photo.alpha = Some(Samples::U8((0..24 * 40).map(|idx| (idx % 251) as u8).collect()));
    photo.metadata = Metadata {
        xmp: Some(b"<x:xmpmeta/>".to_vec()),
        icc: Some(ColorProfile::new_display_p3().encode().unwrap()),
        ..Metadata::default()
    };
    photo.warnings = vec!["a thing was lost".to_owned()];
    let enhancer = drawing(0.1);
    let mut variations = enhancer.variations(&photo, &at_strength(1.0), draws(2, 0)).unwrap();
    let (drawn, _) = variations.next().unwrap().unwrap();
    assert_eq!(Photo { raster: photo.raster.clone(), ..drawn.clone() }, photo);
    assert!(drawn.raster != photo.raster);
    let map = read(&write(&variations.uncertainty().unwrap(), Format::Png));
    assert_eq!((map.raster.channels(), map.raster.depth_bits()), (Channels::Grey, 16));
    assert_eq!((map.raster.width(), map.raster.height()), (24, 40));
    assert_eq!((map.alpha, map.metadata), (None, Metadata::default()));
}

#[test]
fn numbers_out_of_bounds_and_methods_that_do_not_draw_are_refused() {
    let (enhancer, photo) = (drawing(0.1), dark());
    let refused = |enhancer: &Enhancer, n_samples| {
        enhancer.variations(&photo, &at_strength(1.0), draws(n_samples, 0)).err()
    };
    for n_samples in [0, 1, 65, u32::MAX] {
        let error = refused(&enhancer, n_samples).unwrap();
        assert!(matches!(error, Error::SampleCount { found } if found == n_samples), "{error}");
        assert_eq!(error.to_string(), format!("expected 2 to 64 samples, got {n_samples}"));
    }
    assert!([2, 64].iter().all(|&n_samples| refused(&enhancer, n_samples).is_none()));
    let settled = Enhancer::new(&Model::built_in("scl-lle").unwrap()).unwrap();
    let error = refused(&settled, 8).unwrap();
    assert_eq!(error.to_string(), "scl-lle draws nothing, so its results have no variations");
    assert!(error.hint().unwrap().contains("--samples"));
    assert_eq!([&settled, &enhancer].map(Enhancer::can_draw), [false, true]);
}

#[test]
fn the_map_is_counted_in_the_memory() {
    let (enhancer, photo) = (drawing(0.1), dark());
    let draw = |memory_bytes_max| {
        let options = EnhanceOptions { memory_bytes_max, ..at_strength(1.0) };
        enhancer.variations(&photo, &options, draws(2, 0)).unwrap().next().unwrap()
    };
    // The result of three bytes a pixel, the network's work, and the map.
    let expected = 24 * 40 * (3 + 100 + 8);
    assert!(draw(expected).is_ok());
    for budget in [1, expected - 1] {
        let Err(Error::Enhance(EnhanceError::Memory { budget_bytes, needed_bytes, .. })) =
            draw(budget)
        else {
            panic!("{budget} bytes cannot be enough")
        };
        assert_eq!((budget_bytes, needed_bytes), (budget, expected));
    }
}

#[test]
fn after_a_variation_that_failed_there_is_neither_another_nor_a_map() {
    let (enhancer, photo) = (drawing(f32::INFINITY), dark());
    let mut variations = enhancer.variations(&photo, &at_strength(1.0), draws(4, 0)).unwrap();
    let is_broken = |error| matches!(error, Error::Enhance(EnhanceError::NonFiniteOutput { .. }));
    assert!(variations.next().unwrap().is_err_and(is_broken));
    assert!(variations.next().is_none());
    assert!(variations.uncertainty().is_err_and(is_broken));
}
