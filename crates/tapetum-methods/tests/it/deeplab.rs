//! DeepLabv3+ against golden values of an independent transcription.

use burn::tensor::TensorData;
use tapetum_methods::segmentation::{
    Segmenter, deeplab::Deeplab, labelled_data::CITYSCAPES, weights::read_deeplab,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::segmentation::{assert_close, picture};

const GOLDEN: &[u8] = include_bytes!("../data/deeplab.safetensors");
/// Name and shape of each tensor, of 19 classes.
const TENSORS: &str = include_str!("../data/deeplab_tensors.txt");
const FIVE_CLASSES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// The values of the tensor of that name, shape and index.
pub(crate) type Fill = fn(&str, &[usize], usize) -> f64;

#[test]
fn logits_and_image_gradients_equal_the_independent_transcription() {
    let golden = Weights::from_bytes(GOLDEN).unwrap();
    let network = five_classes();
    for (name, size) in [("", [37, 50]), ("tall_", [340, 9]), ("tiny_", [1, 2])] {
        let image = picture(size).autodiff().require_grad();
        let logits = network.logits(image.clone());
        assert_eq!(logits.dims(), [1, 5, size[0], size[1]]);
        // Some sixty layers of sums in `f32` against `f64`; a filter just above or below a kink of its
        // rectifier tells the gradients apart further.
        let bounds = [2e-5, 4e-6];
        assert_close(
            name,
            logits.clone().inner(),
            &golden.tensors[&format!("{name}logits")],
            bounds,
        );

        let n_values = logits.dims().iter().product();
        let weights: Vec<f32> =
            (0..n_values).map(|idx| (idx as f64 * 0.7 + 0.3).sin() as f32).collect();
        let weights = TensorData::new(weights, logits.dims());
        let weights = Tensor::<4>::from_data(weights, &Device::flex());
        let gradients = (logits * weights.autodiff()).sum().backward();
        let gradient = image.grad(&gradients).unwrap();
        let expected = &golden.tensors[&format!("{name}gradient")];
        assert_close(name, gradient, expected, [1e-4, 2e-5]);
    }
}

/// Expected values of another program, in `f32`, to six digits.
#[test]
fn logits_of_nineteen_classes_equal_those_of_the_authors_network() {
    let classes = CITYSCAPES.classes_without_void();
    let network = read_deeplab(&filled(19, slow), classes, &Device::flex()).unwrap();
    let (height, width) = (64, 80);
    let values = (0..3 * height * width).map(|flat| {
        let (j, rest) = ((flat % width) as f64, flat / width);
        let (i, c) = ((rest % height) as f64, (rest / height) as f64);
        let wave = 0.25 + 0.2 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c).sin();
        // The other program saw this wave behind the normalisation.
        let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        (mean[c as usize] + deviation[c as usize] * wave) as f32
    });
    let image = TensorData::new(values.collect::<Vec<_>>(), [1, 3, height, width]);
    let logits = TensorValues::of(network.logits(Tensor::from_data(image, &Device::flex())));
    let corner = [
        -0.107209, -0.157686, -0.166924, -0.133680, -0.065887, 0.021060, 0.107606, 0.174242,
        0.205697, 0.194219, 0.141249, 0.057123, -0.041136, -0.133456, -0.201009, -0.230239,
        -0.215758, -0.161492, -0.079832,
    ];
    let inside = [-0.104149, -0.155550, -0.166171, -0.134472];
    let at = |channel: usize, y: usize, x: usize| logits.values[(channel * height + y) * width + x];
    let found = (0..19).map(|channel| at(channel, 0, 0));
    let found = found.chain((0..4).map(|channel| at(channel, 30, 41)));
    for (found, expected) in found.zip(corner.into_iter().chain(inside)) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
    let values = logits.values.iter().map(|&value| f64::from(value));
    let n_values = logits.values.len() as f64;
    let mean = values.clone().sum::<f64>() / n_values;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / n_values;
    assert!((mean + 0.041_679).abs() < 1e-5, "{mean}");
    assert!((variance.sqrt() - 0.142_665).abs() < 1e-5, "{}", variance.sqrt());
}

