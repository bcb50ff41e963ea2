//! SCL-LLE trained with its frozen helpers: which term teaches what.

use tapetum_methods::scl_lle::{
    helpers::Helpers,
    training::{ClassBrightness, StartError, Training, TrainingConfig},
};
use tapetum_nn::{
    Weights,
    backbones::{Vgg, VggDepth, VggInput, VggPooling},
    prelude::*,
    recipe::{Part, Recipe, TermValue},
    training::OptimizerConfig,
    weights::TensorValues,
};

use crate::{
    deeplab::five_classes,
    scl_lle::{batch, without_helpers},
};

/// A term's name and how to set its weight.
type Weight = (&'static str, fn(&mut TrainingConfig) -> &mut f64);

const WEIGHTS: [Weight; 7] = [
    ("smoothness", |config| &mut config.weight_smoothness),
    ("color", |config| &mut config.weight_color),
    ("brightness", |config| &mut config.weight_brightness),
    ("style", |config| &mut config.weight_style),
    ("features", |config| &mut config.weight_features),
    ("class_brightness", |config| &mut config.weight_class_brightness),
    ("segmentation", |config| &mut config.weight_segmentation),
];

#[test]
fn each_of_the_seven_terms_alone_moves_every_layer() {
    for (name, weight) in WEIGHTS {
        let [n_moved, _, norm] = taught(alone(TrainingConfig::paper(), weight), name);
        assert_eq!(n_moved, 14.0, "{name} reaches all fourteen tensors");
        assert!(norm > 0.0, "{name}: {norm}");
    }
}

#[test]
fn in_the_released_form_segmentation_teaches_nothing_and_the_rest_does() {
    let mut values = Vec::new();
    for (name, weight) in WEIGHTS {
        let [n_moved, value, norm] = taught(alone(TrainingConfig::released(), weight), name);
        if name == "segmentation" {
            assert_eq!([n_moved, norm], [0.0; 2], "its gradient is cut");
            values.push(value);
        } else {
            assert_eq!(n_moved, 14.0, "{name} reaches all fourteen tensors");
        }
    }
    let (name, weight) = WEIGHTS[6];
    let [_, value, _] = taught(alone(TrainingConfig::paper(), weight), name);
    assert_eq!(values, [value], "the value is reported all the same");
}

#[test]
fn the_presets_and_the_vgg_input_change_what_they_name() {
    let (paper, released) = (four_classes(TrainingConfig::paper()), TrainingConfig::released());
    assert_eq!(released.class_brightness, ClassBrightness::Released);
    let normalized = TrainingConfig { vgg_input: VggInput::Normalized, ..paper.clone() };
    let caffe = TrainingConfig { vgg_input: VggInput::Caffe, ..paper.clone() };
    let [paper, released, normalized, caffe] = [paper, four_classes(released), normalized, caffe]
        .map(|config| step(&mut training(config)));
    for (name, _) in WEIGHTS {
        let [paper, released, normalized, caffe] =
            [&paper, &released, &normalized, &caffe].map(|terms| value_of(terms, name));
        assert_eq!(paper != released, name == "class_brightness", "{name}");
        assert_eq!(paper != normalized, ["style", "features"].contains(&name), "{name}");
        assert_eq!(paper != caffe, ["style", "features"].contains(&name), "{name}");
    }
}

#[test]
fn a_weight_without_its_helper_is_an_error() {
    let missing = |change: fn(&mut TrainingConfig)| {
        let mut config = without_helpers();
        change(&mut config);
        Training::new(config, Helpers::default(), 1, 1, &Device::flex()).err().unwrap().to_string()
    };
    let cases = [
        (
            missing(|config| config.weight_style = 5.0),
            "term style has the weight 5 and needs VGG-16",
        ),
        (
            missing(|config| config.weight_features = 0.1),
            "term features has the weight 0.1 and needs VGG-16",
        ),
        (
            missing(|config| config.weight_segmentation = 1.0),
            "term segmentation has the weight 1 and needs a segmenter",
        ),
        (missing(|config| config.weight_color = -1.0), "weight_color: expected 0 to 1000000000"),
        (missing(|config| config.learning_rate = f64::NAN), "learning_rate: expected 0 to 1000000"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}");
    }
    assert!(Training::new(without_helpers(), Helpers::default(), 1, 1, &Device::flex()).is_ok());
}

#[test]
fn a_segmenter_that_does_not_know_all_classes_is_an_error() {
    let helpers = Helpers { segmenter: Some(Box::new(five_classes())), vgg: None };
    let config = TrainingConfig { n_classes: 6, ..without_helpers() };
    let error = Training::new(config, helpers, 1, 1, &Device::flex()).err().unwrap();
    assert_eq!(error, StartError::Classes { expected: 6, found: 5 });
}

/// The same without every other term and without decay.
fn alone(config: TrainingConfig, weight: fn(&mut TrainingConfig) -> &mut f64) -> TrainingConfig {
    let mut config =
        TrainingConfig { optimizer: OptimizerConfig::default(), ..four_classes(config) };
    let kept = *weight(&mut config);
    WEIGHTS.iter().for_each(|(_, other)| *other(&mut config) = 0.0);
    *weight(&mut config) = kept;
    config
}

/// The labels of the test batch are 0, 1 and 2.
fn four_classes(config: TrainingConfig) -> TrainingConfig {
    TrainingConfig { n_classes: 4, ..config }
}

/// What one step does: how many tensors move, the value of the term and the norm of the gradient.
fn taught(config: TrainingConfig, name: &str) -> [f64; 3] {
    let mut training = training(config);
    let before = training.weights();
    let terms = step(&mut training);
    let after = training.weights();
    let n_moved = before.tensors.iter().filter(|(name, t)| after.tensors[*name] != **t).count();
    [n_moved as f64, value_of(&terms, name), value_of(&terms, "gradient_norm")]
}

fn step(training: &mut Training) -> Vec<TermValue> {
    // Nearer to the negatives than to the positives, so that no margin is kept.
    let mut batch = batch();
    let Some(Part::Images(low)) = batch.parts.get("low").cloned() else { panic!("dark ones") };
    for (name, factor) in [("negative_under", 0.5), ("negative_over", 2.0)] {
        batch.parts.insert(name.to_owned(), Part::Images(low.clone() * factor));
    }
    training.step(vec![batch]).unwrap()
}

fn value_of(terms: &[TermValue], name: &str) -> f64 {
    terms.iter().find(|term| term.name == name).unwrap().value
}

fn training(config: TrainingConfig) -> Training {
    let vgg =
        Vgg::read(&vgg_weights(), VggDepth::Sixteen, VggPooling::Max, &Device::flex()).unwrap();
    let helpers = Helpers { vgg: Some(vgg), segmenter: Some(Box::new(five_classes())) };
    Training::new(config, helpers, 10, 7, &Device::flex().autodiff()).unwrap()
}

/// Noise that keeps the size of what passes through.
pub(crate) fn vgg_weights() -> Weights {
    let layers = [
        (0, 3, 64),
        (2, 64, 64),
        (5, 64, 128),
        (7, 128, 128),
        (10, 128, 256),
        (12, 256, 256),
        (14, 256, 256),
        (17, 256, 512),
        (19, 512, 512),
        (21, 512, 512),
        (24, 512, 512),
        (26, 512, 512),
        (28, 512, 512),
    ];
    let mut weights = Weights::default();
    for (number, n_in, n_out) in layers {
        let scale = (6.0 / (n_in * 9) as f32).sqrt();
        let noise = |idx: usize| {
            let mixed = (idx as u32 ^ (0x9e37 * (number + 1))).wrapping_mul(0x85eb_ca6b);
            let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
            scale * ((mixed >> 16) as f32 / 32768.0 - 1.0)
        };
        let mut insert = |part: &str, shape: Vec<usize>| {
            let values = (0..shape.iter().product()).map(noise).collect();
            weights.insert(format!("features.{number}.{part}"), TensorValues { shape, values });
        };
        insert("weight", vec![n_out, n_in, 3, 3]);
        insert("bias", vec![n_out]);
    }
    weights
}
