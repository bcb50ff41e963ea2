//! Operations on kernels against the engine's own, with their gradients, and against finite
//! differences.

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::ops::{self, Activation, ConvOptions, PaddingMode, Precision, composed};

/// Seeded values, tracked by the graph of gradients.
struct Numbers(ChaCha8Rng);

impl Numbers {
    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let n_values = shape.iter().product();
        let values: Vec<f32> = (0..n_values).map(|_| 2.0 * self.0.random::<f32>() - 1.0).collect();
        let device = Device::flex().autodiff();
        Tensor::<D>::from_data(TensorData::new(values, shape), &device).require_grad()
    }
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().into_data().try_into_vec().unwrap()
}

fn check_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-3f32, |scale, value| scale.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error <= tolerance * scale, "{what}: {found} for {expected}");
    }
}

/// The result of an operation and its gradients for all inputs, under a loss that weights every value
/// of the result differently.
fn with_gradients<const D: usize>(
    inputs: &[Tensor<4>],
    bias: &Tensor<1>,
    operation: impl Fn(&[Tensor<4>], Tensor<1>) -> Tensor<D>,
) -> Vec<Vec<f32>> {
    let output = operation(inputs, bias.clone());
    let shape = output.dims();
    let n_values: usize = shape.iter().product();
    let weights: Vec<f32> = (0..n_values).map(|idx| (idx as f32 * 0.7).sin()).collect();
    let weights = Tensor::<D>::from_data(TensorData::new(weights, shape), &output.device().inner());
    let gradients = (output.clone() * weights).sum().backward();
    let mut results = vec![values(&output)];
    results.extend(inputs.iter().map(|input| values(&input.grad(&gradients).unwrap())));
    results.extend(bias.grad(&gradients).map(|gradient| values(&gradient)));
    results
}

fn check_same<const D: usize>(
    inputs: &[Tensor<4>],
    bias: &Tensor<1>,
    tolerance: f32,
    what: &str,
    operation: impl Fn(&[Tensor<4>], Tensor<1>) -> Tensor<D>,
    reference: impl Fn(&[Tensor<4>], Tensor<1>) -> Tensor<D>,
) {
    let found = with_gradients(inputs, bias, operation);
    let expected = with_gradients(inputs, bias, reference);
    assert_eq!(found.len(), expected.len());
    for (idx, (found, expected)) in found.iter().zip(&expected).enumerate() {
        check_close(found, expected, tolerance, &format!("{what}, result {idx}"));
        assert!(found.iter().any(|value| *value != 0.0), "{what}, result {idx} is zero");
    }
}

fn options() -> Vec<(ConvOptions, [usize; 2])> {
    let same = ConvOptions::same;
    vec![
        (same(3), [3, 3]),
        (same(1), [1, 1]),
        (ConvOptions { stride: [2, 2], padding: [1, 1], ..same(3) }, [4, 4]),
        (ConvOptions { groups: 2, ..same(3) }, [3, 3]),
        (ConvOptions { dilation: [2, 2], padding: [2, 2], ..same(3) }, [3, 3]),
        (ConvOptions { padding_mode: PaddingMode::Reflect, ..same(3) }, [3, 3]),
    ]
}

#[test]
fn convolutions_and_gradients_equal_the_engines() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(21));
    for (options, kernel) in options() {
        for activation in [Activation::Identity, Activation::Relu, Activation::Gelu] {
            let inputs = [
                numbers.tensor([2, 6, 7, 9]),
                numbers.tensor([4, 6 / options.groups, kernel[0], kernel[1]]),
            ];
            let bias = numbers.tensor([4]);
            check_same(
                &inputs,
                &bias,
                // Sums of at most 96 products in another order; the engine's erf is its own.
                2e-5,
                &format!("{options:?} {activation:?}"),
                |inputs, bias| {
                    let [input, weight] = [&inputs[0], &inputs[1]].map(Clone::clone);
                    ops::conv2d(input, weight, Some(bias), &options, activation)
                },
                |inputs, bias| {
                    let [input, weight] = [&inputs[0], &inputs[1]].map(Clone::clone);
                    composed::conv2d(input, weight, Some(bias), &options, activation)
                },
            );
        }
    }
}

#[test]
fn two_sources_equal_their_concatenation() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(22));
    let inputs =
        [numbers.tensor([2, 3, 6, 5]), numbers.tensor([2, 5, 6, 5]), numbers.tensor([4, 8, 3, 3])];
    let bias = numbers.tensor([4]);
    let options = ConvOptions::same(3);
    for activation in [Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Silu] {
        check_same(
            &inputs,
            &bias,
            2e-5,
            &format!("{activation:?}"),
            |inputs, bias| {
                let [first, second, weight] = [0, 1, 2].map(|idx| inputs[idx].clone());
                ops::conv2d_of_two([first, second], weight, Some(bias), &options, activation)
            },
            |inputs, bias| {
                let [first, second, weight] = [0, 1, 2].map(|idx| inputs[idx].clone());
                let input = Tensor::cat(vec![first, second], 1);
                composed::conv2d(input, weight, Some(bias), &options, activation)
            },
        );
    }
}

