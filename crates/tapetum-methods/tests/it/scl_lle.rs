//! SCL-LLE against golden values of its network, its losses and its training step.

use burn::tensor::{Int, TensorData};
use tapetum_image::{Image, Srgb};
use tapetum_methods::{
    load,
    scl_lle::{
        CARD,
        helpers::Helpers,
        losses::{brightness_contrast, class_brightness, color_constancy, curve_smoothness},
        training::{Training, TrainingConfig},
        weights,
    },
};
use tapetum_nn::{
    Weights,
    prelude::*,
    recipe::{Batch, Part, Recipe},
    training::OptimizerConfig,
    weights::TensorValues,
};

use crate::research;

const GOLDEN: &[u8] = include_bytes!("../data/scl_lle.safetensors");

#[test]
fn the_network_equals_the_independent_transcription() {
    let golden = Weights::from_bytes(GOLDEN).unwrap();
    let device = Device::flex();
    let network = weights::read(&filled(), &device).unwrap();
    let low = tensor(&golden.tensors["low"]);
    assert_close(network.curve_maps(low.clone()), &golden.tensors["curve_maps"], 2e-6);
    assert_close(network.enhance(low), &golden.tensors["enhanced"], 2e-6);
    assert_eq!(network.n_parameters(), CARD.n_parameters);
}

#[test]
fn the_released_checkpoint_gives_the_published_values() {
    let Some(path) = research::file("weights/scl-lle/SCL-LLE.pth") else { return };
    let checkpoint = Weights::from_bytes(&std::fs::read(path).unwrap()).unwrap();
    let network = weights::read(&checkpoint, &Device::flex()).unwrap();
    // Value of a constant 33x33 image, and its enhanced RGB at the centre.
    let cases = [
        (0.02, [0.104466, 0.107328, 0.104868]),
        (0.05, [0.217115, 0.222363, 0.219447]),
        (0.10, [0.324152, 0.331657, 0.332537]),
        (0.20, [0.418384, 0.430124, 0.436751]),
        (0.40, [0.502423, 0.526946, 0.530671]),
        (0.60, [0.574324, 0.605492, 0.610408]),
        (0.80, [0.710308, 0.739843, 0.748573]),
        (0.95, [0.909807, 0.922247, 0.926221]),
    ];
    for (value, expected) in cases {
        let low = Tensor::full([1, 3, 33, 33], value, &Device::flex());
        let enhanced = TensorValues::of(network.enhance(low));
        for (channel, expected) in expected.into_iter().enumerate() {
            let found = enhanced.values[channel * 33 * 33 + 16 * 33 + 16];
            assert!((found - expected).abs() < 1e-4, "{value}: {found} for {expected}");
        }
    }
}

#[test]
fn the_released_checkpoint_gives_the_published_ramp() {
    let Some(path) = research::file("weights/scl-lle/SCL-LLE.pth") else { return };
    let checkpoint = Weights::from_bytes(&std::fs::read(path).unwrap()).unwrap();
    let network = weights::read(&checkpoint, &Device::flex()).unwrap();
    let ramp = grid([1, 3, 16, 16], |_, c, i, j| match c as u8 {
        0 => 0.3 * (i + j) / 30.0,
        1 => 0.2 * j / 15.0,
        _ => 0.1 * i / 15.0,
    });
    let maps = TensorValues::of(network.curve_maps(ramp.clone())).values;
    let mean = maps.iter().sum::<f32>() / maps.len() as f32;
    assert!((mean + 0.190132).abs() < 1e-4, "curve maps: {mean}");
    let enhanced = TensorValues::of(network.enhance(ramp)).values;
    let mean = enhanced.iter().sum::<f32>() / enhanced.len() as f32;
    assert!((mean - 0.288793).abs() < 1e-4, "enhanced: {mean}");
    for (channel, expected) in [0.461259, 0.389040, 0.184650].into_iter().enumerate() {
        let found = enhanced[channel * 256 + 7 * 16 + 9];
        assert!((found - expected).abs() < 1e-4, "pixel (7, 9): {found} for {expected}");
    }
}

#[test]
fn curves_keep_every_value_in_range() {
    let image = grid([1, 3, 8, 8], |_, c, i, j| (i * 8.0 + j + c) / 65.0);
    for raw in [-20.0, -0.3, 0.0, 0.8, 20.0] {
        let maps = Tensor::full([1, 24, 8, 8], raw, &Device::flex());
        let values = TensorValues::of(ops::apply_curves(image.clone(), maps)).values;
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)), "raw map {raw}");
    }
}

