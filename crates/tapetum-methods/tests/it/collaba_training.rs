//! CollaBA trained: which term teaches what, and what the game says to the generator.

use burn::optim::GradientsParams;
use tapetum_methods::collaba::{
    NetworkConfig, Scale,
    discriminators::Discriminators,
    game::{Square, kappa, play},
    helpers::Helpers,
    losses,
    training::{Adversary, Implicit, StartError, TermWeights, Training, TrainingConfig},
    weights,
};
use tapetum_nn::{
    Weights,
    backbones::{Vgg, VggDepth, VggPooling},
    layers::from_reader,
    prelude::*,
    recipe::{Batch, Part, Recipe, RecipeError, TermValue},
    training::{AverageConfig, Learner, LearnerConfig, OptimizerConfig},
    weights::{TensorValues, WeightReader},
};

use crate::{
    collaba::{CHIRP_AND_GAIN, emphasis},
    collaba_losses::{photograph, waves},
    scl_lle_helpers::vgg_weights,
    tagging::{assert_near, fill, filled_by},
};

/// What `tools/golden/collaba_losses.py` made and wrote.
const STEP: &[u8] = include_bytes!("../data/collaba_step.safetensors");
const GLOBAL: &str = include_str!("../data/collaba_step_global_tensors.txt");
const PATCH: &str = include_str!("../data/collaba_step_patch_tensors.txt");
const N_STEPS: usize = 4;

