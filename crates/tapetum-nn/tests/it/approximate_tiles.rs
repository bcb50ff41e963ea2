//! Tiles that come close to the whole image, and the whole image as one tile.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tapetum_image::{Channels, ColorConversion, Image, Raster, Samples, Srgb};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, MethodCard, Network, Strength, Tiling, TilingMode,
    enhance,
    prelude::{Device, Tensor},
};

use crate::enhance::{CARD, Function, blur, noise, run, values};

const FULL: Strength = Strength::Fixed(1.0);
const BYTES_PER_PX: u64 = 1000;

/// Another card for a network.
struct With<N>(N, &'static MethodCard);

impl<N: Network> Network for With<N> {
    fn card(&self) -> &'static MethodCard {
        self.1
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        self.0.enhance(low)
    }

    fn enhance_image(&self, low: &Image<Srgb>, device: &Device) -> Image<Srgb> {
        self.0.enhance_image(low, device)
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, device: &Device) -> Option<Box<dyn Network>> {
        self.0.for_tiles(reduced, device)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn approximate<N: Network>(network: N, overlap_px: u32) -> With<N> {
    let tiling = Tiling::Approximate { overlap_px, step_px: 1 };
    With(network, Box::leak(Box::new(MethodCard { tiling, ..CARD })))
}

fn run_mode(
    network: &dyn Network,
    raster: &Raster,
    tiling: TilingMode,
    memory_bytes_max: u64,
) -> Result<(Raster, EnhanceReport), EnhanceError> {
    let options =
        EnhanceOptions { strength: FULL, memory_bytes_max, tiling, ..EnhanceOptions::default() };
    enhance(network, raster, &ColorConversion::identity(), &options, &Device::flex())
}

fn needed_bytes(error: &EnhanceError) -> u64 {
    match error {
        EnhanceError::Memory { needed_bytes, .. } => *needed_bytes,
        other => panic!("expected a lack of memory, found {other}"),
    }
}

/// The least memory that is enough.
fn least_memory(network: &dyn Network, raster: &Raster) -> u64 {
    needed_bytes(&run(network, raster, FULL, 1).unwrap_err())
}

fn peak_difference(a: &Raster, b: &Raster) -> f32 {
    let differences = values(a).iter().zip(values(b)).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn a_local_network_gives_the_whole_image_where_the_overlap_is_enough() {
    // The receptive field has a radius of 2.
    let network = approximate(blur(), 4);
    for (width, height, seed) in [(1, 300, 2), (300, 1, 3), (97, 3, 4), (200, 150, 5), (65, 129, 6)]
    {
        for strength in [Strength::Auto, Strength::Fixed(0.7)] {
            let raster = noise(width, height, Channels::Rgb, seed);
            let memory = least_memory(&network, &raster);
            let (whole, of_whole) = run(&network, &raster, strength, 1 << 30).unwrap();
            assert_eq!((of_whole.n_tiles, of_whole.is_approximate), (1, false));
            let (tiled, report) = run(&network, &raster, strength, memory).unwrap();
            let n_expected = width.div_ceil(32) * height.div_ceil(32);
            assert_eq!(report.n_tiles, n_expected as usize, "{width}x{height}");
            assert!(report.is_approximate);
            let peak = peak_difference(&whole, &tiled);
            assert!(peak <= 1e-6, "{width}x{height}: {peak}");
            assert_eq!(report.strength, of_whole.strength);
            assert!((report.mean_after - of_whole.mean_after).abs() <= 1e-6, "{report:?}");
            let one_less = run(&network, &raster, strength, memory - 1).unwrap_err();
            assert_eq!(needed_bytes(&one_less), memory);
        }
    }
}

#[test]
fn too_small_an_overlap_shows() {
    let raster = noise(200, 150, Channels::Rgb, 5);
    let network = approximate(blur(), 2);
    let (whole, _) = run(&network, &raster, FULL, 1 << 30).unwrap();
    let (tiled, _) = run(&network, &raster, FULL, least_memory(&network, &raster)).unwrap();
    let peak = peak_difference(&whole, &tiled);
    assert!(peak > 1e-4, "{peak}");
}

#[test]
fn one_tile_gives_the_same_bits_whatever_the_card_says_of_tiles() {
    let raster = noise(120, 90, Channels::Rgb, 1);
    for strength in [Strength::Auto, Strength::Fixed(0.7)] {
        let exact = run(&blur(), &raster, strength, 1 << 30).unwrap();
        let approximate = run(&approximate(blur(), 64), &raster, strength, 1 << 30).unwrap();
        assert_eq!(exact, approximate);
    }
}

#[test]
fn an_image_within_the_overlap_of_every_tile_is_one_tile_or_refused() {
    let network = approximate(blur(), u32::MAX);
    let raster = noise(100, 80, Channels::Rgb, 1);
    let whole_bytes = 100 * 80 * (3 * 4 + BYTES_PER_PX);
    assert_eq!(least_memory(&network, &raster), whole_bytes);
    assert_eq!(run(&network, &raster, FULL, whole_bytes).unwrap().1.n_tiles, 1);
    // Narrower than the overlap, and cut across only.
    let network = approximate(blur(), 64);
    let raster = noise(20, 1000, Channels::Rgb, 1);
    let (whole, _) = run(&network, &raster, FULL, 1 << 30).unwrap();
    let (tiled, report) = run(&network, &raster, FULL, least_memory(&network, &raster)).unwrap();
    assert_eq!(report.n_tiles, 32);
    assert!(peak_difference(&whole, &tiled) <= 1e-6);
}

/// Moves the mean of all it sees to 0.5; keeps a list of the means. With one of the whole, tiles take that.
#[derive(Default, Clone)]
struct ToMean {
    means: Arc<Mutex<Vec<f32>>>,
    n_reduced: Arc<AtomicUsize>,
    looks_at_the_whole: bool,
    mean_of_whole: Option<f32>,
}

impl ToMean {
    fn spread(&self) -> f32 {
        let means = self.means.lock().unwrap();
        let range = |a: f32, b: f32| (a.min(b), a.max(b));
        let lowest = means.iter().copied().fold(f32::INFINITY, |a, b| range(a, b).0);
        means.iter().copied().fold(f32::NEG_INFINITY, |a, b| range(a, b).1) - lowest
    }
}

fn mean(image: &Image<Srgb>) -> f32 {
    let sum: f64 = image.pixels.iter().map(|value| f64::from(*value)).sum();
    (sum / image.pixels.len() as f64) as f32
}

impl Network for ToMean {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, _: Tensor<4>) -> Tensor<4> {
        unreachable!("images only")
    }

    fn enhance_image(&self, low: &Image<Srgb>, _: &Device) -> Image<Srgb> {
        let mean = self.mean_of_whole.unwrap_or_else(|| mean(low));
        self.means.lock().unwrap().push(mean);
        let pixels = low.pixels.iter().map(|value| value + (0.5 - mean)).collect();
        Image::new(low.width(), low.height(), pixels)
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, _: &Device) -> Option<Box<dyn Network>> {
        self.n_reduced.fetch_add(1, Relaxed);
        let mean_of_whole = Some(mean(reduced));
        self.looks_at_the_whole.then(|| Box::new(Self { mean_of_whole, ..self.clone() }) as _)
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

/// Brighter from left to right and from top to bottom, from 0 to 0.2.
fn slope(width: u32, height: u32) -> Raster {
    let value = |x: u32, y: u32| 0.1 * (x as f32 / width as f32 + y as f32 / height as f32);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| value(x, y)));
    Raster::new(width, height, Channels::Grey, Samples::F32(pixels.collect())).unwrap()
}

/// The largest step between neighbours in what was changed.
fn steepest_change(before: &Raster, after: &Raster) -> f32 {
    let changes: Vec<f32> =
        values(before).iter().zip(values(after)).map(|(before, after)| after - before).collect();
    let width = before.width() as usize;
    let across = changes.chunks(width).flat_map(|row| row.windows(2).map(|pair| pair[1] - pair[0]));
    let down = changes.iter().zip(&changes[width..]).map(|(above, below)| below - above);
    across.chain(down).map(f32::abs).fold(0.0, f32::max)
}

#[test]
fn what_tiles_see_differently_is_spread_over_the_ramp() {
    let raster = slope(400, 300);
    let steepest = |overlap_px| {
        let network = approximate(ToMean::default(), overlap_px);
        let memory = least_memory(&network, &raster);
        let (result, report) = run(&network, &raster, FULL, memory).unwrap();
        assert_eq!(report.n_tiles, 13 * 10);
        (steepest_change(&raster, &result), network.0.spread())
    };
    let (cut, _) = steepest(0);
    assert!(cut > 0.0099, "tiles that are cut differ by a tenth of the slope down: {cut}");
    let (feathered, spread) = steepest(16);
    assert!(spread > 0.1, "tiles in opposite corners differ: {spread}");
    assert!(feathered <= 0.01 / 16.0 + 1e-6, "the same difference, over 16 pixels: {feathered}");
}

#[test]
fn what_is_found_on_the_whole_is_the_same_in_all_tiles() {
    let raster = slope(400, 300);
    let network = ToMean { looks_at_the_whole: true, ..ToMean::default() };
    let network = approximate(network, 32);
    let (whole, _) = run(&network, &raster, FULL, 1 << 30).unwrap();
    assert_eq!(network.0.n_reduced.load(Relaxed), 0, "one tile needs no reduced copy");
    let (tiled, report) = run(&network, &raster, FULL, least_memory(&network, &raster)).unwrap();
    assert_eq!((report.n_tiles, network.0.n_reduced.load(Relaxed)), (130, 1));
    assert!(steepest_change(&raster, &tiled) <= 1e-6);
    let peak = peak_difference(&whole, &tiled);
    assert!(peak <= 1e-3, "blocks at the border weigh a little more: {peak}");

    let exact = With(network.0.clone(), &CARD);
    let (_, report) = run(&exact, &raster, FULL, least_memory(&exact, &raster)).unwrap();
    assert!(report.n_tiles > 100 && !report.is_approximate, "{report:?}");
    assert_eq!(exact.0.n_reduced.load(Relaxed), 1, "exact tiles need no reduced copy");
}

/// Doubles, and keeps the sizes of all it sees.
#[derive(Default)]
struct Sizes {
    tiles: Mutex<Vec<(u64, u64)>>,
    reduced_px: AtomicUsize,
}

impl Network for Sizes {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn enhance(&self, _: Tensor<4>) -> Tensor<4> {
        unreachable!("images only")
    }

    fn enhance_image(&self, low: &Image<Srgb>, _: &Device) -> Image<Srgb> {
        self.tiles.lock().unwrap().push((low.width().into(), low.height().into()));
        let pixels = low.pixels.iter().map(|value| 2.0 * value).collect();
        Image::new(low.width(), low.height(), pixels)
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, _: &Device) -> Option<Box<dyn Network>> {
        self.reduced_px.store(reduced.pixels.len() / 3, Relaxed);
        None
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

#[test]
fn tiles_use_the_memory_and_keep_to_it() {
    let (width, height) = (2500, 2000);
    let samples = (0..width * height * 3).map(|idx| (idx % 97) as u8).collect();
    let raster = Raster::new(width, height, Channels::Rgb, Samples::U8(samples)).unwrap();
    let result_bytes = 3 * raster.n_pixels();
    for (memory, n_tiles_max, reduced_px_min) in
        [(1 << 26, 700, 40_000), (1 << 28, 45, 150_000), (1 << 30, 9, 150_000)]
    {
        let network = approximate(Sizes::default(), 64);
        let (result, report) = run(&network, &raster, FULL, memory).unwrap();
        assert!((2..=n_tiles_max).contains(&report.n_tiles), "{} tiles", report.n_tiles);
        let is_double = |(before, after): (&u8, &u8)| *after == 2 * before;
        let (Samples::U8(before), Samples::U8(after)) = (raster.samples(), result.samples()) else {
            panic!("expected 8 bits")
        };
        assert!(before.iter().zip(after).all(is_double));

        let tiles = network.0.tiles.lock().unwrap();
        let tile_px = tiles.iter().map(|(width, height)| width * height).max().unwrap();
        // A tile between others sees 32 pixels more at each end than are mixed.
        let strip_rows = tiles.iter().map(|(_, height)| height - 64).max().unwrap();
        let strip_bytes = 12 * u64::from(width) * strip_rows;
        let bytes = result_bytes + strip_bytes + tile_px * BYTES_PER_PX;
        assert!(bytes <= memory, "{bytes} of {memory}");
        assert!(bytes > memory / 2, "{bytes} of {memory}");
        let reduced_px = network.0.reduced_px.load(Relaxed) as u64;
        assert!((reduced_px_min..=200_000).contains(&reduced_px), "{reduced_px} pixels");
        assert!(result_bytes + reduced_px * BYTES_PER_PX <= memory);
    }
}

#[test]
fn the_whole_image_is_one_tile_or_refused_with_the_bytes_and_whether_tiles_would_do() {
    let raster = noise(1100, 40, Channels::Rgb, 1);
    let whole_bytes = 1100 * 40 * (3 * 4 + BYTES_PER_PX);
    let exact: &dyn Network = &blur();
    let approximate: &dyn Network = &approximate(blur(), 32);
    for network in [exact, approximate] {
        let (whole, report) = run_mode(network, &raster, TilingMode::Whole, whole_bytes).unwrap();
        assert_eq!((report.n_tiles, report.is_approximate), (1, false));
        let (auto, _) = run_mode(network, &raster, TilingMode::Auto, whole_bytes).unwrap();
        assert!(peak_difference(&whole, &auto) <= 1e-6);

        let refused = |memory| {
            let error = run_mode(network, &raster, TilingMode::Whole, memory).unwrap_err();
            assert_eq!(needed_bytes(&error), whole_bytes);
            error.hint()
        };
        assert_eq!(refused(whole_bytes - 1), "allow tiles with --tiles auto, or raise --memory");
        assert_eq!(refused(1000), "raise --memory");
        let (_, report) = run_mode(network, &raster, TilingMode::Auto, whole_bytes - 1).unwrap();
        assert!(report.n_tiles > 1);
    }
    let only = MethodCard { tiling: Tiling::WholeImageOnly, ..CARD };
    let only = With(blur(), Box::leak(Box::new(only)));
    let error = run_mode(&only, &raster, TilingMode::Whole, whole_bytes - 1).unwrap_err();
    assert_eq!(error.hint(), "raise --memory");
}

#[test]
fn the_guards_see_the_whole_of_mixed_tiles() {
    let raster = noise(100, 80, Channels::Rgb, 1);
    let run_tiles = |function: fn(Tensor<4>) -> Tensor<4>| {
        let network = approximate(Function(function), 16);
        run(&network, &raster, FULL, least_memory(&network, &raster)).unwrap_err()
    };
    let error = run_tiles(|low| low * 0.5);
    assert!(matches!(error, EnhanceError::Darker { .. }), "{error:?}");
    let error = run_tiles(|low| low * 0.0);
    assert_eq!(error, EnhanceError::Constant { value: 0.0 });
    let error = run_tiles(|low| low / 0.0 * 0.0);
    assert_eq!(error, EnhanceError::NonFiniteOutput { x: 0, y: 0 });
}