#[test]
fn loss_terms_equal_the_golden_values() {
    let waves = |phase: f64| {
        move |b: f64, c: f64, i: f64, j: f64| {
            0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b + phase).sin()
        }
    };
    let image = |phase| grid([2, 3, 9, 12], waves(phase));
    let maps = grid([2, 24, 9, 12], |b, c, i, j| waves(0.3)(b, c, i, j) - 0.5);
    let (enhanced, positive, negative) = (image(0.0), image(1.0), image(2.5));
    let cases = [
        ("smoothness", curve_smoothness(maps), 0.495_068_837_9),
        ("color", color_constancy(enhanced.clone()), 0.030_631_110_9),
        (
            "brightness",
            brightness_contrast(enhanced.clone(), positive, negative, 0.3),
            0.084_309_805_6,
        ),
        ("class brightness", class_brightness(enhanced, golden_labels(), 4), 0.021_846_041_4),
    ];
    for (name, found, expected) in cases {
        let found: f32 = found.into_scalar();
        assert!((f64::from(found) - expected).abs() < 1e-5, "{name}: {found} for {expected}");
    }
}

#[test]
fn loss_terms_vanish_where_they_should() {
    let device = Device::flex();
    let grey = Tensor::full([1, 3, 6, 6], 0.4, &device);
    let constant = Tensor::full([1, 24, 6, 6], -0.4, &device);
    let dark = Tensor::full([1, 3, 6, 6], 0.0, &device);
    let labels = Tensor::<3, Int>::zeros([1, 6, 6], &device);
    let cases = [
        ("smoothness", curve_smoothness(constant)),
        ("color", color_constancy(grey.clone())),
        ("brightness", brightness_contrast(grey.clone(), grey.clone(), dark, 0.3)),
        ("class brightness", class_brightness(grey, labels, 2)),
    ];
    for (name, value) in cases {
        let value: f32 = value.into_scalar();
        assert!(value.abs() < 1e-6, "{name}: {value}");
    }
}

#[test]
fn every_loss_term_alone_moves_every_layer_it_can_reach() {
    let zero = TrainingConfig {
        optimizer: OptimizerConfig::default(),
        weight_smoothness: 0.0,
        weight_color: 0.0,
        weight_brightness: 0.0,
        weight_class_brightness: 0.0,
        ..without_helpers()
    };
    let cases = [
        ("smoothness", TrainingConfig { weight_smoothness: 1.0, ..zero.clone() }),
        ("color", TrainingConfig { weight_color: 1.0, ..zero.clone() }),
        ("brightness", TrainingConfig { weight_brightness: 1.0, ..zero.clone() }),
        ("class_brightness", TrainingConfig { weight_class_brightness: 1.0, ..zero.clone() }),
    ];
    let moved = |config: TrainingConfig| {
        let mut training = training(config, 10, 7);
        let before = training.weights();
        training.step(vec![batch()]).unwrap();
        let after = training.weights();
        before.tensors.iter().filter(|(name, t)| after.tensors[*name] != **t).count()
    };
    assert_eq!(moved(zero), 0, "without a term nothing moves");
    for (name, config) in cases {
        assert_eq!(moved(config), 14, "{name} reaches all fourteen tensors");
    }
}

#[test]
fn training_lowers_the_loss_and_resumes_to_the_same_numbers() {
    let config = TrainingConfig { learning_rate: 1e-3, ..without_helpers() };
    let total = |terms: &[tapetum_nn::recipe::TermValue]| {
        terms.iter().find(|term| term.name == "brightness").unwrap().value
    };
    let mut whole = training(config.clone(), 8, 1);
    let losses: Vec<f64> = (0..8).map(|_| total(&whole.step(vec![batch()]).unwrap())).collect();
    assert!(losses[7] < losses[0], "{losses:?}");

    let mut first = training(config.clone(), 8, 1);
    (0..3).for_each(|_| drop(first.step(vec![batch()]).unwrap()));
    let mut second = training(config, 8, 99);
    second.restore(&first.checkpoint()).unwrap();
    (3..8).for_each(|_| drop(second.step(vec![batch()]).unwrap()));
    assert_eq!(second.weights(), whole.weights());
}