/// A term's name and how to set its weight.
type Weight = (&'static str, fn(&mut TrainingConfig) -> &mut f64);

const WEIGHTS: [Weight; 5] = [
    ("pixel", |config| &mut config.weight_pixel),
    ("perceptual", |config| &mut config.weight_perceptual),
    ("illumination", |config| &mut config.weight_illumination),
    ("smoothness", |config| &mut config.weight_smoothness),
    ("adversarial", |config| &mut config.weight_adversarial),
];

/// `½ (ω - a ς)²` and `½ (ω - b)² + ½ ς²`.
#[derive(Module, Debug)]
struct Toy {
    answer: Param<Tensor<1>>,
}

#[test]
fn the_response_of_a_game_with_a_known_answer_has_its_size_and_sign() {
    let device = Device::flex().autodiff();
    for (a, b, omega, sigma) in [(0.7, 0.3, 1.4, -0.5), (-1.2, 2.0, 0.1, 0.8)] {
        let toy = Toy { answer: Param::from_tensor(Tensor::from_floats([omega], &device)) };
        let outer = (toy.answer.val() - b).square().sum() * 0.5;
        let inner = (toy.answer.val() - a * sigma).square().sum() * 0.5;
        let of = |loss: Tensor<1>| GradientsParams::from_module(&mut loss.backward(), &toy);
        let kappa = kappa(&toy, &of(outer), &of(inner), 1);
        let inner_at_sigma = -a * (omega - a * sigma);
        // The best response is `ω̂ = a ς`, so `∂ω̂/∂ς · ∂F/∂ω = a (ω - b)`.
        let exact = a * (omega - b);
        let found = -kappa * inner_at_sigma;
        assert!((found - exact).abs() < 1e-5, "{found} for {exact}");
    }
}

#[test]
fn a_step_against_both_discriminators_equals_the_independent_transcription() {
    let golden = Weights::from_bytes(STEP).unwrap();
    for (name, with_maps, weights) in
        [("two", false, [0.9, 0.0, 0.5, 0.0]), ("all", true, [0.9, 0.7, 0.5, 0.8])]
    {
        for (implicit, part) in [
            (Implicit::Attached, "response"),
            (Implicit::Detached, "alone"),
            (Implicit::Off, "alone"),
        ] {
            let (gradient, found) = toy_step(with_maps, weights, implicit);
            let expected = &golden.tensors[&format!("{name}.{part}")].values;
            assert_near(&format!("{name} {implicit:?}"), &gradient, expected, [1e-4, 3e-5]);
            let expected = if implicit == Implicit::Off { 0.0 } else { -0.1203800868 };
            assert!((found - expected).abs() < 1e-5, "{implicit:?}: {found}");
        }
    }
}

/// The gradient of a convolution that plays the generator: three channels are the image, the sigmoid of the fourth the
/// map. And `κ`.
fn toy_step(
    with_maps: bool,
    [pixel, prior, adversarial, smoothness]: [f32; 4],
    implicit: Implicit,
) -> (Vec<f32>, f64) {
    let device = Device::flex().autodiff();
    let size = [2, 3, 16, 24];
    let (low, normal) = (waves(0.0, size) * 0.2, waves(1.0, size));
    let reference = photograph(0.3, 2, [16, 24]);
    let shape = [4, 3, 3, 3];
    let values = (0..108).map(|idx| fill("generator.weight", &shape, idx, CHIRP_AND_GAIN) as f32);
    let data = TensorData::new(values.collect(), shape);
    let weight = Tensor::<4>::from_data(data, &device).require_grad();
    let options = ops::ConvOptions::same(3);
    let input = (low.clone() * 2.0 + 0.1).autodiff();
    let both = ops::conv2d(input, weight.clone(), None, &options, ops::Activation::Identity);
    let made = both.clone().narrow(1, 0, 3);
    let map = ops::activate(both.narrow(1, 3, 1), ops::Activation::Sigmoid);

    let mut learner = Learner::new(discriminators(&device), LearnerConfig::new(1e-3), 1);
    let factor = 0.1 / (2.0 * f64::from(adversarial).powi(2));
    // The golden step shows the patch discriminator all of the image, as no square can.
    let squares = [Square { x: 0, y: 0, height: 16, width: 24 }];
    let image = made.clone().inner();
    let answer = play(&mut learner, &image, &reference, &squares, (implicit, factor), 1.0);
    assert!((answer.judgement - 2.0391530276).abs() < 2e-5, "{}", answer.judgement);
    assert!((0.1 * answer.adversarial - 0.14873157712596624).abs() < 2e-6);

    let of = |loss, weight: f32| losses::weighed(loss, Tensor::from_floats([weight], &device));
    let target = losses::sharpened(reference.autodiff());
    let mut total = of(losses::absolute(made.clone(), target), pixel)
        + (made * answer.to_made.autodiff()).sum();
    if with_maps {
        let missing = losses::missing_light(normal, low).autodiff();
        total = total
            + of(losses::illumination_prior(map.clone(), missing), prior)
            + of(losses::smoothness(map), smoothness);
    }
    let gradient = weight.grad(&total.backward()).unwrap();
    (TensorValues::of(gradient).values, answer.kappa)
}

fn discriminators(device: &Device) -> Discriminators {
    let golden = Weights::from_bytes(STEP).unwrap();
    let mut weights = Weights::default();
    for (prefix, tensors) in [("global.", GLOBAL), ("patch.", PATCH)] {
        let filled = filled_by(tensors, |name, shape, idx| {
            emphasis(name) * fill(name, shape, idx, CHIRP_AND_GAIN)
        });
        for (name, values) in filled.tensors {
            weights.insert(format!("{prefix}{name}"), values);
        }
    }
    for (name, values) in golden.tensors.iter().filter(|(name, _)| name.contains(".weight_")) {
        weights.tensors.insert(name.clone(), values.clone());
    }
    let mut reader = WeightReader::new(&weights);
    let mut source = from_reader(&mut reader);
    let built = Discriminators::build(Adversary::GlobalAndPatch, 4, &mut source, device);
    drop(source);
    reader.finish("discriminators").unwrap();
    built.unwrap()
}

#[test]
fn every_term_alone_moves_what_it_is_to_train() {
    let everywhere =
        ["conv_in.", "body.0.body.1.dau_bot.", "body.3.body.2.CFM", "conv_up1.", "conv_out."];
    let map = ["atten_network.conv0.", "atten_network.conv4.weight_orig", "atten_network.conv9."];
    for (name, weight) in WEIGHTS {
        let taught = taught(alone(config(), weight), name);
        let of_image = !matches!(name, "illumination" | "smoothness");
        for part in everywhere {
            assert_eq!(taught.moves(part), of_image, "{name} and {part}");
        }
        for part in map {
            assert!(taught.moves(part), "{name} does not reach {part}");
        }
        assert!(taught.norm > 0.0, "{name}");
    }
}

#[test]
fn the_implicit_term_reaches_the_generator_by_default_and_not_as_released() {
    let moved = |implicit| {
        let mut training = training(TrainingConfig { implicit, ..config() });
        let values = training.step(vec![batch()]).unwrap();
        (training.weights(), value_of(&values, "gradient_norm"), value_of(&values, "kappa"))
    };
    assert_eq!(TrainingConfig::default().implicit, Implicit::Attached);
    assert_eq!(TrainingConfig::released_x2().implicit, Implicit::Detached);
    let (attached, attached_norm, kappa) = moved(Implicit::Attached);
    let (released, released_norm, same) = moved(Implicit::Detached);
    let (without, without_norm, none) = moved(Implicit::Off);
    assert!(kappa != 0.0 && none == 0.0, "{kappa}, {none}");
    assert!((kappa - same).abs() < 1e-6 * kappa.abs(), "{kappa}, {same}");
    assert_ne!(attached_norm, released_norm);
    assert_ne!(attached.tensors["conv_out.weight"], released.tensors["conv_out.weight"]);
    assert_eq!(released_norm, without_norm);
    assert_eq!(released, without, "the released term has no effect at all");
}

#[test]
fn the_weights_of_the_terms_are_learned_or_stay() {
    let names = ["pixel", "perceptual", "illumination", "adversarial", "smoothness"];
    let mut training = training(config());
    let first = training.step(vec![batch()]).unwrap();
    for name in names {
        let weight = value_of(&first, &format!("weight_{name}"));
        assert!(weight != 1.0, "{name} has not moved");
        // Small losses ask for small weights: `L = 2 ϱ⁴ / (1 + ϱ²)` where they stand still.
        let loss = value_of(&first, name);
        assert_eq!(weight < 1.0, loss < 1.0, "{name}: {weight} at {loss}");
    }
    let fixed = TrainingConfig { weights: TermWeights::Fixed, ..config() };
    let values = self::training(fixed).step(vec![batch()]).unwrap();
    assert!(values.iter().all(|value| !value.name.starts_with("weight_")));
}

#[test]
fn discriminators_learn_in_every_step_and_the_generator_in_every_nth() {
    let mut training = training(TrainingConfig { n_discriminator_steps: 2, ..config() });
    let mut moves = Vec::new();
    for _ in 0..3 {
        let before = training.weights();
        let values = training.step(vec![batch()]).unwrap();
        let has_moved =
            training.weights().tensors["conv_in.weight"] != before.tensors["conv_in.weight"];
        assert_eq!(has_moved, values.iter().any(|value| value.name == "pixel"));
        assert!(value_of(&values, "gradient_norm_discriminators") > 0.0);
        moves.push(has_moved);
    }
    assert_eq!(moves, [true, false, true]);
}

#[test]
fn discriminators_learn_to_tell_made_images_from_photographs() {
    for adversary in [Adversary::Global, Adversary::GlobalAndPatch] {
        // The generator stands still.
        let config = TrainingConfig {
            adversary,
            learning_rate: 2e-3,
            n_discriminator_steps: 1000,
            ..config()
        };
        let mut training = training(config);
        let mut judgements = Vec::new();
        for _ in 0..20 {
            judgements.push(value_of(&training.step(vec![batch()]).unwrap(), "judgement"));
        }
        let values = training.step(vec![batch()]).unwrap();
        assert!(value_of(&values, "judgement") < 0.7 * judgements[0], "{judgements:?}");
        assert!(value_of(&values, "logit_real") > value_of(&values, "logit_made"));
    }
}

#[test]
fn the_first_stage_has_no_adversary_and_the_second_starts_from_it() {
    let first = TrainingConfig { adversary: Adversary::None, ..config() };
    let mut first = training(first);
    let values = first.step(vec![batch()]).unwrap();
    assert!(values.iter().all(|v| !matches!(v.name, "adversarial" | "kappa" | "judgement")));
    let start = first.weights();
    let helpers = Helpers { vgg: vgg(), generator: Some(start.clone()) };
    let device = Device::flex().autodiff();
    let second = Training::new(config(), helpers, N_STEPS, 9, &device).unwrap();
    assert_eq!(second.weights(), start);
    let other = NetworkConfig { scale: Scale::X4, ..NetworkConfig::default() };
    let helpers = Helpers { vgg: vgg(), generator: Some(start) };
    let config = TrainingConfig { network: other, ..config() };
    let error = Training::new(config, helpers, N_STEPS, 9, &device).err().unwrap();
    assert!(matches!(error, StartError::Configuration { .. }), "{error}");
    assert!(error.to_string().contains("expected"), "{error}");
}

#[test]
fn the_average_has_the_singular_vectors_of_the_network() {
    let average = Some(AverageConfig { decay: 0.999, ramp: false });
    let mut averaged = training(TrainingConfig { average, ..config() });
    let mut plain = training(config());
    for _ in 0..2 {
        averaged.step(vec![batch()]).unwrap();
        plain.step(vec![batch()]).unwrap();
    }
    let (averaged, plain) = (averaged.weights(), plain.weights());
    for (name, values) in &averaged.tensors {
        let is_vector = name.ends_with("weight_u") || name.ends_with("weight_v");
        let is_unused = name.starts_with("conv_hr");
        assert_eq!(*values == plain.tensors[name], is_vector || is_unused, "{name}");
    }
    // With vectors that fit the weights `σ` is that of the weights: the map is neither 0 nor 1 everywhere.
    let network = weights::read(&averaged, &Device::flex()).unwrap();
    let map = network.forward(waves(0.2, [1, 3, 16, 16])).illumination;
    let values = TensorValues::of(map).values;
    assert!(values.iter().all(|value| (0.1..0.9).contains(value)), "{values:?}");
}

#[test]
fn a_resumed_training_gives_the_numbers_of_one_that_never_stopped() {
    let config = || TrainingConfig {
        adversary: Adversary::GlobalAndPatch,
        n_discriminator_steps: 2,
        average: Some(AverageConfig { decay: 0.9, ramp: true }),
        ..config()
    };
    let mut whole = training(config());
    let run = |training: &mut Training, n| {
        (0..n).map(|_| training.step(vec![batch()]).unwrap()).collect::<Vec<_>>()
    };
    let expected = run(&mut whole, 4);
    let mut first = training(config());
    run(&mut first, 1);
    let mut second = training(config());
    second.restore(&first.checkpoint()).unwrap();
    assert_eq!(run(&mut second, 3), expected[1..]);
    assert_eq!(second.weights(), whole.weights());
}

#[test]
fn batches_that_do_not_fit_the_scale_or_the_patches_are_an_error() {
    let error = |config: TrainingConfig, low: [usize; 2], reference: [usize; 2]| {
        let mut training = training(config);
        training.step(vec![pair(low, reference)]).unwrap_err().to_string()
    };
    let text = error(config(), [16, 16], [16, 16]);
    assert!(text.contains("2 times as large") && text.contains("[16, 16]"), "{text}");
    let patches = TrainingConfig { adversary: Adversary::GlobalAndPatch, patch_px: 40, ..config() };
    let text = error(patches, [16, 16], [32, 32]);
    assert!(text.contains("at least 40 pixels, found 32x32"), "{text}");
    let mut training = training(config());
    let error = training.step(vec![Batch::default()]).unwrap_err();
    assert!(matches!(&error, RecipeError::Data(text) if text.contains("[data.paired]")), "{error}");
}

#[test]
fn what_cannot_be_trained_is_an_error() {
    let start = |config| Training::new(config, Helpers::default(), 1, 1, &Device::flex()).err();
    assert!(matches!(start(config()), Some(StartError::MissingVgg { weight: 1.2 })));
    let negative = TrainingConfig { weight_pixel: -1.0, ..config() };
    let message = start(negative).unwrap().to_string();
    assert!(message.contains("weight_pixel: expected 0 to"), "{message}");
    let none = TrainingConfig { n_patches: 0, ..config() };
    assert!(start(none).unwrap().to_string().contains("n_patches: expected 1 to"));
}

/// All terms, of small networks.
pub(crate) fn config() -> TrainingConfig {
    TrainingConfig {
        network: NetworkConfig::default(),
        average: None,
        n_discriminator: 4,
        patch_px: 16,
        n_patches: 2,
        ..TrainingConfig::paper()
    }
}

/// The same without every other term.
fn alone(config: TrainingConfig, weight: fn(&mut TrainingConfig) -> &mut f64) -> TrainingConfig {
    let mut config =
        TrainingConfig { optimizer: OptimizerConfig::default(), implicit: Implicit::Off, ..config };
    let kept = *weight(&mut config);
    WEIGHTS.iter().for_each(|(_, other)| *other(&mut config) = 0.0);
    *weight(&mut config) = kept;
    config
}

/// What one step does.
struct Taught {
    moved: Vec<String>,
    norm: f64,
}

impl Taught {
    /// Whether a tensor whose name begins so has moved.
    fn moves(&self, part: &str) -> bool {
        self.moved.iter().any(|name| name.starts_with(part))
    }
}

fn taught(config: TrainingConfig, name: &str) -> Taught {
    let mut training = training(config);
    let before = training.weights();
    let terms = training.step(vec![batch()]).unwrap();
    assert!(value_of(&terms, name) > 0.0, "{name}");
    let after = training.weights();
    let moved = before.tensors.iter().filter(|(name, tensor)| after.tensors[*name] != **tensor);
    Taught {
        moved: moved.map(|(name, _)| name.clone()).collect(),
        norm: value_of(&terms, "gradient_norm"),
    }
}

fn training(config: TrainingConfig) -> Training {
    training_on(config, &Device::flex().autodiff())
}

pub(crate) fn training_on(config: TrainingConfig, device: &Device) -> Training {
    let helpers = Helpers { vgg: vgg_on(&device.clone().inner()), generator: None };
    Training::new(config, helpers, N_STEPS, 7, device).unwrap()
}

fn vgg() -> Option<Vgg> {
    vgg_on(&Device::flex())
}

fn vgg_on(device: &Device) -> Option<Vgg> {
    let (depth, pooling) = (VggDepth::Sixteen, VggPooling::Max);
    Some(Vgg::read(&vgg_weights(), depth, pooling, device).unwrap())
}

pub(crate) fn batch() -> Batch {
    pair([16, 24], [32, 48])
}

fn pair(low: [usize; 2], reference: [usize; 2]) -> Batch {
    let low = waves(0.0, [2, 3, low[0], low[1]]) * 0.2;
    let pair =
        Part::Pairs { low: low.autodiff(), reference: photograph(0.3, 2, reference).autodiff() };
    Batch { parts: [("synthetic".to_owned(), pair)].into_iter().collect() }
}

fn value_of(values: &[TermValue], name: &str) -> f64 {
    let found = values.iter().find(|value| value.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {values:?}")).value
}
