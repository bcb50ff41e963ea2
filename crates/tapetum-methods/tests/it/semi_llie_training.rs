//! Semi-LLIE trained: which term teaches what, and how the teacher follows.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_image::{Image, Srgb};
use tapetum_methods::{
    semi_llie::{
        helpers::Helpers,
        network::{MambaLowlight, Variant},
        training::{Kept, Reliability, StartError, Training, TrainingConfig},
    },
    tagging::{SemanticEncoder, Semantics},
};
use tapetum_nn::{
    Weights,
    ops::{Activation, ConvOptions, PoolOptions},
    prelude::*,
    recipe::{Batch, Part, Recipe, RecipeError, TermValue, Trained},
    training::{AverageConfig, OptimizerConfig},
};

use crate::scl_lle::grid;

/// A term's name, how to set its weight, and whether it looks through the encoder.
type Weight = (&'static str, fn(&mut TrainingConfig) -> &mut f64, bool);

const WEIGHTS: [Weight; 5] = [
    ("structure", |config| &mut config.weight_structure, false),
    ("gradient", |config| &mut config.weight_gradient, false),
    ("perceptual", |config| &mut config.weight_perceptual, true),
    ("consistency", |config| &mut config.weight_consistency, false),
    ("contrast", |config| &mut config.weight_contrast, true),
];
/// Steps of the runs, of which the first has a small weight for what has no reference.
const N_STEPS: usize = 4;

#[test]
fn each_of_the_five_terms_alone_moves_every_tensor_of_the_network() {
    for (name, weight, _) in WEIGHTS {
        let Taught { still, norm, .. } = taught(alone(TrainingConfig::paper(), weight), name);
        assert!(norm > 0.0, "{name}: {norm}");
        check_all_move(&still, name);
    }
}

#[test]
fn in_the_released_form_the_terms_of_the_encoder_teach_nothing_and_are_reported() {
    for (name, weight, looks_through) in WEIGHTS {
        let released = taught(alone(TrainingConfig::released(), weight), name);
        let flowing = taught(alone(TrainingConfig::paper(), weight), name);
        assert_eq!(released.value, flowing.value, "{name} has the same value");
        if looks_through {
            assert_eq!(released.norm, 0.0, "the gradient of {name} is cut");
            assert_eq!(released.still.len(), released.n_tensors, "{name} moves nothing");
        } else {
            check_all_move(&released.still, name);
        }
    }
}

#[test]
fn without_a_weight_for_them_dark_photographs_alone_are_left_out() {
    let config = TrainingConfig { weight_unpaired: 0.0, ..TrainingConfig::paper() };
    let terms = training(config).step(vec![batch()]).unwrap();
    let names: Vec<_> = terms.iter().map(|term| term.name).collect();
    assert_eq!(
        names,
        ["structure", "gradient", "perceptual", "ramp", "gradient_norm", "learning_rate"]
    );
}

#[test]
fn a_run_without_an_encoder_has_the_other_terms() {
    let config =
        TrainingConfig { weight_perceptual: 0.0, weight_contrast: 0.0, ..TrainingConfig::paper() };
    let device = Device::flex().autodiff();
    let mut training = Training::new(config, Helpers::default(), N_STEPS, 7, &device).unwrap();
    let terms = training.step(vec![batch()]).unwrap();
    let names: Vec<_> = terms.iter().take(3).map(|term| term.name).collect();
    assert_eq!(names, ["structure", "gradient", "consistency"]);
}

#[test]
fn the_weight_of_what_has_no_reference_rises_as_the_sheet_of_epochs_says() {
    let config = TrainingConfig::paper();
    // Of 200 steps, each is an epoch.
    for (epoch, expected) in [(1, 7.4e-4), (50, 0.0287), (100, 0.1), (200, 0.1)] {
        let found = config.ramp_at(epoch - 1, 200);
        assert!((found - expected).abs() < 1e-2 * expected, "{epoch}: {found}");
    }
}

#[test]
fn the_learning_rate_drops_after_101_and_151_of_200_epochs() {
    let mut training = training(alone(TrainingConfig::paper(), WEIGHTS[0].1));
    let mut rates = Vec::new();
    for _ in 0..N_STEPS {
        let terms = training.step(vec![batch()]).unwrap();
        rates.push((value_of(&terms, "learning_rate") * 1e8).round() / 1e8);
    }
    assert_eq!(rates, [2e-4, 2e-4, 2e-5, 2e-6]);
}

#[test]
fn the_teacher_starts_as_a_copy_of_the_student_and_follows_it() {
    let kept = |kept| TrainingConfig { kept, ..alone(TrainingConfig::paper(), WEIGHTS[0].1) };
    let [mut student, mut teacher] = [Kept::Student, Kept::Teacher].map(|k| training(kept(k)));
    let mut expected: Option<Vec<f32>> = None;
    for step in 0..N_STEPS {
        student.step(vec![batch()]).unwrap();
        teacher.step(vec![batch()]).unwrap();
        let now = values(&student.weights());
        // 0, 1/2, 2/3, …
        let decay = AverageConfig { decay: 0.996, ramp: true }.decay_at(step) as f32;
        let mean = match expected {
            None => now,
            Some(mean) => mean
                .iter()
                .zip(&now)
                .map(|(mean, now)| decay * mean + (1.0 - decay) * now)
                .collect(),
        };
        let found = values(&teacher.weights());
        for (found, expected) in found.iter().zip(&mean) {
            assert!((found - expected).abs() < 1e-6, "step {step}: {found} for {expected}");
        }
        expected = Some(mean);
    }
}

#[test]
fn the_teacher_never_drops_a_branch_and_the_student_does() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let network = MambaLowlight::random(Variant::Plain, &mut random, &Device::flex());
    let low = || waves(0.3) * 0.2;
    let exact = tensor_values(network.forward(low()));
    assert_eq!(tensor_values(network.forward(low())), exact);
    let n_dropped = (0..40)
        .filter(|_| tensor_values(network.forward_training(low(), &mut random)) != exact)
        .count();
    // Kept branches are made stronger, so that every pass differs.
    assert_eq!(n_dropped, 40);
}