#[test]
fn two_batches_together_make_the_step_of_one_twice_as_large() {
    let step = |batches: Vec<Batch>| {
        let mut training = training(without_helpers(), 1, 3);
        let terms = training.step(batches).unwrap();
        let value = |name| terms.iter().find(|term| term.name == name).unwrap().value;
        (value("smoothness"), value("gradient_norm"), training.weights())
    };
    let (smoothness, norm, weights) = step(vec![batch()]);
    let (twice_smoothness, twice_norm, twice_weights) = step(vec![batch(), batch()]);
    assert!((smoothness - twice_smoothness).abs() < 1e-6 * smoothness);
    assert!((norm - twice_norm).abs() < 1e-5 * norm, "{norm} and {twice_norm}");
    for (name, tensor) in &weights.tensors {
        let pairs = tensor.values.iter().zip(&twice_weights.tensors[name].values);
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest < 1e-5, "{name}: {largest}");
    }
}

#[test]
fn a_batch_without_what_the_method_needs_is_refused() {
    let refused = |change: fn(&mut Batch)| {
        let mut batch = batch();
        change(&mut batch);
        training(without_helpers(), 1, 3).step(vec![batch]).unwrap_err().to_string()
    };
    let nothing_dark = refused(|batch| {
        batch.parts.remove("low");
        batch.parts.remove("labelled");
    });
    assert!(nothing_dark.contains("[data.low]"), "{nothing_dark}");
    let fewer = refused(|batch| drop(batch.parts.remove("negative_over")));
    let expected = "as many negative photographs as dark ones, 4 of 12x12, found 2 of 12x12";
    assert!(fewer.contains(expected), "{fewer}");
}

