//! Networks whose results are larger than the photograph, and cascades that end so.

use tapetum_image::{
    Channels, ColorConversion, Filter, Image, Limits, Raster, Samples, Srgb, enlarge,
};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, MethodCard, Network, Quality, Strength, Tiling,
    enhance,
    enhance::{Cascade, from_tensor, to_tensor},
    prelude::{Device, Tensor},
};

use crate::enhance::{CARD, Function, blur, noise, run, values};

const FULL: Strength = Strength::Fixed(1.0);

/// Each pixel of a network's result, `scale` times `scale` times, falling from row to row so that a shift of
/// less than a pixel of the input shows.
struct Enlarging<N> {
    network: N,
    scale: u32,
    tiling: Tiling,
}

impl<N: Network> Network for Enlarging<N> {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn scale(&self) -> u32 {
        self.scale
    }

    fn tiling(&self) -> Tiling {
        self.tiling
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let result = self.network.enhance(low);
        let [n_images, channels, height, width] = result.dims();
        let scale = self.scale as usize;
        let cells = result.reshape([n_images, channels, height, 1, width, 1]);
        let rows = (0..scale).map(|row| cells.clone() * (1.0 - 0.1 * row as f32)).collect();
        let cells = Tensor::cat(rows, 3);
        let cells = Tensor::cat(vec![cells; scale], 5);
        cells.reshape([n_images, channels, height * scale, width * scale])
    }

    fn n_parameters(&self) -> usize {
        0
    }
}

fn exact(scale: u32) -> Enlarging<impl Network> {
    Enlarging { network: blur(), scale, tiling: CARD.tiling }
}

/// Its receptive field has a radius of 2.
fn approximate(scale: u32) -> Enlarging<impl Network> {
    Enlarging { network: blur(), scale, tiling: Tiling::Approximate { overlap_px: 4, step_px: 4 } }
}

fn keeping() -> Function<impl Fn(Tensor<4>) -> Tensor<4> + Send + Sync> {
    Function(|low: Tensor<4>| low)
}

fn peak_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn srgb(raster: &Raster) -> Image<Srgb> {
    ColorConversion::identity().to_srgb(&raster.read_rgb(raster.rect()))
}

/// The least memory that is enough.
fn least_memory(network: &dyn Network, raster: &Raster) -> u64 {
    match run(network, raster, FULL, 1).unwrap_err() {
        EnhanceError::Memory { needed_bytes, .. } => needed_bytes,
        other => panic!("expected a lack of memory, found {other}"),
    }
}

/// Enhances in tiles as small as they get, and as a whole, and expects no difference.
fn check_tiles(network: &dyn Network, size: (u32, u32), is_approximate: bool) {
    check_tiles_to(2e-6, network, size, is_approximate);
}

fn check_tiles_to(
    peak_max: f32,
    network: &dyn Network,
    (width, height): (u32, u32),
    is_approximate: bool,
) {
    let raster = noise(width, height, Channels::Rgb, u64::from(width + height));
    let what = format!("{width}x{height} times {}", network.scale());
    for strength in [Strength::Auto, Strength::Fixed(0.7)] {
        let (whole, of_whole) = run(network, &raster, strength, 1 << 30).unwrap();
        let scale = network.scale();
        assert_eq!((whole.width(), whole.height()), (width * scale, height * scale), "{what}");
        assert_eq!((of_whole.n_tiles, of_whole.scale), (1, scale), "{what}");
        let memory = least_memory(network, &raster);
        let (tiled, report) = run(network, &raster, strength, memory).unwrap();
        assert_eq!(report.n_tiles as u32, width.div_ceil(32) * height.div_ceil(32), "{what}");
        assert_eq!(report.is_approximate, is_approximate && report.n_tiles > 1, "{what}");
        let peak = peak_difference(values(&whole), values(&tiled));
        assert!(peak <= peak_max, "{what}: {peak}");
        let mean = (report.mean_after - of_whole.mean_after).abs() as f32;
        assert!(mean <= peak_max, "{what}: {report:?}");
        assert!(run(network, &raster, strength, memory - 1).is_err(), "{what}");
    }
}

