//! Training of DeepLabv3+: what a step changes, and what it starts and goes on from.

use burn::tensor::{Int, TensorData};
use tapetum_methods::segmentation::{
    training::{Start, Training, TrainingConfig},
    weights::{backbone_of_classifier, read_deeplab},
};
use tapetum_nn::{
    Weights,
    prelude::*,
    recipe::{Batch, Part, Recipe, Trained},
    weights::TensorValues,
};

use crate::{
    deeplab::{filled, lively},
    segmentation::picture,
};

const CLASSES: [&str; 3] = ["a", "b", "c"];

fn config() -> TrainingConfig {
    TrainingConfig { n_classes: CLASSES.len(), weight_decay: 0.0, ..TrainingConfig::default() }
}

fn training(config: TrainingConfig, seed: u64) -> Training {
    let start = Start { classes: &CLASSES, classifier: None };
    Training::new(config, start, 8, seed, &Device::flex().autodiff()).unwrap()
}

/// Photographs of 35x33 whose pixels have the classes that `label` gives their row and column.
fn batch(n_images: usize, label: fn(usize, usize) -> i64) -> Batch {
    let size = [33, 35];
    let images = (0..n_images).map(|idx| picture(size) * (1.0 - 0.3 * idx as f32));
    let pixels = (0..n_images * 33 * 35).map(|idx| label(idx / 35 % 33, idx % 35));
    let labels = TensorData::new(pixels.collect::<Vec<_>>(), [n_images, 33, 35]);
    let labels = Tensor::<3, Int>::from_data(labels, &Device::flex());
    let part = Part::Labelled { images: Tensor::cat(images.collect(), 0), labels };
    Batch { parts: [("labelled".to_owned(), part)].into() }
}

fn quadrants(n_images: usize) -> Batch {
    batch(n_images, |row, column| if row < 15 { i64::from(column > 20) } else { 2 })
}

/// Names of the tensors that are not the same in both.
fn changed<'a>(before: &'a Weights, after: &Weights) -> Vec<&'a str> {
    let is_changed = |name: &&String| before.tensors[*name] != after.tensors[*name];
    before.tensors.keys().filter(is_changed).map(String::as_str).collect()
}

fn is_learned(name: &str) -> bool {
    name.ends_with(".weight") || name.ends_with(".bias")
}

#[test]
fn training_reaches_every_parameter_and_every_statistic() {
    let config = TrainingConfig { learning_rate: 0.1, backbone_rate: 1.0, ..config() };
    let mut training = training(config, 1);
    let before = training.weights();
    // As long as biases are 0, the next normalisation undoes what the factors of one do.
    (0..2).for_each(|_| drop(training.step(vec![quadrants(3)]).unwrap()));
    let after = training.weights();
    let changed = changed(&before, &after);
    let is_same = |name: &&String| !changed.contains(&name.as_str());
    let same: Vec<_> = before.tensors.keys().filter(is_same).collect();
    assert!(same.is_empty() && changed.len() == 356, "{same:?}");
}

#[test]
fn training_lowers_the_loss_and_resumes_to_the_same_numbers() {
    let config =
        TrainingConfig { learning_rate: 0.2, backbone_rate: 1.0, ..TrainingConfig::default() };
    let config = TrainingConfig { n_classes: CLASSES.len(), ..config };
    let mut whole = training(config.clone(), 1);
    let losses: Vec<f64> =
        (0..6).map(|_| whole.step(vec![quadrants(3)]).unwrap()[0].value).collect();
    assert!(losses[5] < 0.7 * losses[0], "{losses:?}");

    let mut first = training(config.clone(), 1);
    (0..3).for_each(|_| drop(first.step(vec![quadrants(3)]).unwrap()));
    let mut second = training(config, 1);
    second.restore(&first.checkpoint()).unwrap();
    (3..6).for_each(|_| drop(second.step(vec![quadrants(3)]).unwrap()));
    assert_eq!(second.weights(), whole.weights());
}

#[test]
fn what_is_trained_is_the_network_of_the_weights() {
    let mut training = training(config(), 2);
    training.step(vec![quadrants(2)]).unwrap();
    let Trained::Segmenter(segmenter) = training.trained() else { panic!("a segmenter") };
    assert_eq!(segmenter.classes(), CLASSES);
    assert!(!segmenter.device().is_autodiff());
    let again = read_deeplab(&training.weights(), &CLASSES, &Device::flex()).unwrap();
    let [found, expected] = [segmenter.as_ref(), &again]
        .map(|segmenter| TensorValues::of(segmenter.logits(picture([20, 30]))));
    assert_eq!(found, expected);
}

#[test]
fn void_pixels_teach_nothing() {
    let mut training = training(config(), 1);
    let before = training.weights();
    let terms = training.step(vec![batch(2, |row, _| 3 + row as i64)]).unwrap();
    assert_eq!((terms[0].value, terms[1].value), (0.0, 0.0));
    let after = training.weights();
    let changed = changed(&before, &after);
    assert!(!changed.iter().any(|name| is_learned(name)), "{changed:?}");
}

