//! CollaBA's generator against an independent transcription and the authors' own network, and what it is made of.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_methods::collaba::{
    CARD, NetworkConfig, Scale, Size, Upscaler,
    network::{CollaBa, Enhanced},
    weights,
};
use tapetum_nn::{Weights, prelude::*, weights::TensorValues};

use crate::{
    gradients,
    segmentation::picture,
    tagging::{assert_near, fill, filled_by, filled_with},
};

/// What `tools/golden/collaba.py` made and wrote.
const GOLDEN: &[u8] = include_bytes!("../data/collaba.safetensors");
const COMPACT_X2: &str = include_str!("../data/collaba_compact_x2_tensors.txt");
pub(crate) const CHIRP_AND_GAIN: [f64; 2] = [0.25, 1.5];
/// Peak and root mean square: some hundred layers of sums in `f32` against `f64`.
const BOUNDS: [f32; 2] = [2e-5, 4e-6];

#[test]
fn results_and_gradients_equal_the_independent_transcription() {
    let network = network("compact", COMPACT_X2, &Device::flex().autodiff());
    let image = picture([24, 32]).autodiff().require_grad();
    let Enhanced { image: result, illumination } = network.forward(image.clone());
    check("compact_x2.y", result.clone(), BOUNDS);
    check("compact_x2.attention", illumination, BOUNDS);
    let of_tensors = (result.clone() * result).mean().backward();
    check("compact_x2.gradient.image", image.grad(&of_tensors).unwrap(), [2e-4, 4e-5]);
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let other = CollaBa::random(NetworkConfig::default(), &mut random, &Device::flex());
    let names = gradients::names(&other, &weights::write(&other));
    let of_parameters = gradients::of(&network, &names, &of_tensors);
    let golden = golden();
    let prefix = "compact_x2.gradient.";
    let named = golden.tensors.keys().filter_map(|name| name.strip_prefix(prefix));
    let named: Vec<&str> = named.filter(|name| *name != "image").collect();
    assert_eq!(named.len(), 5);
    for name in named {
        let found = sampled(of_parameters[name].clone());
        let expected = &golden.tensors[&format!("{prefix}{name}")].values;
        assert_near(name, &found, expected, [2e-4, 5e-5]);
    }
}

#[test]
fn every_scale_size_and_upscaler_equals_the_independent_transcription() {
    for (name, kind, tensors, size) in [
        ("compact_x4", "compact", include_str!("../data/collaba_compact_x4_tensors.txt"), [16, 24]),
        ("compact_x1", "compact", include_str!("../data/collaba_compact_x1_tensors.txt"), [32, 48]),
        (
            "compact_x2_multi_substrate",
            "compact",
            include_str!("../data/collaba_compact_x2_multi_substrate_tensors.txt"),
            [24, 32],
        ),
        ("large_x4", "large", include_str!("../data/collaba_large_x4_tensors.txt"), [8, 16]),
        ("padded", "compact", COMPACT_X2, [21, 30]),
    ] {
        let network = network(kind, tensors, &Device::flex());
        let Enhanced { image, illumination } = network.forward(picture(size));
        let scale = network.config().scale.factor();
        assert_eq!(image.dims(), [1, 3, scale * size[0], scale * size[1]]);
        check(&format!("{name}.y"), image, BOUNDS);
        check(&format!("{name}.attention"), illumination, BOUNDS);
    }
}

/// What the authors' network gives for the fill and the image of the method's fact sheet: mean and deviation of the
/// result, and some of its pixels.
struct Released {
    scale: Scale,
    size: [usize; 2],
    n_parameters: usize,
    moments: [f32; 2],
    pixels: [([usize; 2], [f32; 3]); 3],
}

const RELEASED: [Released; 3] = [
    Released {
        scale: Scale::X4,
        size: [16, 24],
        n_parameters: 10_642_577,
        moments: [-0.016529, 0.057097],
        pixels: [
            ([0, 0], [-0.010122, 0.010068, -0.009355]),
            ([7, 9], [-0.085027, 0.061526, -0.033994]),
            ([63, 95], [-0.010312, 0.009105, -0.007302]),
        ],
    },
    Released {
        scale: Scale::X2,
        size: [16, 24],
        n_parameters: 10_651_217,
        moments: [-0.023948, 0.083072],
        pixels: [
            ([0, 0], [-0.011257, 0.010961, -0.009947]),
            ([7, 9], [-0.094739, 0.071051, -0.042710]),
            ([31, 47], [-0.008559, 0.007078, -0.005133]),
        ],
    },
    Released {
        scale: Scale::X1,
        size: [32, 16],
        n_parameters: 10_685_777,
        moments: [-0.025108, 0.084298],
        pixels: [
            ([0, 0], [-0.011589, 0.011004, -0.009699]),
            ([7, 9], [-0.120867, 0.101799, -0.076064]),
            ([31, 15], [-0.010944, 0.008758, -0.005999]),
        ],
    },
];

