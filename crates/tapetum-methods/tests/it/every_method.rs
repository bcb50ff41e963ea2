//! Promises that every method keeps, whatever its weights.

use tapetum_image::{Channels, ColorConversion, Image, Raster, Samples, Srgb};
use tapetum_methods::{all, classical, find, load};
use tapetum_nn::{
    EnhanceError, EnhanceOptions, Network, Strength, Tiling, TilingMode, Weights, enhance, ops,
    prelude::{Device, Tensor, TensorData},
    weights::{TensorValues, to_safetensors},
};

use crate::{collaba, lacr_vae, scl_lle, semi_llie};

/// A network of each method, with weights that are formulas.
fn networks() -> Vec<Box<dyn Network>> {
    let device = Device::flex();
    all().into_iter().map(|card| load(card, &weights(card.name), &device).unwrap()).collect()
}

/// Weights with which the method brightens.
pub(crate) fn weights(method: &str) -> Weights {
    match method {
        "scl-lle" => {
            let mut weights = scl_lle::filled();
            let last = weights.tensors.get_mut("e_conv7.bias").unwrap();
            last.values.iter_mut().for_each(|value| *value -= 1.0);
            weights
        }
        "lacr-vae" => {
            let mut weights = lacr_vae::random();
            let last = weights.tensors.get_mut("dec.out.weight").unwrap();
            last.values.iter_mut().for_each(|value| *value *= 0.01);
            let last = weights.tensors.get_mut("dec.out.bias").unwrap();
            last.values.fill(0.5);
            weights
        }
        "collaba" => {
            let mut weights = collaba::random();
            let mut set = |name: &str, change: fn(&mut f32)| {
                weights.tensors.get_mut(name).unwrap().values.iter_mut().for_each(change);
            };
            set("conv_up2.weight", |value| *value *= 0.01);
            set("conv_up2.bias", |value| *value = 1.0);
            // A half within the image: 32 features under nine taps.
            set("conv_out.weight", |value| *value = *value * 0.1 + 0.5 / 288.0);
            weights
        }
        "semi-llie" => {
            let mut weights = semi_llie::random();
            let last = weights.tensors.get_mut("conv_last.weight").unwrap();
            last.values.iter_mut().for_each(|value| *value *= 0.1);
            let last = weights.tensors.get_mut("conv_last.bias").unwrap();
            last.values.fill(0.25);
            weights
        }
        other if classical::find(other).is_some() => Weights::default(),
        other => panic!("{other} needs weights here"),
    }
}

fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|idx| 0.15 + 0.14 * (idx as f32 * 0.37).sin()).collect()
}

#[test]
fn cards_are_found_by_name_and_count_the_parameters() {
    for network in networks() {
        let card = network.card();
        assert_eq!(find(card.name), Some(card));
        assert_eq!(network.n_parameters(), card.n_parameters, "{}", card.name);
    }
    assert_eq!(find("unknown"), None);
}

#[test]
fn any_size_from_one_pixel_gives_finite_values() {
    for network in networks() {
        for (height, width) in [(1, 1), (1, 17), (17, 1), (2, 3), (31, 33)] {
            let data = TensorData::new(wave(3 * height * width), [1, 3, height, width]);
            let enhanced = network.enhance(Tensor::from_data(data, &Device::flex()));
            let TensorValues { shape, values } = TensorValues::of(enhanced);
            let [height, width] = [height, width].map(|side| side * network.scale() as usize);
            assert_eq!(shape, [1, 3, height, width], "{}", network.card().name);
            assert!(values.iter().all(|value| value.is_finite()), "{}", network.card().name);
        }
    }
}

#[test]
fn tiles_equal_the_whole_image_as_the_card_promises() {
    for network in networks() {
        let card = network.card();
        let Tiling::Exact { receptive_field_px } = card.tiling else { continue };
        let (width, height) = (75, 70);
        let samples = Samples::F32(wave(width * height * 3));
        let raster = Raster::new(width as u32, height as u32, Channels::Rgb, samples).unwrap();
        let run = |memory_bytes_max| {
            let strength = Strength::Fixed(1.0);
            let options =
                EnhanceOptions { strength, memory_bytes_max, ..EnhanceOptions::default() };
            let conversion = ColorConversion::identity();
            enhance(&*network, &raster, &conversion, &options, &Device::flex()).unwrap()
        };
        let tile_bytes =
            u64::from(32 + 2 * receptive_field_px).pow(2) * card.working_bytes_per_pixel;
        let (whole, _) = run(1 << 32);
        let (tiled, report) = run((width * height * 3 * 4) as u64 + tile_bytes);
        assert_eq!(report.n_tiles, 9);
        let all = |raster: &Raster| raster.read_rgb(raster.rect()).pixels;
        let differences = all(&whole).into_iter().zip(all(&tiled)).map(|(a, b)| (a - b).abs());
        let peak = differences.fold(0.0, f32::max);
        assert!(peak <= 1e-5, "{}: {peak}", card.name);
    }
}

