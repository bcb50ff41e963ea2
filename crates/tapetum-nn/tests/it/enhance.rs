//! The pipeline with small networks whose answers are known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_image::{Channels, ColorConversion, Raster, Samples};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, MethodCard, Network, Quality, SizeRule, Strength,
    Tiling, enhance, enhance_unguarded,
    layers::{Conv2d, InitialWeights},
    ops::Activation,
    prelude::{Device, Tensor},
};

pub(crate) static CARD: MethodCard = MethodCard {
    name: "blur",
    title: "Blur",
    citation: "none",
    purpose: "tests",
    n_parameters: 0,
    macs_per_pixel: None,
    size_rule: SizeRule::Any,
    tiling: Tiling::Exact { receptive_field_px: 2 },
    working_bytes_per_pixel: 1000,
    default_weights: Some("blur"),
    weights_by_scale: &[],
};

/// Cannot be cut into tiles.
static WHOLE_CARD: MethodCard = MethodCard { tiling: Tiling::WholeImageOnly, ..CARD };

/// A network that is one function.
pub(crate) struct Function<F>(pub(crate) F);

impl<F: Fn(Tensor<4>) -> Tensor<4> + Send + Sync> Network for Function<F> {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        (self.0)(low)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

/// Two convolutions, so that the padding of the second sees more than zeros, then a lift.
pub(crate) fn blur() -> impl Network {
    let conv = |scale: f32| {
        let weight = (0..81).map(|idx| scale * (idx as f32 * 0.7).sin()).collect();
        let initial = InitialWeights { weight, bias: vec![0.1, 0.2, 0.05] };
        Conv2d::new([3, 3, 3, 3], initial, &Device::flex())
    };
    let (first, second) = (conv(0.1), conv(0.2));
    Function(move |low: Tensor<4>| {
        let hidden = first.forward(low.clone(), Activation::Relu);
        low + second.forward(hidden, Activation::Tanh).abs()
    })
}

pub(crate) fn run(
    network: &dyn Network,
    raster: &Raster,
    strength: Strength,
    memory_bytes_max: u64,
) -> Result<(Raster, EnhanceReport), EnhanceError> {
    let options = EnhanceOptions { strength, memory_bytes_max, ..EnhanceOptions::default() };
    enhance(network, raster, &ColorConversion::identity(), &options, &Device::flex())
}

pub(crate) fn noise(width: u32, height: u32, channels: Channels, seed: u64) -> Raster {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let n = width as usize * height as usize * channels.n_samples();
    let values = (0..n).map(|_| random.random::<f32>() * 0.3).collect();
    Raster::new(width, height, channels, Samples::F32(values)).unwrap()
}

pub(crate) fn values(raster: &Raster) -> &[f32] {
    match raster.samples() {
        Samples::F32(values) => values,
        other => panic!("expected floats, found {} bits", other.depth_bits()),
    }
}

#[test]
fn tiles_give_the_whole_image() {
    let network = blur();
    for (width, height, seed) in [(1, 1, 1), (1, 90, 2), (97, 3, 3), (100, 70, 4), (65, 129, 5)] {
        for strength in [Strength::Auto, Strength::Fixed(0.7)] {
            let raster = noise(width, height, Channels::Rgb, seed);
            let (whole, _) = run(&network, &raster, strength, 1 << 30).unwrap();
            // Room for the result and a tile of 32 pixels with its halo.
            let memory = raster.samples().len() as u64 * 4 + 36 * 36 * 1000;
            let (tiled, report) = run(&network, &raster, strength, memory).unwrap();
            let n_expected = width.div_ceil(32) * height.div_ceil(32);
            assert_eq!(report.n_tiles, n_expected as usize, "{width}x{height}");
            let differences = values(&whole).iter().zip(values(&tiled)).map(|(a, b)| (a - b).abs());
            let peak = differences.fold(0.0, f32::max);
            assert!(peak <= 1e-6, "{width}x{height}: {peak}");
        }
    }
}

#[test]
fn a_budget_below_the_smallest_tile_is_an_error_with_both_numbers() {
    let raster = noise(50, 50, Channels::Rgb, 1);
    let needed_bytes = 50 * 50 * 3 * 4 + 36 * 36 * 1000;
    let error = run(&blur(), &raster, Strength::Fixed(1.0), 100_000).unwrap_err();
    assert_eq!(
        error,
        EnhanceError::Memory { budget_bytes: 100_000, needed_bytes, tiles_fit: false }
    );
}

/// A network that subtracts the mean of all it sees.
struct Whole;

impl Network for Whole {
    fn card(&self) -> &'static MethodCard {
        &WHOLE_CARD
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let mean: f32 = low.clone().mean().into_scalar();
        low + (0.5 - mean)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

#[test]
fn a_method_that_needs_the_whole_image_gets_it_or_is_refused_with_the_bytes() {
    let raster = noise(1500, 3, Channels::Rgb, 1);
    let needed_bytes = 1500 * 3 * 3 * 4 + 1500 * 3 * 1000;
    let (result, report) = run(&Whole, &raster, Strength::Fixed(1.0), needed_bytes).unwrap();
    assert_eq!(report.n_tiles, 1);
    let mean = values(&result).iter().sum::<f32>() / values(&result).len() as f32;
    assert!((mean - 0.5).abs() < 1e-4, "{mean}");
    let error = run(&Whole, &raster, Strength::Fixed(1.0), needed_bytes - 1).unwrap_err();
    assert_eq!(
        error,
        EnhanceError::Memory { budget_bytes: needed_bytes - 1, needed_bytes, tiles_fit: false }
    );
}

#[test]
fn without_guards_a_dark_or_constant_result_comes_back_and_a_broken_one_does_not() {
    let raster = noise(8, 8, Channels::Rgb, 1);
    let options = EnhanceOptions { strength: Strength::Fixed(1.0), ..EnhanceOptions::default() };
    let unguarded = |network: &dyn Network| {
        let identity = ColorConversion::identity();
        enhance_unguarded(network, &raster, &identity, &options, &Device::flex())
    };
    let (dark, report) = unguarded(&Function(|low: Tensor<4>| low * 0.5)).unwrap();
    assert!((values(&dark)[5] - 0.5 * values(&raster)[5]).abs() < 1e-6);
    assert!(report.mean_after < report.mean_before);
    let (constant, _) = unguarded(&Function(|low: Tensor<4>| low * 0.0 + 0.5)).unwrap();
    assert!(values(&constant).iter().all(|value| (value - 0.5).abs() < 1e-6));
    let broken = unguarded(&Function(|low: Tensor<4>| low / 0.0 * 0.0));
    assert!(matches!(broken, Err(EnhanceError::NonFiniteOutput { .. })), "{broken:?}");
}

#[test]
fn asking_a_method_for_a_fast_way_that_it_does_not_have_is_an_error() {
    let raster = noise(8, 8, Channels::Rgb, 1);
    let options = EnhanceOptions {
        strength: Strength::Fixed(1.0),
        quality: Quality::Fast,
        ..EnhanceOptions::default()
    };
    let identity = ColorConversion::identity();
    let error = enhance(&blur(), &raster, &identity, &options, &Device::flex()).unwrap_err();
    assert_eq!(error, EnhanceError::NoFastWay { method: "blur" });
    assert_eq!(error.hint(), "leave out --fast");
}

#[test]
fn strength_zero_gives_every_sample_back() {
    let wild = Samples::F32(vec![-0.5, 0.2, 1.7, 0.0, 1.0, 0.3]);
    let raster = Raster::new(2, 1, Channels::Rgb, wild).unwrap();
    let (result, report) = run(&blur(), &raster, Strength::Fixed(0.0), 1 << 30).unwrap();
    assert_eq!(result, raster);
    assert_eq!(report.n_tiles, 0);
}

#[test]
fn grey_stays_grey_and_is_lifted_as_rgb_is() {
    let lift = Function(|low: Tensor<4>| low * 2.0);
    let raster = noise(9, 7, Channels::Grey, 3);
    let (result, _) = run(&lift, &raster, Strength::Fixed(1.0), 1 << 30).unwrap();
    assert_eq!(result.channels(), Channels::Grey);
    for (before, after) in values(&raster).iter().zip(values(&result)) {
        assert!((after - 2.0 * before).abs() < 1e-6);
    }
}

#[test]
fn broken_outputs_are_errors() {
    let raster = noise(8, 8, Channels::Rgb, 1);
    let full = Strength::Fixed(1.0);
    let nan = Function(|low: Tensor<4>| low / 0.0 * 0.0);
    let constant = Function(|low: Tensor<4>| low * 0.0 + 0.5);
    let darker = Function(|low: Tensor<4>| low * 0.5);
    let result = run(&nan, &raster, full, 1 << 30);
    assert!(matches!(result, Err(EnhanceError::NonFiniteOutput { x: 0, y: 0 })), "{result:?}");
    let result = run(&constant, &raster, full, 1 << 30);
    assert!(matches!(result, Err(EnhanceError::Constant { .. })), "{result:?}");
    let result = run(&darker, &raster, full, 1 << 30);
    assert!(matches!(result, Err(EnhanceError::Darker { .. })), "{result:?}");
    let broken = Raster::new(1, 1, Channels::Grey, Samples::F32(vec![f32::NAN])).unwrap();
    assert_eq!(run(&blur(), &broken, full, 1 << 30).unwrap_err(), EnhanceError::NonFiniteInput);
}

#[test]
fn an_image_of_one_colour_may_stay_one() {
    let black = Raster::new(4, 4, Channels::Rgb, Samples::U8(vec![0; 48])).unwrap();
    let lift = Function(|low: Tensor<4>| low * 2.0);
    for strength in [Strength::Auto, Strength::Fixed(1.0)] {
        let (result, _) = run(&lift, &black, strength, 1 << 30).unwrap();
        assert_eq!(result, black);
    }
}