#[test]
fn the_large_network_gives_what_the_authors_own_gives() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for expected in RELEASED {
        let config =
            NetworkConfig { size: Size::Large, scale: expected.scale, ..NetworkConfig::default() };
        let shapes = weights::write(&CollaBa::random(config, &mut random, &Device::flex()));
        let network = weights::read(&filled_as_the_authors(&shapes), &Device::flex()).unwrap();
        assert_eq!(network.n_parameters(), expected.n_parameters);
        assert_eq!(network.card().n_parameters, expected.n_parameters);
        network.recompute_spectral_norm(200);
        let Enhanced { image, illumination } = network.forward(wave(expected.size));
        let values = TensorValues::of(image.clone()).values;
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let squares: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / values.len() as f32).sqrt();
        near([mean, deviation], expected.moments);
        for ([i, j], colours) in expected.pixels {
            let pixel = TensorValues::of(image.clone().narrow(2, i, 1).narrow(3, j, 1)).values;
            near([pixel[0], pixel[1], pixel[2]], colours);
        }
        if expected.scale == Scale::X4 {
            let value = |i: usize, j: usize| -> f32 {
                illumination.clone().narrow(2, i, 1).narrow(3, j, 1).into_scalar()
            };
            let found = [value(0, 0), value(7, 9), value(15, 15)];
            near(found, [0.475210, 0.477797, 0.460048]);
        }
    }
}

fn near<const N: usize>(found: [f32; N], expected: [f32; N]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 2e-5, "{found} for {expected}");
    }
}

/// `x_c(i, j) = 0.25 + 0.2 sin(0.3 (i + 1) + 0.2 (j + 1) + 0.5 c)`.
fn wave([height, width]: [usize; 2]) -> Tensor<4> {
    let value = |idx: usize| {
        let (c, i, j) = (idx / (height * width), idx / width % height, idx % width);
        let phase = 0.3 * (i + 1) as f64 + 0.2 * (j + 1) as f64 + 0.5 * c as f64;
        (0.25 + 0.2 * phase.sin()) as f32
    };
    let values: Vec<f32> = (0..3 * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), &Device::flex())
}

fn filled_as_the_authors(shapes: &Weights) -> Weights {
    let mut weights = Weights::default();
    for (name, tensor) in &shapes.tensors {
        let seed: f64 = name.bytes().map(f64::from).sum();
        let scale = match tensor.shape.len() {
            _ if name.ends_with("weight_u") => 0.0,
            1 => 0.05,
            _ => 1.0 / (tensor.shape[1..].iter().product::<usize>() as f64).sqrt(),
        };
        // The power iteration starts from ones.
        let start = if scale == 0.0 { 1.0 } else { 0.0 };
        let value =
            |idx: usize| (start + scale * (0.1 * (idx as f64 + 1.0) + 0.01 * seed).sin()) as f32;
        let values = (0..tensor.values.len()).map(value).collect();
        weights.insert(name.clone(), TensorValues { shape: tensor.shape.clone(), values });
    }
    weights
}

#[test]
fn the_compact_networks_have_as_many_parameters_as_their_cards_say() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for scale in [Scale::X1, Scale::X2, Scale::X4] {
        let config = NetworkConfig { scale, ..NetworkConfig::default() };
        let network = CollaBa::random(config, &mut random, &Device::flex());
        assert_eq!(network.n_parameters(), network.card().n_parameters, "{scale:?}");
        assert_eq!(network.card().name, CARD.name);
    }
}

