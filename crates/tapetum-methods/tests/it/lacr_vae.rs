//! LACR-VAE's network against an independent transcription, and what it is made of.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_methods::lacr_vae::{
    network::{LacrVae, Posterior},
    training::{Latent, MultiScale, NetworkConfig, Positions, Region},
    weights,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::{
    segmentation::picture,
    tagging::{assert_near, filled_with, weighted},
};

/// What `tools/golden/lacr_vae.py` made and wrote.
const GOLDEN: &[u8] = include_bytes!("../data/lacr_vae.safetensors");
const TENSORS: &str = include_str!("../data/lacr_vae_tensors.txt");
const CHIRP_AND_GAIN: [f64; 2] = [0.25, 1.5];
/// Peak and root mean square: some eighty layers of sums in `f32` against `f64`.
const BOUNDS: [f32; 2] = [2e-5, 4e-6];

#[test]
fn results_and_the_gradient_equal_the_independent_transcription() {
    let network = network(TENSORS, Positions::Fixed, &Device::flex().autodiff());
    let image = picture([40, 56]).autodiff().require_grad();
    let result = network.forward(image.clone());
    let Posterior { mean, log_variance } = network.posterior(image.clone());
    let log_variance = log_variance.unwrap();
    check("result", result.clone(), BOUNDS);
    check("mu", mean.clone(), BOUNDS);
    check("logvar", log_variance.clone(), BOUNDS);
    let sum = weighted(result) + weighted(mean) + weighted(log_variance);
    let gradient = image.grad(&sum.backward()).unwrap();
    check("gradient", gradient, [2e-4, 4e-5]);
}

#[test]
fn other_sizes_and_interpolated_positions_equal_the_independent_transcription() {
    for (name, positions, size) in [
        ("interpolated", Positions::Interpolated, [40, 56]),
        ("padded", Positions::Fixed, [45, 52]),
        ("padded_interpolated", Positions::Interpolated, [45, 52]),
        ("small", Positions::Fixed, [9, 20]),
    ] {
        let network = network(TENSORS, positions, &Device::flex());
        check(name, network.forward(picture(size)), BOUNDS);
    }
}

#[test]
fn every_switch_equals_the_independent_transcription() {
    for (name, tensors) in [
        ("calibrate", include_str!("../data/lacr_vae_calibrate_tensors.txt")),
        ("plain_rcam", include_str!("../data/lacr_vae_plain_rcam_tensors.txt")),
        ("plain_amsm", include_str!("../data/lacr_vae_plain_amsm_tensors.txt")),
        ("deterministic", include_str!("../data/lacr_vae_deterministic_tensors.txt")),
    ] {
        let network = network(tensors, Positions::Fixed, &Device::flex());
        check(name, network.forward(picture([40, 56])), BOUNDS);
    }
}

#[test]
fn the_default_has_the_number_of_parameters_of_the_sheet() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let network = LacrVae::random(NetworkConfig::default(), &mut random, &Device::flex());
    assert_eq!(network.n_parameters(), 5_426_739);
    assert_eq!(network.card().n_parameters, 5_426_739);
}

#[test]
fn a_network_is_the_same_after_writing_and_reading_whatever_its_parts() {
    let plain = NetworkConfig {
        region: Region::Convolution,
        multi_scale: MultiScale::Convolution,
        latent: Latent::Deterministic,
        ..NetworkConfig::default()
    };
    let other = NetworkConfig {
        calibrate: true,
        positions: Positions::Interpolated,
        ..NetworkConfig::default()
    };
    for config in [NetworkConfig::default(), plain, other] {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let network = LacrVae::random(config, &mut random, &Device::flex());
        let written = weights::write(&network);
        let again = weights::read(&written, &Device::flex()).unwrap();
        assert_eq!(again.config(), &config);
        assert_eq!(weights::write(&again), written);
        let image = picture([32, 40]);
        let [a, b] = [network, again].map(|n| TensorValues::of(n.forward(image.clone())));
        assert_eq!(a, b);
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let refusal = |change: &dyn Fn(&mut Weights)| {
        let mut weights = filled_with(TENSORS, CHIRP_AND_GAIN);
        change(&mut weights);
        weights::read(&weights, &Device::flex()).unwrap_err().to_string()
    };
    let error = refusal(&|weights| drop(weights.tensors.remove("enc.2.rcam.fuse.bias")));
    assert!(error.contains("missing: enc.2.rcam.fuse.bias"), "{error}");
    let error = refusal(&|weights| {
        weights.header.insert("positions".to_owned(), "sideways".to_owned());
    });
    assert!(error.contains("fixed or interpolated, got 'sideways'"), "{error}");
}

#[test]
fn images_of_any_size_from_one_pixel_give_as_large_a_result() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for positions in [Positions::Fixed, Positions::Interpolated] {
        let config = NetworkConfig { positions, ..NetworkConfig::default() };
        let network = LacrVae::random(config, &mut random, &Device::flex());
        for size in [[1, 1], [1, 50], [33, 2], [31, 47], [64, 32]] {
            let result = network.enhance(picture(size));
            assert_eq!(result.dims(), [1, 3, size[0], size[1]]);
            let values = TensorValues::of(result).values;
            assert!(values.iter().all(|value| value.is_finite()), "{size:?}");
        }
    }
}