#[test]
fn tiles_come_close_to_the_whole_image_where_the_card_promises_no_more() {
    let mut n_checked = 0;
    for network in networks() {
        let card = network.card();
        let Tiling::Approximate { overlap_px, .. } = card.tiling else { continue };
        n_checked += 1;
        let side = 2 * overlap_px + 80;
        let samples = Samples::F32(wave((side * side * 3) as usize));
        let raster = Raster::new(side, side, Channels::Rgb, samples).unwrap();
        let run = |memory_bytes_max, tiling| {
            let strength = Strength::Fixed(1.0);
            let options =
                EnhanceOptions { strength, memory_bytes_max, tiling, ..EnhanceOptions::default() };
            let conversion = ColorConversion::identity();
            enhance(&*network, &raster, &conversion, &options, &Device::flex())
        };
        let (whole, report) = run(1 << 32, TilingMode::Auto).unwrap();
        assert!(report.n_tiles == 1 && !report.is_approximate);
        let refused = run(0, TilingMode::Whole).unwrap_err();
        let EnhanceError::Memory { needed_bytes, .. } = refused else { panic!("{refused}") };
        let (tiled, report) = run(needed_bytes / 10 * 9, TilingMode::Auto).unwrap();
        assert!(report.n_tiles > 1 && report.is_approximate, "{} tiles", report.n_tiles);
        let all = |raster: &Raster| raster.read_rgb(raster.rect()).pixels;
        let differences = all(&whole).into_iter().zip(all(&tiled)).map(|(a, b)| (a - b).abs());
        let peak = differences.fold(0.0, f32::max);
        // Two and a half 8-bit levels.
        assert!(peak > 0.0 && peak < 1e-2, "{}: {peak}", card.name);
    }
    assert!(n_checked > 0);
}

#[test]
fn the_way_of_images_equals_the_way_of_tensors() {
    let device = Device::flex();
    for network in networks() {
        for (width, height) in [(1, 1), (3, 40), (211, 17), (30, 140)] {
            let image = Image::<Srgb>::new(width, height, wave((width * height * 3) as usize));
            let shape = [1, height as usize, width as usize, 3];
            let tensor =
                Tensor::<4>::from_data(TensorData::new(image.pixels.clone(), shape), &device);
            let expected = network.enhance(tensor.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]);
            let expected = TensorValues::of(expected).values;
            let found = network.enhance_image(&image, &device).pixels;
            let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let peak = differences.fold(0.0, f32::max);
            assert!(peak <= 1e-5, "{} {width}x{height}: {peak}", network.card().name);
        }
    }
}

#[test]
fn bf16_acts_and_stays_close() {
    let device = Device::flex();
    let image = Image::<Srgb>::new(61, 40, wave(61 * 40 * 3));
    for network in networks() {
        let run = |precision| {
            ops::with_precision(precision, || network.enhance_image(&image, &device).pixels)
        };
        let [exact, rounded] = [ops::Precision::F32, ops::Precision::Bf16].map(run);
        let differences = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs());
        let peak = differences.fold(0.0, f32::max);
        if network.card().default_weights.is_none() {
            assert_eq!(exact, rounded, "{} knows no bf16", network.card().name);
            continue;
        }
        // Two and a half 8-bit levels, with weights ten times those of a trained network.
        assert!(peak > 0.0 && peak < 1e-2, "{}: {peak}", network.card().name);
    }
}

#[test]
fn saved_and_loaded_weights_give_the_same_picture_bit_for_bit() {
    let device = Device::flex();
    let with_weights = all().into_iter().zip(networks());
    for (card, network) in with_weights.filter(|(card, _)| card.default_weights.is_some()) {
        let file = to_safetensors(&weights(card.name));
        let loaded = load(card, &Weights::from_bytes(&file).unwrap(), &device).unwrap();
        let image = || Tensor::from_data(TensorData::new(wave(300), [1, 3, 10, 10]), &device);
        let (first, second) = (network.enhance(image()), loaded.enhance(image()));
        assert_eq!(TensorValues::of(first), TensorValues::of(second));
    }
}