#[test]
fn batches_of_a_step_weigh_the_same() {
    let config = TrainingConfig { dropout: 0.0, ..config() };
    let [once, twice] = [1, 2].map(|n_batches| {
        let mut training = training(config.clone(), 1);
        training.step((0..n_batches).map(|_| quadrants(2)).collect()).unwrap();
        training.weights()
    });
    let changed = changed(&once, &twice);
    assert!(!changed.iter().any(|name| is_learned(name)), "{changed:?}");
    let count = "classifier.project.1.num_batches_tracked";
    assert_eq!([&once, &twice].map(|weights| weights.tensors[count].values[0]), [1.0, 2.0]);
}

#[test]
fn the_backbone_moves_more_slowly_than_the_rest() {
    let moved = |backbone_rate: f64| {
        let mut training = training(TrainingConfig { backbone_rate, ..config() }, 1);
        let before = training.weights();
        training.step(vec![quadrants(2)]).unwrap();
        let after = training.weights();
        ["backbone.low_level_features.0.0.weight", "classifier.classifier.0.weight"].map(|name| {
            let pairs = before.tensors[name].values.iter().zip(&after.tensors[name].values);
            pairs.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
        })
    };
    let ([slow, same], [fast, also_same]) = (moved(0.1), moved(1.0));
    assert!((fast / slow - 10.0).abs() < 0.01, "{fast} to {slow}");
    assert_eq!(same, also_same);
}

#[test]
fn a_loss_that_is_no_number_leaves_the_network_as_it_was() {
    let mut training = training(config(), 1);
    let before = training.weights();
    let mut broken = quadrants(2);
    let (images, labels) = broken.labelled("labelled").unwrap();
    let part = Part::Labelled { images: images * f32::NAN, labels };
    let broken = Batch { parts: [("labelled".to_owned(), part)].into() };
    let error = training.step(vec![quadrants(2), broken]).unwrap_err().to_string();
    assert_eq!(error, "the loss term cross_entropy is NaN");
    assert_eq!(training.weights(), before);
}

#[test]
fn data_and_names_that_do_not_fit_are_refused() {
    let mut training = training(config(), 1);
    let error = training.step(vec![Batch::default()]).unwrap_err().to_string();
    assert_eq!(error, "expected [data.labelled]");
    let error = training.step(vec![quadrants(1)]).unwrap_err().to_string();
    assert_eq!(error, "expected at least 2 photographs a batch, got 1");
    let start = Start { classes: &CLASSES, classifier: None };
    let error = Training::new(TrainingConfig::default(), start, 8, 1, &Device::flex().autodiff());
    assert_eq!(error.err().unwrap().to_string(), "expected the names of 11 classes, got 3");
    for checkpoint in [&b""[..], &[9, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert!(training.restore(checkpoint).is_err());
    }
}

/// Names of a classifier for those of the backbone within a block: nested, and numbered.
const EXPANDED: [[&str; 2]; 6] =
    [["0.0", "0"], ["0.1", "1"], ["1.0", "3"], ["1.1", "4"], ["2", "6"], ["3", "7"]];
const UNEXPANDED: [[&str; 2]; 4] = [["0.0", "0"], ["0.1", "1"], ["1", "3"], ["2", "4"]];

/// The backbone of [`filled`] as a classifier has it.
fn classifier(is_flat: bool) -> Weights {
    let mut classifier = Weights::default();
    for (name, tensor) in filled(3, lively).tensors {
        let Some(name) = name.strip_prefix("backbone.") else { continue };
        let name = name.split_once('.').unwrap().1;
        let mut name = format!("features.{name}");
        if let (true, Some((block, part))) = (is_flat, name.split_once(".conv.")) {
            let parts: &[_] = if block == "features.1" { &UNEXPANDED } else { &EXPANDED };
            let matching = parts.iter().find(|[nested, _]| part.starts_with(&format!("{nested}.")));
            let [nested, flat] = matching.unwrap();
            name = format!("{block}.conv.{flat}{}", &part[nested.len()..]);
        }
        classifier.insert(name, tensor);
    }
    for name in ["features.18.0.weight", "features.18.1.running_mean", "classifier.1.bias"] {
        classifier.insert(name.to_owned(), TensorValues { shape: vec![1], values: vec![0.5] });
    }
    classifier
}

#[test]
fn the_backbone_starts_from_a_classifier_under_either_names() {
    let expected = filled(3, lively);
    for is_flat in [true, false] {
        let classifier = classifier(is_flat);
        let start = Start { classes: &CLASSES, classifier: Some(&classifier) };
        let training = Training::new(config(), start, 8, 1, &Device::flex().autodiff()).unwrap();
        let weights = training.weights();
        let (mut n_same, mut n_other) = (0, 0);
        for (name, tensor) in &weights.tensors {
            if name.starts_with("backbone.") && !name.ends_with("num_batches_tracked") {
                assert_eq!(*tensor, expected.tensors[name], "{name}");
                n_same += 1;
            } else {
                n_other += 1;
            }
        }
        assert_eq!((n_same, n_other), (51 * 5, 356 - 51 * 5));
    }
}

#[test]
fn a_classifier_that_does_not_fit_is_refused() {
    let mut classifier = classifier(true);
    let tensor = classifier.tensors.remove("features.7.conv.4.running_var").unwrap();
    classifier.insert("features.7.conv.5.running_var".to_owned(), tensor);
    let error = backbone_of_classifier(&classifier).unwrap_err().to_string();
    for part in [
        "do not fit MobileNetV2",
        "missing: features.7.conv.4.running_var",
        "unexpected: features.7.conv.5.running_var",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