#[test]
fn a_judge_keeps_what_it_likes_better_and_says_how_much() {
    let judged = |judge: fn(&Image<Srgb>) -> Result<f64, String>| {
        let config = TrainingConfig { reliability: Reliability::Judged, ..TrainingConfig::paper() };
        let helpers = Helpers { encoder: Some(Box::new(Stripes)), judge: Some(Box::new(judge)) };
        let device = Device::flex().autodiff();
        let mut training = Training::new(config, helpers, N_STEPS, 7, &device).unwrap();
        training.step(vec![batch()])
    };
    // The strong view is the brighter one, and so is what the student makes of it.
    let kept = judged(|image| Ok(-f64::from(image.pixels.iter().sum::<f32>()))).unwrap();
    assert_eq!(value_of(&kept, "teacher_kept"), 1.0);
    assert!(value_of(&kept, "consistency") > 0.0);
    let refused = judged(|image| Ok(f64::from(image.pixels.iter().sum::<f32>()))).unwrap();
    assert_eq!(value_of(&refused, "teacher_kept"), 0.0);
    assert_eq!([value_of(&refused, "consistency"), value_of(&refused, "contrast")], [0.0; 2]);
    let error = judged(|_| Err("too small".to_owned())).unwrap_err();
    assert!(matches!(error, RecipeError::Data(detail) if detail == "the judge: too small"));
}

#[test]
fn what_has_a_weight_and_no_helper_is_an_error() {
    let start = |config| Training::new(config, Helpers::default(), 1, 1, &Device::flex()).err();
    let error = start(TrainingConfig::paper());
    assert_eq!(error, Some(StartError::MissingEncoder { term: "perceptual", weight: 0.1 }));
    let alone = TrainingConfig {
        weight_perceptual: 0.0,
        weight_contrast: 0.0,
        reliability: Reliability::Judged,
        ..TrainingConfig::paper()
    };
    assert_eq!(start(alone), Some(StartError::MissingJudge));
    let negative = TrainingConfig { weight_structure: -1.0, ..TrainingConfig::paper() };
    let message = start(negative).unwrap().to_string();
    assert!(message.contains("weight_structure: expected 0 to"), "{message}");
}

#[test]
fn a_resumed_training_gives_the_numbers_of_one_that_never_stopped() {
    let config = || TrainingConfig::paper();
    let mut whole = training(config());
    (0..3).for_each(|_| drop(whole.step(vec![batch()]).unwrap()));
    let mut first = training(config());
    first.step(vec![batch()]).unwrap();
    let mut second = training(config());
    second.restore(&first.checkpoint()).unwrap();
    (0..2).for_each(|_| drop(second.step(vec![batch()]).unwrap()));
    assert_eq!(second.weights(), whole.weights());
}

