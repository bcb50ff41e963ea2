//! CollaBA's checkpoints whose singular vectors are not those of the weights, and what tells them.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_methods::collaba::{
    NetworkConfig,
    illumination_report::{IlluminationReport, Verdict, recomputed},
    network::CollaBa,
    weights,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::segmentation::picture;

const MAP: &str = "atten_network";
/// How steep the sigmoid is where the darkness is a half.
const GAIN: f32 = 4.0;

/// A network whose map is known: the first of its features is darkness, which the last layers hand on.
/// Its singular vectors are those of its weights.
fn live() -> Weights {
    let mut weights = ema();
    let mut change = |name: &str, change: &dyn Fn(&mut [f32])| {
        change(&mut weights.tensors.get_mut(&format!("{MAP}.{name}")).unwrap().values);
    };
    // `1 - mean (x)`: the middles of three windows of nine.
    change("conv0.weight", &|values| {
        values[..27].fill(0.0);
        [4, 13, 22].into_iter().for_each(|idx| values[idx] = -1.0 / 3.0);
    });
    change("conv0.bias", &|values| values[0] = 1.0);
    change("conv6.weight_orig", &|values| {
        let n_first = values.len() / 16;
        values[..n_first].fill(0.0);
    });
    for name in ["conv7.weight_orig", "conv8.weight_orig"] {
        change(name, &|values| {
            values.fill(0.0);
            (0..16).for_each(|idx| values[(idx * 16 + idx) * 9 + 4] = 1.0);
        });
    }
    change("conv9.weight", &|values| {
        values.fill(0.0);
        values[4] = GAIN;
    });
    change("conv9.bias", &|values| values[0] = -GAIN / 2.0);
    recomputed(&weights, &Device::flex()).unwrap()
}

/// At the start of a training: all parameters and vectors at random.
fn ema() -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    weights::write(&CollaBa::random(NetworkConfig::default(), &mut random, &Device::flex()))
}

/// The average of a training as the authors keep it: of the parameters, beside the vectors of the start.
fn averaged_as_released(live: &Weights) -> Weights {
    let mut copy = live.clone();
    for (name, values) in ema().tensors {
        if name.ends_with("weight_u") || name.ends_with("weight_v") {
            copy.tensors.insert(name, values);
        }
    }
    copy
}

fn map(weights: &Weights) -> Vec<f32> {
    let network = weights::read(weights, &Device::flex()).unwrap();
    TensorValues::of(network.forward(picture([24, 32])).illumination).values
}

fn report(weights: &Weights) -> IlluminationReport {
    IlluminationReport::of(weights, &Device::flex()).unwrap()
}

#[test]
fn vectors_of_the_start_saturate_the_map_and_recomputed_ones_give_that_of_the_live_network() {
    let live = live();
    let released = averaged_as_released(&live);
    let report = report(&released);
    assert!(report.stored.saturated_share > 0.9, "{report:?}");
    assert!(report.recomputed.saturated_share == 0.0, "{report:?}");
    assert!(report.recomputed.with_darkness > 0.95, "{report:?}");
    assert_eq!(report.verdict(), Verdict::Recompute);
    let peak = |weights: &Weights| {
        let differences = map(weights).into_iter().zip(map(&live)).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    assert!(peak(&released) > 0.4, "{}", peak(&released));
    let mended = recomputed(&released, &Device::flex()).unwrap();
    assert!(peak(&mended) < 1e-4, "{}", peak(&mended));
}

#[test]
fn the_numbers_of_a_known_map_are_those_of_its_formula() {
    let report = report(&live());
    assert_eq!(report.layers.len(), 8);
    for layer in &report.layers {
        assert!((layer.stored / layer.largest - 1.0).abs() < 1e-3, "{layer:?}");
    }
    for idx in [6, 7] {
        assert!((report.layers[idx].largest - 1.0).abs() < 1e-5, "{report:?}");
    }
    assert_eq!(report.verdict(), Verdict::Same);
    let sigmoid = |value: f64| 1.0 / (1.0 + (-value).exp());
    let gain = f64::from(GAIN);
    // White has all of its red, nine tenths of its green and three quarters of its blue.
    let white = (1.0 + 0.9 + 0.75) / 3.0;
    let map = report.stored;
    assert!((map.largest - sigmoid(gain / 2.0)).abs() < 1e-5, "{map:?}");
    assert!((map.smallest - sigmoid(gain * (0.5 - white))).abs() < 1e-5, "{map:?}");
    assert!(map.mean > map.smallest && map.mean < map.largest, "{map:?}");
    assert!(map.deviation > 0.1 && map.deviation < 0.5, "{map:?}");
}

#[test]
fn a_map_that_follows_light_is_told_apart() {
    let mut weights = live();
    for name in ["weight", "bias"] {
        let tensor = weights.tensors.get_mut(&format!("{MAP}.conv9.{name}")).unwrap();
        tensor.values.iter_mut().for_each(|value| *value = -*value);
    }
    let released = averaged_as_released(&weights);
    let report = report(&released);
    assert!(report.recomputed.with_darkness < -0.95, "{report:?}");
    assert!(!report.recomputed.is_sane() && !report.stored.is_sane(), "{report:?}");
    assert_eq!(report.verdict(), Verdict::Neither);
}

#[test]
fn vectors_that_follow_the_weights_from_afar_are_kept() {
    let mut weights = live();
    // The weight has grown since.
    let name = format!("{MAP}.conv1.weight_orig");
    weights.tensors.get_mut(&name).unwrap().values[7] += 1.2;
    let report = report(&weights);
    assert!(report.layers[0].stored < 0.9 * report.layers[0].largest, "{report:?}");
    assert_eq!(report.verdict(), Verdict::Stored);
}

#[test]
fn recomputing_changes_the_vectors_alone() {
    let mut released = averaged_as_released(&live());
    released.header.insert("licence".to_owned(), "CC0".to_owned());
    let mended = recomputed(&released, &Device::flex()).unwrap();
    assert_eq!(mended.header, released.header);
    for (name, values) in &released.tensors {
        let is_vector = name.ends_with("weight_u") || name.ends_with("weight_v");
        assert_eq!(mended.tensors[name] != *values, is_vector, "{name}");
    }
    assert!(recomputed(&Weights::default(), &Device::flex()).is_err());
    assert!(IlluminationReport::of(&Weights::default(), &Device::flex()).is_err());
}
