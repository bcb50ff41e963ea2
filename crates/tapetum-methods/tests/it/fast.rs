//! The fast way of methods that have one, next to their exact result.

use tapetum_image::{Channels, ColorConversion, Image, Raster, Samples, Srgb};
use tapetum_methods::{all, load};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, EnhanceReport, Network, Quality, Strength, enhance,
    enhance::PrecisionMode, ops::Precision, prelude::Device,
};

use crate::every_method::weights;

/// Networks with a fast way.
fn networks() -> Vec<Box<dyn Network>> {
    let pixel = Image::<Srgb>::new(1, 1, vec![0.1; 3]);
    let networks = all().into_iter().map(|card| load(card, &weights(card.name), &Device::flex()));
    networks.map(Result::unwrap).filter(|network| network.fast(&pixel, 1).is_some()).collect()
}

/// Slow waves, other ones in each channel.
fn smooth(width: u32, height: u32) -> Raster {
    let value = |idx: u32| {
        let (x, y, channel) = ((idx / 3 % width) as f32, (idx / 3 / width) as f32, idx % 3);
        let phase = 0.021 * x + channel as f32 + (0.017 * y).cos();
        0.15 + 0.12 * phase.sin() * (0.013 * y - 0.004 * x).cos()
    };
    let samples = Samples::F32((0..width * height * 3).map(value).collect());
    Raster::new(width, height, Channels::Rgb, samples).unwrap()
}

fn run(
    network: &dyn Network,
    raster: &Raster,
    change: EnhanceOptions,
) -> Result<(Raster, EnhanceReport), EnhanceError> {
    enhance(network, raster, &ColorConversion::identity(), &change, &Device::flex())
}

fn options(quality: Quality) -> EnhanceOptions {
    let precision = PrecisionMode::Fixed(Precision::F32);
    EnhanceOptions { strength: Strength::Fixed(1.0), quality, precision, ..Default::default() }
}

/// Peak and root mean square of the differences.
fn differences(first: &Raster, second: &Raster) -> [f64; 2] {
    let all = |raster: &Raster| raster.read_rgb(raster.rect()).pixels;
    let (first, second) = (all(first), all(second));
    let differences = first.iter().zip(&second).map(|(a, b)| f64::from((a - b).abs()));
    let mean_square = differences.clone().map(|d| d * d).sum::<f64>() / first.len() as f64;
    [differences.fold(0.0, f64::max), mean_square.sqrt()]
}

#[test]
fn a_smooth_photograph_comes_out_close_to_the_exact_result() {
    // Factor 2.
    let raster = smooth(512, 432);
    for network in networks() {
        let (exact, _) = run(&*network, &raster, options(Quality::Exact)).unwrap();
        let (fast, report) = run(&*network, &raster, options(Quality::Fast)).unwrap();
        let [peak, rmse] = differences(&exact, &fast);
        let name = network.card().name;
        // Not the same way; 40 dB.
        assert!(peak > 0.0 && rmse < 0.01, "{name}: peak {peak}, rmse {rmse}");
        assert!(report.mean_after > report.mean_before + 0.05, "{name} brightens");
    }
}

#[test]
fn on_many_scales_the_fast_way_stays_close() {
    let raster = smooth(240, 200);
    let image = Image::<Srgb>::new(240, 200, raster.read_rgb(raster.rect()).pixels);
    for network in networks() {
        let exact = network.enhance_image(&image, &Device::flex()).pixels;
        for factor in [2, 3, 5, 8] {
            let reduced = reduced(&image, factor);
            let fast = network.fast(&reduced, factor).unwrap().enhance_part(&image, 0, 0).pixels;
            // Away from the border, whose zeros reach seven pixels of the copy.
            let border = 7 * factor as usize;
            let inner = |idx: &usize| {
                let (x, y) = (idx / 3 % 240, idx / 720);
                (border..240 - border).contains(&x) && (border..200 - border).contains(&y)
            };
            let inner = (0..exact.len()).filter(inner);
            let squares = inner.map(|idx| (exact[idx] - fast[idx]).powi(2)).collect::<Vec<_>>();
            let rmse = (squares.iter().sum::<f32>() / squares.len() as f32).sqrt();
            // 48 dB; the blocks are up to a thirtieth of the waves.
            assert!(rmse < 4e-3, "{} {factor}: {rmse}", network.card().name);
        }
    }
}

fn reduced(image: &Image<Srgb>, factor: u32) -> Image<Srgb> {
    let [width, height] = [image.width(), image.height()].map(|side| side.div_ceil(factor));
    let mut means = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y * factor, x * factor))) {
        let rows = y..(y + factor).min(image.height());
        let columns = x..(x + factor).min(image.width());
        let n = (rows.len() * columns.len()) as f32;
        for channel in 0..3 {
            let places = rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y)));
            let value = |(x, y)| image.pixels[((y * image.width() + x) * 3 + channel) as usize];
            means.push(places.map(value).sum::<f32>() / n);
        }
    }
    Image::new(width, height, means)
}

#[test]
fn tiles_of_the_fast_way_equal_the_whole_image() {
    let raster = smooth(520, 390);
    for network in networks() {
        let (whole, _) = run(&*network, &raster, options(Quality::Fast)).unwrap();
        let tile_bytes = 64 * 64 * network.card().working_bytes_per_pixel;
        // Result, reduced copy (factor 2) and tiles of 64 pixels.
        let memory_bytes_max = 520 * 390 * 12 + 260 * 195 * 140 + tile_bytes;
        let small = EnhanceOptions { memory_bytes_max, ..options(Quality::Fast) };
        let (tiled, report) = run(&*network, &raster, small).unwrap();
        assert_eq!(report.n_tiles, 9 * 7);
        let [peak, _] = differences(&whole, &tiled);
        assert!(peak <= 1e-5, "{}: {peak}", network.card().name);
        let smaller = memory_bytes_max - tile_bytes;
        let smaller = EnhanceOptions { memory_bytes_max: smaller, ..options(Quality::Fast) };
        let error = run(&*network, &raster, smaller).unwrap_err();
        assert!(matches!(error, EnhanceError::Memory { .. }), "{error}");
    }
}

#[test]
fn small_photographs_of_any_size_come_out_exactly() {
    for network in networks() {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3), (61, 33)] {
            let raster = smooth(width, height);
            let (exact, _) = run(&*network, &raster, options(Quality::Exact)).unwrap();
            let (fast, _) = run(&*network, &raster, options(Quality::Fast)).unwrap();
            let [peak, _] = differences(&exact, &fast);
            assert!(peak <= 1e-5, "{} {width}x{height}: {peak}", network.card().name);
        }
    }
}

#[test]
fn long_photographs_and_single_colours_are_brightened() {
    let constant = |width: u32, height: u32| {
        let samples = Samples::F32(vec![0.1; (width * height * 3) as usize]);
        Raster::new(width, height, Channels::Rgb, samples).unwrap()
    };
    for network in networks() {
        for raster in [constant(200_003, 1), constant(1, 200_003), constant(7, 5)] {
            let (fast, report) = run(&*network, &raster, options(Quality::Fast)).unwrap();
            assert!(report.mean_after > report.mean_before, "{}", network.card().name);
            let pixels = fast.read_rgb(fast.rect()).pixels;
            assert!(pixels.iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}

#[test]
fn strength_zero_leaves_the_photograph_as_it_is() {
    let raster = smooth(30, 20);
    for network in networks() {
        let none = EnhanceOptions { strength: Strength::Fixed(0.0), ..options(Quality::Fast) };
        assert_eq!(run(&*network, &raster, none).unwrap().0, raster);
    }
}