#[test]
fn a_network_is_the_same_after_writing_and_reading_whatever_its_parts() {
    let merged = NetworkConfig { upscaler: Upscaler::MultiSubstrate, ..NetworkConfig::default() };
    let small = NetworkConfig { scale: Scale::X1, ..NetworkConfig::default() };
    for config in [merged, small] {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let network = CollaBa::random(config, &mut random, &Device::flex());
        let written = weights::write(&network);
        let again = weights::read(&written, &Device::flex()).unwrap();
        assert_eq!(again.config(), &config);
        assert_eq!(weights::write(&again), written);
        let [a, b] = [network, again].map(|n| TensorValues::of(n.forward(picture([16, 24])).image));
        assert_eq!(a, b);
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let refusal = |change: &dyn Fn(&mut Weights)| {
        let mut weights = filled_with(COMPACT_X2, CHIRP_AND_GAIN);
        change(&mut weights);
        weights::read(&weights, &Device::flex()).unwrap_err().to_string()
    };
    let error = refusal(&|weights| drop(weights.tensors.remove("body.2.conv.weight")));
    assert!(error.contains("missing: body.2.conv.weight"), "{error}");
    let error = refusal(&|weights| drop(weights.tensors.remove("conv_in.weight")));
    assert!(error.contains("expected a tensor conv_in.weight"), "{error}");
    let error = refusal(&|weights| {
        let values = TensorValues { shape: vec![40, 12, 3, 3], values: vec![0.0; 40 * 12 * 9] };
        weights.tensors.insert("conv_in.weight".to_owned(), values);
    });
    assert!(error.contains("80 or 32 features") && error.contains("got 40 of 12"), "{error}");
}

#[test]
fn images_of_any_size_from_one_pixel_give_as_many_times_as_large_a_result() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for scale in [Scale::X1, Scale::X2, Scale::X4] {
        let config = NetworkConfig { scale, ..NetworkConfig::default() };
        let network = CollaBa::random(config, &mut random, &Device::flex());
        let factor = scale.factor();
        assert_eq!(network.scale() as usize, factor);
        for size in [[1, 1], [1, 20], [17, 2], [15, 23]] {
            let result = network.enhance(picture(size));
            assert_eq!(result.dims(), [1, 3, factor * size[0], factor * size[1]]);
            let values = TensorValues::of(result).values;
            assert!(values.iter().all(|value| value.is_finite()), "{size:?}");
        }
    }
}

#[test]
fn images_of_a_batch_do_not_mix() {
    let network = network("compact", COMPACT_X2, &Device::flex());
    let image = picture([16, 24]);
    let other = image.clone() * 0.3 + 0.1;
    let both = network.enhance(Tensor::cat(vec![other, image.clone()], 0));
    let second = TensorValues::of(both.narrow(0, 1, 1)).values;
    assert_near("batch", &second, &TensorValues::of(network.enhance(image)).values, [1e-5, 1e-5]);
}

#[test]
fn a_part_is_enhanced_as_in_the_whole_with_its_statistics() {
    let network = network("compact", COMPACT_X2, &Device::flex());
    let image = picture([64, 96]);
    let whole = network.enhance(image.clone());
    let of_whole = network.with_statistics_of(image.clone());
    let same = of_whole.enhance(image.clone());
    assert_eq!(TensorValues::of(same), TensorValues::of(whole.clone()));
    let part = image.narrow(3, 0, 64);
    let far = |result: Tensor<4>| {
        let difference = result.narrow(3, 0, 48) - whole.clone().narrow(3, 0, 48);
        difference.abs().mean().into_scalar::<f32>()
    };
    let (own, given) = (far(network.enhance(part.clone())), far(of_whole.enhance(part)));
    assert!(given < 0.7 * own, "{given} with the statistics of the whole, {own} without");
}

/// A network before training.
pub(crate) fn random() -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    weights::write(&CollaBa::random(NetworkConfig::default(), &mut random, &Device::flex()))
}

/// The network of a fill, with its singular vectors.
fn network(kind: &str, tensors: &str, device: &Device) -> CollaBa {
    weights::read(&filled(kind, tensors), device).unwrap()
}

fn filled(kind: &str, tensors: &str) -> Weights {
    let mut weights = filled_by(tensors, |name, shape, idx| {
        emphasis(name) * fill(name, shape, idx, CHIRP_AND_GAIN)
    });
    let golden = golden();
    let prefix = format!("{kind}.");
    for (name, values) in &golden.tensors {
        if let Some(name) = name.strip_prefix(&prefix).filter(|name| name.contains(".weight_")) {
            weights.tensors.insert(name.to_owned(), values.clone());
        }
    }
    weights
}

/// As in `tools/golden/collaba.py`.
pub(crate) fn emphasis(name: &str) -> f64 {
    if name.contains(".fcs.") || name == "atten_network.conv9.weight" {
        return 8.0;
    }
    let ends = [".conv.weight", ".conv_out.weight"];
    let is_end = name.starts_with("body.") && ends.iter().any(|end| name.ends_with(end));
    if is_end { 0.25 } else { 1.0 }
}

fn golden() -> Weights {
    Weights::from_bytes(GOLDEN).unwrap()
}

fn sampled(values: Vec<f32>) -> Vec<f32> {
    let step = match values.len() {
        ..1000 => 1,
        1000..20_000 => 7,
        _ => 77,
    };
    values.into_iter().step_by(step).collect()
}

fn check(name: &str, found: Tensor<4>, bounds: [f32; 2]) {
    let found = sampled(TensorValues::of(found).values);
    assert_near(name, &found, &golden().tensors[name].values, bounds);
}