#[test]
fn the_checkpoint_holds_the_published_number_of_parameters() {
    let weights = filled(19, slow);
    assert_eq!(weights.tensors.len(), 356);
    let is_learned = |name: &str| name.ends_with(".weight") || name.ends_with(".bias");
    let learned = weights.tensors.iter().filter(|(name, _)| is_learned(name));
    assert_eq!(learned.map(|(_, tensor)| tensor.values.len()).sum::<usize>(), 5_225_203);
}

#[test]
fn images_of_a_batch_do_not_see_each_other() {
    let network = five_classes();
    let image = picture([20, 23]);
    let other = image.clone() * 0.3 + 0.1;
    let together = network.logits(Tensor::cat(vec![other.clone(), image.clone()], 0));
    let apart = Tensor::cat(vec![network.logits(other), network.logits(image)], 0);
    let [together, apart] = [together, apart].map(TensorValues::of);
    let pairs = together.values.iter().zip(&apart.values);
    let peak = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(peak < 1e-5, "{peak}");
}

#[test]
fn counters_of_batches_and_prefixes_may_be_there_or_not() {
    let with = filled(5, lively);
    let mut without = Weights::default();
    for (name, tensor) in &with.tensors {
        if !name.ends_with("num_batches_tracked") {
            without.insert(format!("module.{name}"), tensor.clone());
        }
    }
    let logits = |weights: &Weights| {
        let network = read_deeplab(weights, &FIVE_CLASSES, &Device::flex()).unwrap();
        TensorValues::of(network.logits(picture([9, 11])))
    };
    assert_eq!(logits(&without), logits(&with));
}

#[test]
fn weights_that_do_not_fit_are_listed_on_both_sides() {
    let mut broken = filled(5, slow);
    let name = "backbone.high_level_features.9.conv.1.0.weight";
    let tensor = broken.tensors.remove(name).unwrap();
    broken.insert("backbone.high_level_features.9.conv.1.2.weight".to_owned(), tensor);
    let classes = CITYSCAPES.classes_without_void();
    let error = read_deeplab(&broken, classes, &Device::flex()).unwrap_err().to_string();
    for part in [
        "do not fit DeepLabv3+",
        "missing: backbone.high_level_features.9.conv.1.0.weight",
        "unexpected: backbone.high_level_features.9.conv.1.2.weight",
        "classifier.classifier.3.bias (expected [19], found [5])",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

pub(crate) fn five_classes() -> Deeplab {
    read_deeplab(&filled(5, lively), &FIVE_CLASSES, &Device::flex()).unwrap()
}

pub(crate) fn filled(n_classes: usize, fill: Fill) -> Weights {
    let mut weights = Weights::default();
    for line in TENSORS.lines() {
        let mut parts = line.split(' ');
        let name = parts.next().unwrap();
        let mut shape: Vec<usize> = parts.map(|side| side.parse().unwrap()).collect();
        if name.starts_with("classifier.classifier.3") {
            shape[0] = n_classes;
        }
        let n_values = shape.iter().product();
        let values = (0..n_values).map(|idx| fill(name, &shape, idx) as f32).collect();
        weights.insert(name.to_owned(), TensorValues { shape, values });
    }
    weights
}

/// The fill `lively` of `tools/golden/deeplab.py`.
pub(crate) fn lively(name: &str, shape: &[usize], idx: usize) -> f64 {
    let wave = (2.4 * (idx as f64 + 1.0) + 0.01 * seed(name)).sin();
    match shape.len() {
        4 => 2.0 * wave / fan(shape).sqrt(),
        _ if name.ends_with("running_var") => 0.6 + 0.4 * wave,
        _ if name.ends_with("weight") => 1.0 + 0.3 * wave,
        _ => 0.2 * wave,
    }
}

/// The fill `slow` of `tools/golden/deeplab.py`.
fn slow(name: &str, shape: &[usize], idx: usize) -> f64 {
    let wave = (0.1 * (idx as f64 + 1.0) + 0.01 * seed(name)).sin();
    match shape.len() {
        4 => wave / fan(shape).sqrt(),
        _ if name.ends_with("running_var") => 1.0,
        _ if name.ends_with("running_mean") => 0.0,
        _ if name.ends_with("weight") => 1.0 + 0.1 * wave,
        _ => 0.05 * wave,
    }
}

fn seed(name: &str) -> f64 {
    name.bytes().map(f64::from).sum()
}

fn fan(shape: &[usize]) -> f64 {
    shape[1..].iter().product::<usize>() as f64
}