#[test]
fn tiles_of_an_enlarging_network_give_the_whole_image() {
    for size in [(1, 90), (97, 3), (65, 70)] {
        for scale in [2, 4] {
            check_tiles(&exact(scale), size, false);
        }
    }
}

#[test]
fn mixed_tiles_of_an_enlarging_network_give_the_whole_image() {
    for size in [(1, 70), (97, 3), (65, 70)] {
        for scale in [2, 4] {
            check_tiles(&approximate(scale), size, true);
        }
    }
}

#[test]
fn the_memory_counts_the_larger_result() {
    let raster = noise(50, 50, Channels::Rgb, 1);
    for scale in [2, 4] {
        let area = u64::from(scale * scale);
        let tile_bytes = 36 * 36 * (1000 + 3 * 12 * area);
        let expected = 50 * 50 * 3 * 4 * area + tile_bytes;
        assert_eq!(least_memory(&exact(scale), &raster), expected);
    }
}

#[test]
fn strength_zero_gives_the_plainly_enlarged_photograph() {
    for channels in [Channels::Grey, Channels::Rgb] {
        for depth_bits in [8, 16, 32] {
            let floats = noise(33, 70, channels, 2);
            let samples = floats.samples().to_depth(depth_bits);
            let raster = Raster::new(33, 70, channels, samples).unwrap();
            let (result, report) = run(&exact(2), &raster, Strength::Fixed(0.0), 1 << 30).unwrap();
            assert_eq!(result, raster.enlarged(2, Filter::Bicubic), "{channels:?} {depth_bits}");
            assert_eq!((report.n_tiles, report.scale), (0, 2));
        }
    }
    let raster = noise(33, 70, Channels::Rgb, 2);
    let needed_bytes = 66 * 140 * 12;
    let budget_bytes = needed_bytes - 1;
    let error = run(&exact(2), &raster, Strength::Fixed(0.0), budget_bytes).unwrap_err();
    assert_eq!(error, EnhanceError::Memory { budget_bytes, needed_bytes, tiles_fit: false });
}

#[test]
fn the_strength_leads_from_the_enlarged_photograph_to_the_network() {
    let raster = noise(40, 20, Channels::Rgb, 3);
    let network = exact(2);
    let of_network = network.enhance_image(&srgb(&raster), &Device::flex());
    let at = |strength| run(&network, &raster, Strength::Fixed(strength), 1 << 30).unwrap().0;
    let (none, half, full) = (at(0.0), at(0.5), at(1.0));
    // The change is added to samples that a bicubic filter may have brought below 0.
    let clamped: Vec<f32> = values(&none).iter().map(|value| value.clamp(0.0, 1.0)).collect();
    let overshoot = peak_difference(values(&none), &clamped);
    assert!(peak_difference(values(&full), &of_network.pixels) <= overshoot + 1e-6);
    let middle = values(&none).iter().zip(values(&full)).map(|(a, b)| (a + b) / 2.0);
    let peak = peak_difference(values(&half), &middle.collect::<Vec<_>>());
    assert!(peak <= 1e-6, "{peak}");
}

#[test]
fn the_automatic_strength_never_darkens_the_enlarged_photograph() {
    // Brightens left, darkens right.
    let network = Function(|low: Tensor<4>| {
        let [.., width] = low.dims();
        let left = low.clone().narrow(3, 0, width / 2) * 2.0 + 0.1;
        Tensor::cat(vec![left, low.narrow(3, width / 2, width - width / 2) * 0.5], 3)
    });
    let network = Enlarging { network, scale: 2, tiling: CARD.tiling };
    let raster = noise(30, 20, Channels::Rgb, 4);
    let (result, report) = run(&network, &raster, Strength::Auto, 1 << 30).unwrap();
    assert!(report.strength > 0.5, "{report:?}");
    let base = raster.enlarged(2, Filter::Bicubic);
    let luma = |raster: &Raster| -> Vec<f32> {
        let pixels = srgb(raster).pixels;
        let (pixels, _) = pixels.as_chunks::<3>();
        pixels.iter().map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b).collect()
    };
    for (before, after) in luma(&base).iter().zip(luma(&result)) {
        assert!(after >= before - 1e-5, "{after} from {before}");
    }
}