#[test]
fn a_short_training_lowers_its_loss() {
    let config = TrainingConfig {
        schedule: Some(tapetum_nn::training::Schedule::default()),
        ..TrainingConfig::paper()
    };
    let mut training = training(config);
    let losses: Vec<f64> =
        (0..16).map(|_| value_of(&training.step(vec![batch()]).unwrap(), "structure")).collect();
    assert!(losses[15] < 0.8 * losses[0], "{losses:?}");
    let Trained::Enhancer(network) = training.trained() else { panic!("a network") };
    assert_eq!(network.n_parameters(), 610_530);
}

/// The same without every other term and without decay, and the terms without a reference at full weight.
fn alone(config: TrainingConfig, weight: fn(&mut TrainingConfig) -> &mut f64) -> TrainingConfig {
    let mut config = TrainingConfig { optimizer: OptimizerConfig::default(), ..config };
    let kept = *weight(&mut config);
    WEIGHTS.iter().for_each(|(_, other, _)| *other(&mut config) = 0.0);
    *weight(&mut config) = kept;
    config
}

/// What one step does.
struct Taught {
    n_tensors: usize,
    /// The tensors that stay as they are.
    still: Vec<String>,
    value: f64,
    norm: f64,
}

fn taught(config: TrainingConfig, name: &str) -> Taught {
    let mut training = training(config);
    let before = training.weights();
    let terms = training.step(vec![batch()]).unwrap();
    let after = training.weights();
    let still = before.tensors.iter().filter(|(name, tensor)| after.tensors[*name] == **tensor);
    Taught {
        n_tensors: before.tensors.len(),
        still: still.map(|(name, _)| name.clone()).collect(),
        value: value_of(&terms, name),
        norm: value_of(&terms, "gradient_norm"),
    }
}

/// The two channels in the middle of channel attention may be 0 for every image of a batch, and then learn
/// nothing from it.
fn check_all_move(still: &[String], term: &str) {
    let unexpected: Vec<_> = still.iter().filter(|name| !name.contains(".attention.")).collect();
    assert!(unexpected.is_empty(), "{term} does not reach {unexpected:?}");
}

fn training(config: TrainingConfig) -> Training {
    training_on(config, &Device::flex().autodiff())
}

pub(crate) fn training_on(config: TrainingConfig, device: &Device) -> Training {
    let helpers = Helpers { encoder: Some(Box::new(Stripes)), judge: None };
    Training::new(config, helpers, N_STEPS, 7, device).unwrap()
}

pub(crate) fn batch() -> Batch {
    let device = Device::flex().autodiff();
    let image = |phase: f64, scale: f64| (waves(phase) * scale).to_device(&device);
    let paired = Part::Pairs { low: image(0.0, 0.2), reference: image(0.0, 0.9) };
    let unpaired = Part::Views { weak: image(1.0, 0.1), strong: image(1.3, 0.6) };
    let parts = [("paired".to_owned(), paired), ("unpaired".to_owned(), unpaired)];
    Batch { parts: parts.into_iter().collect() }
}

fn waves(phase: f64) -> Tensor<4> {
    grid([2, 3, 10, 12], |b, c, i, j| {
        0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b + phase).sin()
    })
}

fn value_of(terms: &[TermValue], name: &str) -> f64 {
    terms.iter().find(|term| term.name == name).unwrap().value
}

fn values(weights: &Weights) -> Vec<f32> {
    weights.tensors.values().flat_map(|tensor| tensor.values.iter().copied()).collect()
}

fn tensor_values(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// An encoder that is nothing but means over squares of the image, and differences of them.
#[derive(Debug)]
struct Stripes;

impl SemanticEncoder for Stripes {
    fn encode(&self, image: Tensor<4>) -> Semantics {
        let pyramid = self.pyramid(image);
        let coarsest = pyramid[1].clone();
        let [n_batch, n_channels, _, _] = coarsest.dims();
        Semantics {
            tokens: coarsest.clone().flatten::<3>(2, 3),
            logits: coarsest.mean_dims(&[2, 3]).reshape([n_batch, n_channels]).powi_scalar(2),
            pyramid,
        }
    }

    fn pyramid(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let kernel = grid([4, 3, 3, 3], |o, c, i, j| (o + 2.0 * c + 3.0 * i + 5.0 * j).sin());
        let kernel = kernel.to_device(&image.device());
        let fine = ops::conv2d(image, kernel, None, &ConvOptions::same(3), Activation::Tanh);
        vec![fine.clone(), ops::average_pool2d(fine, &PoolOptions::tiles([2, 2]))]
    }

    fn n_tags(&self) -> usize {
        4
    }

    fn name(&self) -> &'static str {
        "stripes"
    }
}