#[test]
fn images_of_a_batch_do_not_mix_in_inference() {
    let network = network(TENSORS, Positions::Fixed, &Device::flex());
    let image = picture([32, 48]);
    let other = image.clone() * 0.3 + 0.1;
    let both = network.forward(Tensor::cat(vec![other, image.clone()], 0));
    let second = TensorValues::of(both.narrow(0, 1, 1)).values;
    assert_near("batch", &second, &TensorValues::of(network.forward(image)).values, [1e-6, 1e-6]);
}

#[test]
fn every_skip_reaches_the_decoder() {
    // Without what comes from a skip, the result is another.
    let whole = filled_with(TENSORS, CHIRP_AND_GAIN);
    let result = |weights: &Weights| {
        let network = weights::read(weights, &Device::flex()).unwrap();
        TensorValues::of(network.forward(picture([32, 32]))).values
    };
    let expected = result(&whole);
    for (layer, n_up) in [(1, 128), (2, 64), (3, 32)] {
        let mut cut = whole.clone();
        let weight = cut.tensors.get_mut(&format!("dec.dw.{layer}.pointwise.weight")).unwrap();
        let n_in = weight.shape[1];
        assert_eq!(n_in, 2 * n_up);
        for row in weight.values.chunks_exact_mut(n_in) {
            row[n_up..].fill(0.0);
        }
        let found = result(&cut);
        let largest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest > 1e-3, "layer {layer}: {largest}");
    }
}

#[test]
fn draws_differ_by_seed_and_repeat_and_scatter_around_nothing_without_variance() {
    let device = Device::flex();
    let network = network(TENSORS, Positions::Fixed, &device);
    let drawn = |network: &LacrVae, seed| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        TensorValues::of(network.forward_drawn(picture([32, 40]), &mut random))
    };
    assert_eq!(drawn(&network, 1), drawn(&network, 1));
    assert_ne!(drawn(&network, 1), drawn(&network, 2));
    let mean = TensorValues::of(network.forward(picture([32, 40])));
    assert_ne!(drawn(&network, 1), mean);
    let tensors = include_str!("../data/lacr_vae_deterministic_tensors.txt");
    let weights = filled_with(tensors, CHIRP_AND_GAIN);
    let certain = weights::read(&weights, &device).unwrap();
    assert_eq!(drawn(&certain, 1), TensorValues::of(certain.forward(picture([32, 40]))));
}

/// A network before training.
pub(crate) fn random() -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    weights::write(&LacrVae::random(NetworkConfig::default(), &mut random, &Device::flex()))
}

fn network(tensors: &str, positions: Positions, device: &Device) -> LacrVae {
    let mut weights = filled_with(tensors, CHIRP_AND_GAIN);
    let name = match positions {
        Positions::Fixed => "fixed",
        Positions::Interpolated => "interpolated",
    };
    weights.header.insert("positions".to_owned(), name.to_owned());
    weights::read(&weights, device).unwrap()
}

fn check(name: &str, found: Tensor<4>, bounds: [f32; 2]) {
    let golden = Weights::from_bytes(GOLDEN).unwrap();
    let found = TensorValues::of(found).values;
    let step = if found.len() < 1000 { 1 } else { 7 };
    let found: Vec<f32> = found.into_iter().step_by(step).collect();
    assert_near(name, &found, &golden.tensors[name].values, bounds);
}