#[test]
fn weights_that_do_not_fit_are_listed_on_both_sides() {
    let mut broken = filled();
    let bias = broken.tensors.remove("e_conv3.bias").unwrap();
    broken.tensors.insert("e_conv3.bios".to_owned(), bias);
    broken.tensors.get_mut("e_conv1.weight").unwrap().shape = vec![3, 32, 3, 3];
    let message = weights::read(&broken, &Device::flex()).unwrap_err().to_string();
    for part in [
        "missing: e_conv3.bias",
        "unexpected: e_conv3.bios",
        "e_conv1.weight (expected [32, 3, 3, 3], found [3, 32, 3, 3])",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

/// The four terms that need no other network.
pub(crate) fn without_helpers() -> TrainingConfig {
    TrainingConfig {
        weight_style: 0.0,
        weight_features: 0.0,
        weight_segmentation: 0.0,
        ..TrainingConfig::default()
    }
}

fn training(config: TrainingConfig, n_steps: usize, seed: u64) -> Training {
    training_on(config, n_steps, seed, &Device::flex().autodiff())
}

pub(crate) fn training_on(
    config: TrainingConfig,
    n_steps: usize,
    seed: u64,
    device: &Device,
) -> Training {
    Training::new(config, Helpers::default(), n_steps, seed, device).unwrap()
}

pub(crate) fn batch() -> Batch {
    let device = Device::flex().autodiff();
    let image = |phase: f64, level: f64| {
        grid([2, 3, 12, 12], move |b, c, i, j| {
            level * (1.0 + (0.3 * i + 0.2 * j + c + b + phase).sin())
        })
        .to_device(&device)
    };
    let labels: Vec<i64> = (0..288).map(|idx| idx % 3).collect();
    let labels = Tensor::from_data(TensorData::new(labels, [2, 12, 12]), &device);
    let parts = [
        ("low", Part::Images(image(0.0, 0.05))),
        ("labelled", Part::Labelled { images: image(0.4, 0.08), labels }),
        ("positive", Part::Images(Tensor::cat(vec![image(1.0, 0.3), image(1.5, 0.25)], 0))),
        ("negative_under", Part::Images(image(2.0, 0.03))),
        ("negative_over", Part::Images(image(2.5, 0.45))),
    ];
    Batch { parts: parts.map(|(name, part)| (name.to_owned(), part)).into() }
}

/// The fill of `tools/golden/scl_lle.py`.
pub(crate) fn filled() -> Weights {
    let mut weights = weights::write(&weights::read(&zeros(), &Device::flex()).unwrap());
    for (name, tensor) in &mut weights.tensors {
        let seed = name.bytes().map(f64::from).sum::<f64>();
        let fan = tensor.shape[1..].iter().product::<usize>() as f64;
        let scale = if tensor.shape.len() == 1 { 0.05 } else { 1.0 / fan.sqrt() };
        for (idx, value) in tensor.values.iter_mut().enumerate() {
            *value = ((0.1 * (idx as f64 + 1.0) + 0.01 * seed).sin() * scale) as f32;
        }
    }
    weights
}

fn zeros() -> Weights {
    let mut weights = Weights::default();
    let sides = [[32, 3], [32, 32], [32, 32], [32, 32], [32, 64], [32, 64], [24, 64]];
    for (idx, [n_out, n_in]) in sides.into_iter().enumerate() {
        let mut insert = |kind: &str, shape: Vec<usize>| {
            let values = vec![0.0; shape.iter().product()];
            weights.insert(format!("e_conv{}.{kind}", idx + 1), TensorValues { shape, values });
        };
        insert("weight", vec![n_out, n_in, 3, 3]);
        insert("bias", vec![n_out]);
    }
    weights
}

pub(crate) fn golden_labels() -> Tensor<3, Int> {
    let mut labels = Vec::new();
    for (b, i, j) in (0..2).flat_map(|b| (0..9).flat_map(move |i| (0..12).map(move |j| (b, i, j))))
    {
        labels.push(if (i + j) % 11 == 0 { 255 } else { i64::from((i / 3 + j / 4 + b) % 4) });
    }
    Tensor::from_data(TensorData::new(labels, [2, 9, 12]), &Device::flex())
}

/// A tensor from a formula of batch, channel, row and column.
pub(crate) fn grid(shape: [usize; 4], formula: impl Fn(f64, f64, f64, f64) -> f64) -> Tensor<4> {
    let [_, channels, height, width] = shape;
    let value = |flat: usize| {
        let (j, rest) = (flat % width, flat / width);
        let (i, rest) = (rest % height, rest / height);
        let (c, b) = (rest % channels, rest / channels);
        formula(b as f64, c as f64, i as f64, j as f64) as f32
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn tensor(values: &TensorValues) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.values.clone(), values.shape.clone()), &Device::flex())
}

fn assert_close(found: Tensor<4>, expected: &TensorValues, bound: f32) {
    let found = TensorValues::of(found);
    assert_eq!(found.shape, expected.shape);
    let differences = found.values.iter().zip(&expected.values).map(|(a, b)| (a - b).abs());
    let peak = differences.fold(0.0, f32::max);
    assert!(peak <= bound, "differs by {peak}, allowed {bound}");
}

#[test]
fn the_fused_network_equals_the_engines_own_operations() {
    let weights = filled();
    let device = Device::flex();
    let shapes = [[32, 3], [32, 32], [32, 32], [32, 32], [32, 64], [32, 64], [24, 64]];
    let conv = |layer: usize, input: Tensor<4>| {
        let values = |part: &str| weights.tensors[&format!("e_conv{layer}.{part}")].values.clone();
        let [n_out, n_in] = shapes[layer - 1];
        let weight = TensorData::new(values("weight"), [n_out, n_in, 3, 3]);
        let bias = Tensor::<1>::from_data(TensorData::new(values("bias"), [n_out]), &device);
        let weight = Tensor::<4>::from_data(weight, &device);
        let activation = if layer < 7 { ops::Activation::Relu } else { ops::Activation::Identity };
        let options = ops::ConvOptions::same(3);
        ops::composed::conv2d(input, weight, Some(bias), &options, activation)
    };
    let both = |a: Tensor<4>, b: Tensor<4>| Tensor::cat(vec![a, b], 1);
    let (width, height) = (395, 21);
    let low = grid([1, 3, height, width], |_, c, i, j| 0.2 + 0.19 * (0.3 * i + 0.07 * j + c).sin());
    let x1 = conv(1, low.clone());
    let x2 = conv(2, x1.clone());
    let x3 = conv(3, x2.clone());
    let x4 = conv(4, x3.clone());
    let x5 = conv(5, both(x3, x4));
    let x6 = conv(6, both(x2, x5));
    let expected = ops::composed::apply_curves(low.clone(), conv(7, both(x1, x6)));
    let pixels = |image: Tensor<4>| TensorValues::of(image.permute([0, 2, 3, 1])).values;
    let image = Image::<Srgb>::new(width as u32, height as u32, pixels(low));
    let network = load(&CARD, &weights, &device).unwrap();
    let found = network.enhance_image(&image, &device).pixels;
    let differences = found.iter().zip(pixels(expected)).map(|(a, b)| (a - b).abs());
    let peak = differences.fold(0.0, f32::max);
    assert!(peak < 1e-5, "{peak}");
}
