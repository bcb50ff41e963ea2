//! The network of Semi-LLIE against values of the authors' code.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_methods::semi_llie::{
    network::{MambaLowlight, Variant},
    weights,
};
use tapetum_nn::{
    Weights,
    prelude::{Device, Network, Tensor, TensorData},
    weights::TensorValues,
};

/// Peak error of the published values, which were computed in `f32`.
const TOLERANCE: f32 = 1e-3;

/// A network to start from; its values are replaced.
fn initial(variant: Variant) -> MambaLowlight {
    MambaLowlight::random(variant, &mut ChaCha8Rng::seed_from_u64(1), &Device::flex())
}

/// Weights that training starts from.
pub(crate) fn random() -> Weights {
    weights::write(&initial(Variant::Plain))
}

/// The network with a value for every parameter that follows from its name and place.
fn filled(variant: Variant) -> Weights {
    let mut weights = weights::write(&initial(variant));
    for (name, tensor) in &mut weights.tensors {
        fill(name, tensor);
    }
    weights
}

fn fill(name: &str, TensorValues { shape, values }: &mut TensorValues) {
    let sum: u32 = name.bytes().map(u32::from).sum();
    let is_scan = name.ends_with("x_proj_weight") || name.ends_with("dt_projs_weight");
    let fan: usize = match shape[..] {
        [.., last] if is_scan => last,
        _ => shape[1..].iter().product(),
    };
    for (idx, value) in values.iter_mut().enumerate() {
        let s = (0.1 * (idx as f64 + 1.0) + 0.01 * f64::from(sum)).sin();
        let is_scale = name.contains("skip_scale") || name.ends_with("weight");
        let filled = match (name, shape.len()) {
            (name, _) if name.ends_with("A_logs") || name.ends_with("Ds") => f64::from(*value),
            (name, _) if name.ends_with("dt_projs_bias") => -4.0 + 0.1 * s,
            (_, 1) if is_scale => 1.0 + 0.1 * s,
            (_, 1) => 0.05 * s,
            _ => s / (fan as f64).sqrt(),
        };
        *value = filled as f32;
    }
}

/// `0.25 + 0.2 sin(0.3 (i + 1) + 0.2 (j + 1) + 0.5 c)`.
fn input(height: usize, width: usize) -> Tensor<4> {
    let value = |c: usize, i: usize, j: usize| {
        let angle = 0.3 * (i + 1) as f64 + 0.2 * (j + 1) as f64 + 0.5 * c as f64;
        (0.25 + 0.2 * angle.sin()) as f32
    };
    let rows = (0..3).flat_map(|c| (0..height).map(move |i| (c, i)));
    let values = rows.flat_map(|(c, i)| (0..width).map(move |j| value(c, i, j))).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), &Device::flex())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn pixel(values: &[f32], width: usize, [i, j]: [usize; 2]) -> [f32; 3] {
    let n_pixels = values.len() / 3;
    [0, 1, 2].map(|c| values[c * n_pixels + i * width + j])
}

fn check_close(found: &[f32], expected: &[f32], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < TOLERANCE, "{what}: {found} for {expected}");
    }
}

#[test]
fn the_network_gives_the_authors_values() {
    let network = weights::read(&filled(Variant::Plain), &Device::flex()).unwrap();
    let found = values(network.forward(input(12, 10)));
    for (at, expected) in [
        ([0, 0], [1.446_463, 1.850_78, 0.817_749]),
        ([5, 4], [-0.458_742, -3.416_787, -2.659_189]),
        ([11, 9], [-0.589_882, -1.004_711, -0.136_994]),
    ] {
        check_close(&pixel(&found, 10, at), &expected, &format!("{at:?}"));
    }
    let mean = found.iter().sum::<f32>() / found.len() as f32;
    let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / found.len() as f32;
    let smallest = found.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = found.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let moments = [mean, variance.sqrt(), smallest, largest];
    check_close(&moments, &[-0.587_468, 1.464_928, -3.489_199, 3.655_08], "moments");
}

#[test]
fn the_guided_network_gives_the_authors_values() {
    let network = weights::read(&filled(Variant::Guided), &Device::flex()).unwrap();
    let found = values(network.forward(input(12, 10)));
    for (at, expected) in
        [([0, 0], [1.449_261, 1.844_463, 0.808_68]), ([5, 4], [-0.449_062, -3.428_579, -2.680_582])]
    {
        check_close(&pixel(&found, 10, at), &expected, &format!("{at:?}"));
    }
    let mean = found.iter().sum::<f32>() / found.len() as f32;
    check_close(&[mean], &[-0.584_665], "mean");
}