#[test]
fn colours_outside_the_range_stay_there() {
    let wild: Vec<f32> = [-0.5, 0.2, 1.7].repeat(20);
    let raster = Raster::new(5, 4, Channels::Rgb, Samples::F32(wild)).unwrap();
    let lift = Cascade::new(Box::new(Function(|low: Tensor<4>| low + 0.1)), None, 2).unwrap();
    let (result, _) = run(&lift, &raster, FULL, 1 << 30).unwrap();
    for pixel in values(&result).chunks_exact(3) {
        assert!(peak_difference(pixel, &[-0.4, 0.3, 1.8]) < 1e-5, "{pixel:?}");
    }
}

fn with_limits(limits: Limits, quality: Quality) -> Result<(Raster, EnhanceReport), EnhanceError> {
    let raster = noise(30, 20, Channels::Rgb, 5);
    let options = EnhanceOptions { strength: FULL, limits, quality, ..EnhanceOptions::default() };
    enhance(&exact(4), &raster, &ColorConversion::identity(), &options, &Device::flex())
}

#[test]
fn a_result_beyond_the_limits_is_refused_with_its_size() {
    let all = Limits {
        n_pixels_max: 120 * 80,
        width_max: 120,
        height_max: 80,
        decoded_bytes_max: 120 * 80 * 12,
        ..Limits::default()
    };
    assert!(with_limits(all, Quality::Exact).is_ok());
    for (name, limits) in [
        ("n_pixels_max", Limits { n_pixels_max: all.n_pixels_max - 1, ..all }),
        ("width_max", Limits { width_max: 119, ..all }),
        ("height_max", Limits { height_max: 79, ..all }),
        ("decoded_bytes_max", Limits { decoded_bytes_max: all.decoded_bytes_max - 1, ..all }),
    ] {
        let error = with_limits(limits, Quality::Exact).unwrap_err();
        let text = format!("the result would be 120x80 pixels: limit {name} is ");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
}

#[test]
fn an_enlarging_network_has_no_fast_way() {
    let error = with_limits(Limits::default(), Quality::Fast).unwrap_err();
    assert_eq!(error, EnhanceError::NoFastWay { method: "blur" });
}

#[test]
fn a_broken_enlarged_result_is_an_error() {
    let nan = Function(|low: Tensor<4>| low / 0.0 * 0.0);
    let network = Enlarging { network: nan, scale: 2, tiling: CARD.tiling };
    let raster = noise(8, 8, Channels::Rgb, 1);
    let result = run(&network, &raster, FULL, 1 << 30);
    assert!(matches!(result, Err(EnhanceError::NonFiniteOutput { x: 0, y: 0 })), "{result:?}");
    let constant = Function(|low: Tensor<4>| low * 0.0 + 0.5);
    let constant = Cascade::new(Box::new(constant), None, 2).unwrap();
    let result = run(&constant, &raster, FULL, 1 << 30);
    assert!(matches!(result, Err(EnhanceError::Constant { .. })), "{result:?}");
}

#[test]
fn a_cascade_is_its_networks_one_after_the_other_and_then_the_filter() {
    let low = srgb(&noise(12, 9, Channels::Rgb, 6));
    let device = Device::flex();
    let first = blur().enhance_image(&low, &device);
    let second = exact(2).enhance_image(&first, &device);
    for (then, scale, expected) in [
        (None, 1, first.clone()),
        (None, 2, enlarge(&first, 2, Filter::Lanczos)),
        (Some(()), 2, second.clone()),
        (Some(()), 4, enlarge(&second, 2, Filter::Lanczos)),
    ] {
        let then = then.map(|()| Box::new(exact(2)) as Box<dyn Network>);
        let cascade = Cascade::new(Box::new(blur()), then, scale).unwrap();
        assert_eq!(cascade.scale(), scale);
        assert_eq!(cascade.enhance_image(&low, &device), expected);
        let batch = Tensor::cat(vec![to_tensor(&low, &device), to_tensor(&low, &device) * 0.5], 0);
        let found = from_tensor(cascade.enhance(batch).narrow(0, 0, 1));
        assert!(peak_difference(&found.pixels, &expected.pixels) < 1e-5);
    }
    for (then, scale) in [(None, 0), (Some(4), 2), (Some(2), 3), (Some(2), 1)] {
        let then = then.map(|scale| Box::new(exact(scale)) as Box<dyn Network>);
        assert!(Cascade::new(Box::new(blur()), then, scale).is_none(), "{scale}");
    }
}

#[test]
fn tiles_of_a_cascade_give_the_whole_image() {
    for size in [(97, 3), (65, 70)] {
        let filtered = Cascade::new(Box::new(blur()), None, 2).unwrap();
        check_tiles(&filtered, size, false);
        let local = Cascade::new(Box::new(blur()), Some(Box::new(exact(2))), 4).unwrap();
        check_tiles(&local, size, false);
        let mixed = Cascade::new(Box::new(exact(2)), Some(Box::new(approximate(1))), 4).unwrap();
        check_tiles(&mixed, size, true);
    }
}

#[test]
fn a_cascade_is_cut_as_its_parts_allow() {
    let whole = || Enlarging { network: keeping(), scale: 1, tiling: Tiling::WholeImageOnly };
    let tiling = |first: Box<dyn Network>, second: Option<Box<dyn Network>>, scale| {
        Cascade::new(first, second, scale).unwrap().tiling()
    };
    for (found, expected) in [
        (tiling(Box::new(exact(1)), None, 1), Tiling::Exact { receptive_field_px: 2 }),
        (tiling(Box::new(exact(1)), None, 2), Tiling::Exact { receptive_field_px: 5 }),
        // 2, 2 of a half and 3 of a half of a pixel, rounded up.
        (
            tiling(Box::new(exact(2)), Some(Box::new(exact(1))), 4),
            Tiling::Exact { receptive_field_px: 5 },
        ),
        (
            tiling(Box::new(exact(1)), Some(Box::new(approximate(1))), 2),
            Tiling::Approximate { overlap_px: 2 * 2 + 4 + 2 * 3, step_px: 4 },
        ),
        (tiling(Box::new(whole()), Some(Box::new(approximate(1))), 2), Tiling::WholeImageOnly),
        (tiling(Box::new(approximate(2)), Some(Box::new(whole())), 2), Tiling::WholeImageOnly),
    ] {
        assert_eq!(found, expected);
    }
}

/// Subtracts a mean, which a form for tiles knows of the whole.
struct Centred(Option<f32>);

impl Network for Centred {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn tiling(&self) -> Tiling {
        Tiling::Approximate { overlap_px: 0, step_px: 1 }
    }

    fn enhance(&self, low: Tensor<4>) -> Tensor<4> {
        let mean = self.0.unwrap_or_else(|| low.clone().mean().into_scalar());
        low + (0.5 - mean)
    }

    fn for_tiles(&self, reduced: &Image<Srgb>, _device: &Device) -> Option<Box<dyn Network>> {
        let mean = reduced.pixels.iter().sum::<f32>() / reduced.pixels.len() as f32;
        Some(Box::new(Self(Some(mean))))
    }

    fn n_parameters(&self) -> usize {
        3
    }
}

#[test]
fn what_a_cascade_finds_over_the_whole_image_is_found_once() {
    for is_second in [false, true] {
        let lift = || Box::new(Function(|low: Tensor<4>| low * 0.5 + 0.1));
        let cascade = match is_second {
            false => Cascade::new(Box::new(Centred(None)), Some(lift()), 2),
            true => Cascade::new(lift(), Some(Box::new(Centred(None))), 2),
        };
        let cascade = cascade.unwrap();
        assert_eq!(cascade.n_parameters(), 3);
        // The means over the blocks at the borders weigh as much as those of whole blocks.
        check_tiles_to(1e-4, &cascade, (65, 70), true);
    }
    let local = Cascade::new(Box::new(blur()), None, 2).unwrap();
    let low = srgb(&noise(4, 4, Channels::Rgb, 6));
    assert!(local.for_tiles(&low, &Device::flex()).is_none());
    assert!(local.sampled(1).is_none());
}