#[test]
fn bf16_stays_close_and_ends_with_its_scope() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(23));
    let inputs = [numbers.tensor([1, 32, 9, 11]), numbers.tensor([16, 32, 3, 3])];
    let bias = numbers.tensor([16]);
    let options = ConvOptions::same(3);
    let run = |inputs: &[Tensor<4>], bias| {
        let [input, weight] = [&inputs[0], &inputs[1]].map(Clone::clone);
        ops::conv2d(input, weight, Some(bias), &options, Activation::Identity)
    };
    let exact = with_gradients(&inputs, &bias, run);
    // The backward pass runs outside of the scope and is in bf16 all the same.
    let rounded = with_gradients(&inputs, &bias, |inputs, bias| {
        ops::with_precision(Precision::Bf16, || run(inputs, bias))
    });
    for (rounded, exact) in rounded.iter().zip(&exact).take(3) {
        // Operands are off by 2^-9 at most, mostly in both directions.
        check_close(rounded, exact, 8e-3, "bf16");
        assert_ne!(rounded, exact, "bf16 acts");
    }
}

#[test]
fn linear_layers_equal_a_matrix_product() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(24));
    let input: Tensor<3> = numbers.tensor([2, 13, 6]);
    let weight: Tensor<2> = numbers.tensor([5, 6]);
    let bias: Tensor<1> = numbers.tensor([5]);
    let found = ops::linear(input.clone(), weight.clone(), Some(bias.clone()));
    let expected = input.clone().matmul(weight.clone().transpose().unsqueeze::<3>())
        + bias.clone().reshape([1, 1, 5]);
    check_close(&values(&found), &values(&expected), 1e-5, "output");
    let (found, expected) =
        (found.powi_scalar(2).sum().backward(), expected.powi_scalar(2).sum().backward());
    let gradient = |gradients: &_| values(&weight.grad(gradients).unwrap());
    check_close(&gradient(&found), &gradient(&expected), 1e-5, "weight");
    let gradient = |gradients: &_| values(&input.grad(gradients).unwrap());
    check_close(&gradient(&found), &gradient(&expected), 1e-5, "input");
}

#[test]
fn curves_and_gradients_equal_the_engines() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(25));
    for n_steps in [1, 8] {
        // Outside of 0..1 the steps run away.
        let image: Vec<f32> =
            values(&numbers.tensor([2, 3, 5, 7])).iter().map(|v| v.abs()).collect();
        let image = TensorData::new(image, [2, 3, 5, 7]);
        let image = Tensor::<4>::from_data(image, &Device::flex().autodiff()).require_grad();
        let inputs = [image, numbers.tensor([2, 3 * n_steps, 5, 7])];
        let unused = numbers.tensor([1]);
        check_same(
            &inputs,
            &unused,
            2e-5,
            &format!("{n_steps} steps"),
            |inputs, _| ops::apply_curves(inputs[0].clone(), inputs[1].clone()),
            |inputs, _| composed::apply_curves(inputs[0].clone(), inputs[1].clone()),
        );
    }
}

#[test]
fn every_activation_equals_the_engines() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(26));
    let unused = numbers.tensor([1]);
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Gelu,
    ] {
        check_same(
            &[numbers.tensor([1, 5, 3, 4])],
            &unused,
            2e-5,
            &format!("{activation:?}"),
            |inputs, _| ops::activate(inputs[0].clone(), activation),
            |inputs, _| composed::activate(inputs[0].clone(), activation),
        );
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let mut numbers = Numbers(ChaCha8Rng::seed_from_u64(27));
    let input: Tensor<4> = numbers.tensor([1, 2, 4, 5]);
    let weight: Tensor<4> = numbers.tensor([3, 2, 3, 3]);
    let bias: Tensor<1> = numbers.tensor([3]);
    let loss = |weight: Tensor<4>| {
        let options = ConvOptions::same(3);
        let hidden =
            ops::conv2d(input.clone(), weight, Some(bias.clone()), &options, Activation::Tanh);
        ops::apply_curves(hidden.clone(), hidden).powi_scalar(2).sum()
    };
    let gradients = loss(weight.clone()).backward();
    let gradient = values(&weight.grad(&gradients).unwrap());
    for idx in (0..54).step_by(7) {
        let moved = |by: f32| {
            let mut moved = values(&weight);
            moved[idx] += by;
            let data = TensorData::new(moved, [3, 2, 3, 3]);
            f64::from(loss(Tensor::from_data(data, &weight.device())).into_scalar::<f32>())
        };
        let step = 1e-2;
        let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        // The third derivative and the rounding of the loss, each about 1e-4 of it.
        let error = (f64::from(gradient[idx]) - expected).abs();
        assert!(error < 5e-3 * expected.abs().max(1.0), "{idx}: {} for {expected}", gradient[idx]);
    }
}

#[test]
fn memory_of_results_is_used_again_without_mixing_them_up() {
    let device = Device::flex();
    let image = |value: f32| Tensor::<4>::full([1, 4, 300, 300], value, &device);
    let weight = Tensor::<4>::ones([4, 4, 1, 1], &device);
    let options = ConvOptions::same(1);
    let run =
        |value| ops::conv2d(image(value), weight.clone(), None, &options, Activation::Identity);
    let first = run(1.0);
    for round in 0..4 {
        // Changed in place by the engine, then dropped.
        let other = run(2.0 + round as f32) * 3.0;
        assert_eq!(other.max().into_scalar::<f32>(), 12.0 * (2.0 + round as f32));
    }
    assert_eq!(first.clone().min().into_scalar::<f32>(), 4.0);
    assert_eq!(first.max().into_scalar::<f32>(), 4.0);
    let random = Tensor::<4>::random([1, 4, 300, 300], Distribution::Default, &device);
    assert_eq!(values(&random), values(&ops::activate(random.clone(), Activation::Relu)));
}