#[test]
fn both_networks_have_as_many_parameters_as_published() {
    assert_eq!(initial(Variant::Plain).n_parameters(), 610_530);
    assert_eq!(initial(Variant::Guided).n_parameters(), 802_530);
}

#[test]
fn checkpoints_are_read_with_and_without_their_prefix_and_constants() {
    let plain = filled(Variant::Plain);
    let mut prefixed = Weights::default();
    for (name, values) in &plain.tensors {
        prefixed.insert(format!("module.{name}"), values.clone());
    }
    for name in ["get_gradient.weight_h", "get_gradient.weight_v"] {
        let values = TensorValues { shape: vec![1, 1, 3, 3], values: vec![0.0; 9] };
        prefixed.insert(format!("module.{name}"), values);
    }
    let network = weights::read(&prefixed, &Device::flex()).unwrap();
    assert_eq!(weights::write(&network).tensors, plain.tensors);
}

#[test]
fn a_checkpoint_with_a_tensor_too_many_or_too_few_is_refused() {
    let check = |change: fn(&mut Weights), expected: &str| {
        let mut weights = filled(Variant::Plain);
        change(&mut weights);
        let error = weights::read(&weights, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(|weights| drop(weights.tensors.remove("conv_last.bias")), "missing: conv_last.bias");
    let values = TensorValues { shape: vec![1], values: vec![0.0] };
    let mut weights = filled(Variant::Plain);
    weights.insert("conv_first.scale".to_owned(), values);
    let error = weights::read(&weights, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("unexpected: conv_first.scale"), "{error}");
}

#[test]
fn any_size_is_enhanced() {
    let plain = initial(Variant::Plain);
    let guided = initial(Variant::Guided);
    for (height, width) in [(1, 1), (1, 5), (3, 1), (2, 2), (7, 9)] {
        for network in [&plain, &guided] {
            let output = network.enhance(input(height, width));
            assert_eq!(output.dims(), [1, 3, height, width]);
            let inside = values(output).iter().all(|value| (0.0..=1.0).contains(value));
            assert!(inside, "{height}x{width}");
        }
    }
}

#[test]
fn training_starts_from_the_authors_distributions() {
    let weights = random();
    let of = |name: &str| {
        let block = "layers.1.residual_group.blocks.0.";
        let tensors = &weights.tensors;
        let found = tensors.get(name).or_else(|| tensors.get(&format!("{block}{name}")));
        found.unwrap_or_else(|| panic!("{name}")).values.clone()
    };
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    // Uniform up to a bound, and near it.
    for (name, fan_in) in [
        ("self_attention.x_proj_weight", 128.0),
        ("self_attention.dt_projs_weight", 4.0),
        ("self_attention.conv2d_55.weight", 25.0),
        ("self_attention.point_wise_conv.bias", 256.0),
        ("conv_blk.cab.0.weight", 576.0),
        ("conv_first.weight", 54.0),
        ("estimator.depth_conv.weight", 400.0_f32),
    ] {
        let (found, bound) = (largest(&of(name)), 1.0 / fan_in.sqrt());
        assert!(found <= bound && found > 0.9 * bound, "{name}: {found} of {bound}");
    }
    for name in ["self_attention.in_proj.weight", "self_attention.out_proj.weight"] {
        let values = of(name);
        let squares: f32 = values.iter().map(|v| v * v).sum();
        let deviation = (squares / values.len() as f32).sqrt();
        assert!((deviation - 0.02).abs() < 1e-3, "{name}: {deviation}");
    }
    let steps: Vec<f32> =
        of("self_attention.dt_projs_bias").iter().map(|bias| bias.exp().ln_1p()).collect();
    assert!(steps.iter().all(|step| (0.99e-3..0.101).contains(step)), "{steps:?}");
    // Half of them below the geometric mean.
    let n_small = steps.iter().filter(|step| **step < 0.01).count();
    assert!(n_small.abs_diff(256) < 50, "{n_small}");
    let decays = of("self_attention.A_logs");
    assert!(decays.iter().enumerate().all(|(idx, v)| *v == ((idx % 16 + 1) as f32).ln()));
    for (name, value) in [("self_attention.Ds", 1.0), ("skip_scale", 1.0), ("ln_1.bias", 0.0)] {
        assert!(of(name).iter().all(|v| *v == value), "{name}");
    }
}
