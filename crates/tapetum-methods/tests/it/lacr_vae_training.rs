//! LACR-VAE trained: which term teaches what, and what is said about the latent.

use tapetum_methods::lacr_vae::{
    helpers::Helpers,
    training::{
        Anchor, Contrast, Latent, MultiScale, NetworkConfig, Reconstruction, Region, StartError,
        Training, TrainingConfig,
    },
};
use tapetum_nn::{
    backbones::{Vgg, VggDepth, VggPooling},
    prelude::*,
    recipe::{Batch, Part, Recipe, RecipeError, TermValue, Trained},
    training::OptimizerConfig,
};

use crate::{scl_lle::grid, scl_lle_helpers::vgg_weights};

/// A term's name and how to set its weight.
type Weight = (&'static str, fn(&mut TrainingConfig) -> &mut f64);

const WEIGHTS: [Weight; 5] = [
    ("reconstruction", |config| &mut config.weight_reconstruction),
    ("visual", |config| &mut config.weight_visual),
    ("texture", |config| &mut config.weight_texture),
    ("divergence", |config| &mut config.weight_divergence),
    ("contrast", |config| &mut config.weight_contrast),
];
const N_STEPS: usize = 3;

#[test]
fn every_comparison_of_images_alone_moves_encoder_latent_and_decoder() {
    for (name, weight) in &WEIGHTS[..3] {
        let taught = taught(alone(TrainingConfig::paper(), *weight), name);
        assert!(taught.norm > 0.0, "{name}: {}", taught.norm);
        for part in ["stem.", "enc.0.rcam.q.", "enc.3.amsm1.spatial.", "mu.", "logvar.", "dec.out."]
        {
            assert!(taught.moves(part), "{name} does not reach {part}");
        }
    }
}

#[test]
fn the_divergence_moves_the_encoder_and_both_heads_and_no_part_of_the_decoder() {
    let (name, weight) = WEIGHTS[3];
    let taught = taught(alone(TrainingConfig::paper(), weight), name);
    for part in ["stem.", "enc.3.rcam.fuse.", "ds.2.", "mu.", "logvar."] {
        assert!(taught.moves(part), "{part}");
    }
    assert!(
        taught.moved.iter().all(|name| !is_learned_decoder(name.as_str())),
        "{:?}",
        taught.moved
    );
}

#[test]
fn the_contrast_in_both_forms_moves_encoder_and_decoder_through_the_image_encoded_again() {
    let (name, weight) = WEIGHTS[4];
    for contrast in [Contrast::Ratio, Contrast::InfoNce] {
        let config = alone(TrainingConfig { contrast, ..TrainingConfig::paper() }, weight);
        let taught = taught(config, name);
        for part in ["stem.", "enc.3.rcam.fuse.", "mu.", "logvar.", "dec.dw.0.", "dec.out."] {
            assert!(taught.moves(part), "{contrast:?} does not reach {part}");
        }
    }
}

#[test]
fn the_cheap_anchor_is_the_latent_itself_and_teaches_the_decoder_nothing() {
    let (name, weight) = WEIGHTS[4];
    let config = TrainingConfig { anchor: Anchor::Latent, ..TrainingConfig::paper() };
    let taught = taught(alone(config, weight), name);
    assert!(taught.moves("mu.") && taught.moves("stem."));
    assert!(
        taught.moved.iter().all(|name| !is_learned_decoder(name.as_str())),
        "{:?}",
        taught.moved
    );
}

#[test]
fn without_weights_terms_are_left_out_and_every_step_tells_about_the_latent() {
    let names = |config| {
        let terms = training(config).step(vec![batch()]).unwrap();
        terms.into_iter().map(|term| term.name).collect::<Vec<_>>()
    };
    let whole = names(TrainingConfig::paper());
    for name in [
        "reconstruction",
        "visual",
        "texture",
        "divergence",
        "contrast",
        "latent_variance",
        "active_units",
        "distance_positive",
        "distance_negative",
        "gradient_norm",
        "learning_rate",
    ] {
        assert!(whole.contains(&name), "{name} in {whole:?}");
    }
    let plain = TrainingConfig {
        network: NetworkConfig { latent: Latent::Deterministic, ..NetworkConfig::default() },
        reconstruction: Reconstruction::Absolute,
        weight_visual: 0.0,
        weight_texture: 0.0,
        weight_divergence: 0.0,
        weight_contrast: 0.0,
        ..TrainingConfig::paper()
    };
    let expected = ["reconstruction", "active_units", "gradient_norm", "learning_rate"];
    assert_eq!(names(plain), expected);
}

#[test]
fn the_weight_of_the_divergence_rises_over_a_tenth_of_the_run() {
    let config = TrainingConfig::paper();
    let found = [0, 5, 10, 99].map(|step| config.divergence_weight_at(step, 100));
    for (found, expected) in found.into_iter().zip([0.0, 0.5e-4, 1e-4, 1e-4]) {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }
}

#[test]
fn a_latent_that_collapses_is_told_once() {
    // Nothing but the prior pulls at the latent.
    let network = NetworkConfig {
        region: Region::Convolution,
        multi_scale: MultiScale::Convolution,
        ..NetworkConfig::default()
    };
    let config = TrainingConfig {
        network,
        learning_rate: 3e-3,
        weight_divergence: 1e3,
        divergence_rise: 0.0,
        ..alone(TrainingConfig::paper(), WEIGHTS[3].1)
    };
    let device = Device::flex().autodiff();
    let mut training = Training::new(config, Helpers::default(), 400, 7, &device).unwrap();
    let mut warnings = Vec::new();
    for step in 0..120 {
        training.step(vec![small_batch()]).unwrap();
        warnings.extend(training.warning().map(|warning| (step, warning)));
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (step, text) = &warnings[0];
    assert!(*step >= 49 && text.contains("the latent has collapsed"), "{step}: {text}");
}

#[test]
fn pairs_of_both_parts_are_one_batch_and_of_one_size() {
    let mut training = training(alone(TrainingConfig::paper(), WEIGHTS[0].1));
    let with = |part: Part| {
        let mut batch = batch();
        batch.parts.insert("synthetic".to_owned(), part);
        batch
    };
    training.step(vec![with(pair([1, 3, 32, 40]))]).unwrap();
    let error = training.step(vec![with(pair([1, 3, 40, 40]))]).unwrap_err();
    assert!(matches!(&error, RecipeError::Data(text) if text.contains("one size")), "{error}");
    let error = training.step(vec![Batch::default()]).unwrap_err().to_string();
    assert!(error.contains("expected [data.paired] or [data.synthetic]"), "{error}");
}

#[test]
fn batches_too_small_for_a_term_are_an_error() {
    let error = |config: TrainingConfig, shape: [usize; 4]| {
        let parts = [("paired".to_owned(), pair(shape))].into_iter().collect();
        training(config).step(vec![Batch { parts }]).unwrap_err().to_string()
    };
    let small = error(alone(TrainingConfig::paper(), WEIGHTS[1].1), [1, 3, 10, 40]);
    assert_eq!(small, "visual: expected at least 11 pixels a side, found 10");
    let small = error(alone(TrainingConfig::paper(), WEIGHTS[2].1), [1, 3, 40, 24]);
    assert_eq!(small, "texture: expected at least 32 pixels a side, found 24");
    let cheap = TrainingConfig { anchor: Anchor::Latent, ..TrainingConfig::paper() };
    let alone = error(alone(cheap, WEIGHTS[4].1), [1, 3, 32, 32]);
    assert!(alone.ends_with("expected at least 2 photographs a batch, found 1"), "{alone}");
}

#[test]
fn what_cannot_be_trained_is_an_error() {
    let start = |config| Training::new(config, Helpers::default(), 1, 1, &Device::flex()).err();
    let error = start(TrainingConfig::paper());
    assert_eq!(error, Some(StartError::MissingVgg { weight: 0.35 }));
    let certain = NetworkConfig { latent: Latent::Deterministic, ..NetworkConfig::default() };
    let config =
        TrainingConfig { network: certain, weight_texture: 0.0, ..TrainingConfig::paper() };
    assert_eq!(start(config), Some(StartError::NoDivergence { weight: 1e-4 }));
    let negative = TrainingConfig { weight_contrast: -1.0, ..TrainingConfig::paper() };
    let message = start(negative).unwrap().to_string();
    assert!(message.contains("weight_contrast: expected 0 to"), "{message}");
}

#[test]
fn a_resumed_training_gives_the_numbers_of_one_that_never_stopped() {
    let config = || TrainingConfig { weight_texture: 0.0, ..TrainingConfig::paper() };
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
fn what_is_trained_normalizes_by_statistics_that_training_left() {
    let mut training = training(alone(TrainingConfig::paper(), WEIGHTS[0].1));
    let before = training.weights();
    training.step(vec![batch()]).unwrap();
    let after = training.weights();
    for name in ["dec.up.0.norm.running_mean", "dec.up.2.norm.running_var"] {
        assert_ne!(before.tensors[name], after.tensors[name], "{name}");
    }
    let Trained::Enhancer(network) = training.trained() else { panic!("a network") };
    assert_eq!(network.n_parameters(), 5_426_739);
}

/// The same without every other term, from the first step on.
fn alone(config: TrainingConfig, weight: fn(&mut TrainingConfig) -> &mut f64) -> TrainingConfig {
    let mut config =
        TrainingConfig { optimizer: OptimizerConfig::default(), divergence_rise: 0.0, ..config };
    let kept = *weight(&mut config);
    WEIGHTS.iter().for_each(|(_, other)| *other(&mut config) = 0.0);
    *weight(&mut config) = kept;
    config
}

fn is_learned_decoder(name: &str) -> bool {
    name.starts_with("dec.") && !name.contains(".running_")
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
    let (depth, pooling) = (VggDepth::Sixteen, VggPooling::Max);
    let vgg = Vgg::read(&vgg_weights(), depth, pooling, &device.clone().inner()).unwrap();
    Training::new(config, Helpers { vgg: Some(vgg) }, N_STEPS, 7, device).unwrap()
}

pub(crate) fn batch() -> Batch {
    Batch { parts: [("paired".to_owned(), pair([2, 3, 32, 40]))].into_iter().collect() }
}

fn small_batch() -> Batch {
    Batch { parts: [("paired".to_owned(), pair([1, 3, 32, 32]))].into_iter().collect() }
}

fn pair(shape: [usize; 4]) -> Part {
    let device = Device::flex().autodiff();
    let image = |scale: f64| {
        let waves = grid(shape, |b, c, i, j| {
            0.5 + 0.4 * (0.3 * (i + 1.0) + 0.2 * (j + 1.0) + 0.5 * c + 0.9 * b).sin()
        });
        (waves * scale).to_device(&device)
    };
    Part::Pairs { low: image(0.2), reference: image(0.9) }
}

fn value_of(terms: &[TermValue], name: &str) -> f64 {
    terms.iter().find(|term| term.name == name).unwrap().value
}
