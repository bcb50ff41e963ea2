//! Layers that are built by name.

use burn::optim::GradientsParams;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    Weights,
    layers::{
        BatchNorm, Builder, Convolution, DepthwiseConvolution, Initial, Linear, from_random,
        from_reader, named,
    },
    ops::{Activation, ConvOptions, PaddingMode},
    prelude::*,
    weights::{TensorValues, WeightReader},
};

/// A convolution and its normalisation, and their names.
#[derive(Module, Debug)]
struct Normalized {
    convolution: Convolution,
    norm: BatchNorm,
}

const NAMES: [&str; 6] = [
    "conv.weight",
    "conv.bias",
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
];

fn build(builder: &mut Builder) -> Normalized {
    let initial = [Initial::Normal(0.3), Initial::Uniform(0.5)];
    let options = ConvOptions::same(3);
    Normalized {
        convolution: Convolution::build(builder, "conv", [5, 3, 3, 3], options, initial),
        norm: BatchNorm::build(builder, "norm", 5, 1e-5),
    }
}

fn random(seed: u64, device: &Device) -> (Normalized, Vec<String>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let source = &mut from_random(&mut random);
    let builder = &mut Builder::new(source, device);
    let module = build(builder);
    (module, builder.take_names())
}

fn image(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..2 * 3 * 9 * 11).map(|idx| (idx as f32 * 0.7).sin() + 0.4).collect();
    Tensor::from_data(TensorData::new(values, [2, 3, 9, 11]), device)
}

#[test]
fn tensors_have_the_names_they_were_built_with_and_are_read_by_them() {
    let (module, names) = random(1, &Device::flex());
    assert_eq!(names, NAMES);
    let weights = named(&module, &names);
    assert_eq!(weights.tensors["norm.running_var"].values, [1.0; 5]);
    assert_eq!(weights.tensors["conv.weight"].shape, [5, 3, 3, 3]);
    let mut reader = WeightReader::new(&weights);
    let again = {
        let source = &mut from_reader(&mut reader);
        build(&mut Builder::new(source, &Device::flex()))
    };
    reader.finish("test").unwrap();
    assert_eq!(named(&again, &names), weights);
    assert_ne!(named(&random(2, &Device::flex()).0, &names), weights);
}

#[test]
fn a_batch_seen_often_is_normalized_in_inference_as_in_training() {
    let device = Device::flex().autodiff();
    let (module, names) = random(3, &device);
    let statistics = |module: &Normalized| -> Weights { named(module, &names) };
    let before = statistics(&module);
    let mut trained = None;
    for _ in 0..150 {
        trained = Some(module.norm.rectified_training(&module.convolution, image(&device)));
    }
    let after = statistics(&module);
    assert_ne!(before.tensors["norm.running_mean"], after.tensors["norm.running_mean"]);
    assert_eq!(before.tensors["norm.weight"], after.tensors["norm.weight"]);
    let inferred = module.valid();
    let found = inferred.norm.rectified(&inferred.convolution, image(&Device::flex()));
    let [found, expected] = [found, trained.unwrap().inner()].map(TensorValues::of);
    assert!(expected.values.iter().any(|value| *value > 0.5));
    for (found, expected) in found.values.iter().zip(&expected.values) {
        // The variance that is kept is a sample's: 198 values, less one.
        assert!((found - expected).abs() < 1e-2, "{found} for {expected}");
    }
}

#[test]
fn gradients_reach_what_is_learned_and_not_the_statistics() {
    let device = Device::flex().autodiff();
    let (module, _) = random(4, &device);
    let output = module.norm.rectified_training(&module.convolution, image(&device));
    let loss = (output.clone() * output).mean();
    let found = GradientsParams::from_module(&mut loss.backward(), &module);
    // Weight and bias of both; the bias before a normalisation changes nothing and has a gradient of about 0.
    assert_eq!(found.len(), 4);
    assert_eq!(module.norm.n_statistics(), 10);
}

#[test]
fn two_images_are_filtered_as_their_concatenation() {
    let device = Device::flex();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let source = &mut from_random(&mut random);
    let builder = &mut Builder::new(source, &device);
    let initial = [Initial::Uniform(1.0); 2];
    let layer = DepthwiseConvolution::build(builder, "filter", [6, 3, 2], initial);
    let both = Tensor::cat(vec![image(&device), image(&device) * -0.5], 1);
    let expected = layer.forward(both, PaddingMode::Zeros, Activation::Identity);
    let parts = layer.forward_of_two([image(&device), image(&device) * -0.5]);
    let found = Tensor::cat(parts.to_vec(), 1);
    let distance = (found - expected).abs().max().into_scalar::<f32>();
    assert!(distance < 1e-6, "{distance}");
}

#[test]
fn linear_layers_mix_the_channels_of_each_pixel() {
    let device = Device::flex();
    let source = &mut |name: &str, _: &[usize], _: Initial| match name {
        "mix.weight" => vec![1.0, 2.0, 3.0, 0.0, -1.0, 0.5],
        _ => vec![10.0, 20.0],
    };
    let builder = &mut Builder::new(source, &device);
    let layer = Linear::build(builder, "mix", [2, 3], [Initial::Constant(0.0); 2]);
    let pixels = Tensor::<4>::from_data(
        TensorData::new(vec![1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0], [1, 3, 1, 2]),
        &device,
    );
    let result = TensorValues::of(layer.forward(pixels, Activation::Identity));
    assert_eq!(result.values, [24.0, 42.0, 19.5, 18.0]);
}

#[test]
fn truncated_normal_values_stay_within_two_deviations() {
    let device = Device::flex();
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let source = &mut from_random(&mut random);
    let builder = &mut Builder::new(source, &device);
    let values = builder.parameter("table".to_owned(), [5000], Initial::TruncatedNormal(0.02));
    let values = TensorValues::of(values.val()).values;
    let deviation = (values.iter().map(|value| value * value).sum::<f32>() / 5000.0).sqrt();
    assert!(values.iter().all(|value| value.abs() <= 0.04));
    // That of a normal distribution cut at two deviations.
    assert!((deviation / 0.02 - 0.88).abs() < 0.02, "{deviation}");
}
