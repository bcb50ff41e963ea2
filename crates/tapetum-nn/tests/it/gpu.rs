//! Every operation on graphics cards beside the CPU: results and all gradients. Cards are those that this
//! build has a way to and this machine has; without one, each test says so and has nothing to do.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tapetum_nn::{
    device::{attempt, cards_under_test},
    ops::{
        self, Activation, BatchNormOptions, ConvOptions, Interpolation, PaddingMode, PoolOptions,
        Precision, ScanDirection, ScanInputs, with_precision,
    },
};

/// Seeded inputs of these shapes, each of one dimension so that they can stand in one list.
struct Case {
    shapes: Vec<Vec<usize>>,
    values: Vec<Vec<f32>>,
}

impl Case {
    fn new(seed: u64, shapes: &[&[usize]]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |shape: &[usize]| {
            let n_values = shape.iter().product();
            (0..n_values).map(|_| 2.0 * random.random::<f32>() - 1.0).collect::<Vec<f32>>()
        };
        let values = shapes.iter().map(|shape| values(shape)).collect();
        Self { shapes: shapes.iter().map(|shape| shape.to_vec()).collect(), values }
    }

    /// Result and gradients of the inputs, for a loss that weights every value differently.
    fn run<const D: usize>(
        &self,
        device: &Device,
        operation: impl Fn(&Inputs) -> Tensor<D>,
    ) -> Vec<Vec<f32>> {
        let device = device.clone().autodiff();
        let leaf = |values: &Vec<f32>| {
            let data = TensorData::new(values.clone(), [values.len()]);
            Tensor::<1>::from_data(data, &device).require_grad()
        };
        let leaves: Vec<Tensor<1>> = self.values.iter().map(leaf).collect();
        let output = operation(&Inputs { leaves: &leaves, shapes: &self.shapes });
        let n_values = output.dims().iter().product();
        let weights: Vec<f32> = (0..n_values).map(|idx| (idx as f32 * 0.7 + 0.3).sin()).collect();
        let weights = TensorData::new(weights, output.dims());
        let weights = Tensor::<D>::from_data(weights, &device.clone().inner());
        let gradients = (output.clone() * Tensor::from_inner(weights)).sum().backward();
        let gradients = leaves.iter().map(|leaf| values(leaf.grad(&gradients).unwrap()));
        std::iter::once(values(output)).chain(gradients).collect()
    }
}

struct Inputs<'a> {
    leaves: &'a [Tensor<1>],
    shapes: &'a [Vec<usize>],
}

impl Inputs<'_> {
    fn get<const D: usize>(&self, idx: usize) -> Tensor<D> {
        let shape: [usize; D] = self.shapes[idx].clone().try_into().unwrap();
        self.leaves[idx].clone().reshape(shape)
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// Checks results and gradients of an operation on every card against those on the CPU.
fn check<const D: usize>(
    name: &str,
    shapes: &[&[usize]],
    tolerance: f32,
    operation: impl Fn(&Inputs) -> Tensor<D>,
) {
    let case = Case::new(7, shapes);
    let expected = case.run(&Device::flex(), &operation);
    for card in cards_under_test() {
        let found = attempt(|| case.run(&card.device, &operation));
        let found = found.unwrap_or_else(|said| panic!("{name} on {card}: {said}"));
        assert_eq!(found.len(), expected.len());
        for (idx, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let scale = expected.iter().fold(1e-3f32, |scale, value| scale.max(value.abs()));
            assert_eq!(found.len(), expected.len(), "{name} on {card}, result {idx}");
            assert!(expected.iter().all(|value| value.is_finite()), "{name}, result {idx}");
            let finite = found.iter().filter(|value| value.is_finite()).count();
            assert_eq!(finite, found.len(), "{name} on {card}, result {idx}: finite values");
            let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / scale);
            let error = errors.fold(0.0, f32::max);
            assert!(error <= tolerance, "{name} on {card}, result {idx}: {error}");
        }
    }
}

#[test]
fn convolutions_equal_those_of_the_cpu() {
    let relu = Activation::LeakyRelu(0.2);
    for (kernel, stride, padding_mode, groups) in [
        (3, 1, PaddingMode::Zeros, 1),
        (3, 2, PaddingMode::Zeros, 1),
        (3, 1, PaddingMode::Reflect, 1),
        (3, 1, PaddingMode::Zeros, 2),
        (1, 1, PaddingMode::Zeros, 1),
        (7, 1, PaddingMode::Zeros, 1),
    ] {
        let options =
            ConvOptions { stride: [stride; 2], padding_mode, groups, ..ConvOptions::same(kernel) };
        let weight = [8, 6 / groups, kernel, kernel];
        let name = format!("{options:?}");
        check(&name, &[&[2, 6, 9, 11], &weight, &[8]], 2e-5, |inputs| {
            ops::conv2d(inputs.get(0), inputs.get(1), Some(inputs.get(2)), &options, relu)
        });
    }
    check("of two", &[&[1, 3, 9, 8], &[1, 5, 9, 8], &[4, 8, 3, 3], &[4]], 2e-5, |inputs| {
        let sources = [inputs.get(0), inputs.get(1)];
        let (bias, options) = (Some(inputs.get(3)), ConvOptions::same(3));
        ops::conv2d_of_two(sources, inputs.get(2), bias, &options, Activation::Relu)
    });
    check("of doubled", &[&[1, 3, 5, 6], &[4, 3, 3, 3], &[4]], 2e-5, |inputs| {
        ops::conv2d_of_doubled(inputs.get(0), inputs.get(1), inputs.get(2), Activation::Silu)
    });
    check("depthwise", &[&[2, 6, 8, 9], &[6, 1, 3, 3], &[6]], 2e-5, |inputs| {
        let (zeros, silu) = (PaddingMode::Zeros, Activation::Silu);
        ops::depthwise_conv2d(inputs.get(0), inputs.get(1), Some(inputs.get(2)), 1, zeros, silu)
    });
    check("transposed", &[&[1, 4, 5, 6], &[4, 3, 2, 2]], 2e-5, |inputs| {
        ops::transposed_conv2d(inputs.get(0), inputs.get(1))
    });
    // A map of one channel, whose values are wanted again after they were computed with.
    let shapes: &[&[usize]] = &[&[1, 6, 9, 8], &[1, 6, 3, 3], &[1], &[4, 1, 3, 3]];
    check("one channel", shapes, 2e-5, |inputs| {
        let (bias, options) = (Some(inputs.get(2)), ConvOptions::same(3));
        let (weight, sigmoid) = (inputs.get(1), Activation::Sigmoid);
        let map = ops::conv2d(inputs.get(0), weight, bias, &options, sigmoid);
        let map = ops::activate(ops::resize2d(map, [7, 5], Interpolation::Bilinear), sigmoid);
        ops::conv2d(map.clone(), inputs.get(3), None, &options, Activation::Tanh) * map
    });
    // A picture of one pixel.
    for groups in [1, 6] {
        let options = ConvOptions { groups, ..ConvOptions::same(3) };
        check("one pixel", &[&[1, 6, 1, 1], &[6, 6 / groups, 3, 3], &[6]], 2e-5, |inputs| {
            let (bias, silu) = (Some(inputs.get(2)), Activation::Silu);
            ops::conv2d(inputs.get(0), inputs.get(1), bias, &options, silu)
        });
    }
    check("one row", &[&[1, 1, 5], &[6, 5], &[6]], 2e-5, |inputs| {
        ops::linear(inputs.get(0), inputs.get(1), Some(inputs.get(2)))
    });
    check("matrices", &[&[2, 7, 5], &[2, 5, 6]], 2e-5, |inputs| {
        ops::matmul(inputs.get::<3>(0), inputs.get(1))
    });
    check("linear", &[&[2, 7, 5], &[6, 5], &[6]], 2e-5, |inputs| {
        ops::linear(inputs.get(0), inputs.get(1), Some(inputs.get(2)))
    });
}

#[test]
fn operations_of_every_value_equal_those_of_the_cpu() {
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
    ] {
        check(&format!("{activation:?}"), &[&[2, 3, 5, 7]], 2e-5, |inputs| {
            ops::activate(inputs.get::<4>(0), activation)
        });
    }
    let image: &[usize] = &[2, 6, 5, 7];
    let of_channels: &[usize] = &[2, 6, 1, 1];
    check("prelu", &[image, &[6]], 2e-5, |inputs| ops::prelu(inputs.get(0), inputs.get(1)));
    check("add", &[image, image], 2e-5, |inputs| ops::add(inputs.get::<4>(0), inputs.get(1)));
    check("gated", &[image, image], 2e-5, |inputs| {
        ops::gated(inputs.get(0), inputs.get(1), Activation::Silu)
    });
    check("modulate", &[image, image, image], 2e-5, |inputs| {
        ops::modulate(inputs.get(0), inputs.get(1), inputs.get(2))
    });
    check("add in context", &[image, of_channels, image], 2e-5, |inputs| {
        let slope = Activation::LeakyRelu(0.2);
        ops::add_in_context(inputs.get(0), inputs.get(1), inputs.get(2), slope)
    });
    check("weighted sum", &[image, image, of_channels, of_channels], 2e-5, |inputs| {
        ops::weighted_sum([inputs.get(0), inputs.get(1)], [inputs.get(2), inputs.get(3)])
    });
    check(
        "weighted sum of doubled",
        &[&[1, 4, 6, 8], &[1, 4, 3, 4], &[1, 4, 1, 1], &[1, 4, 1, 1]],
        2e-5,
        |inputs| {
            let weights = [inputs.get(2), inputs.get(3)];
            ops::weighted_sum_of_doubled(inputs.get(0), inputs.get(1), weights)
        },
    );
    check("channel statistics", &[image, of_channels], 2e-5, |inputs| {
        ops::channel_statistics(inputs.get(0), inputs.get(1))
    });
    check("attend", &[image, image, of_channels, &[2, 1, 5, 7]], 2e-5, |inputs| {
        ops::attend(inputs.get(0), inputs.get(1), inputs.get(2), inputs.get(3))
    });
}

#[test]
fn windows_sizes_and_norms_equal_those_of_the_cpu() {
    let image: &[usize] = &[2, 3, 7, 9];
    for (window, stride, padding, ceil_mode) in
        [(2, 2, 0, false), (3, 2, 1, false), (2, 2, 0, true), (3, 1, 1, false)]
    {
        let options = PoolOptions {
            window: [window; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            ceil_mode,
        };
        check(&format!("average {options:?}"), &[image], 2e-5, |inputs| {
            ops::average_pool2d(inputs.get(0), &options)
        });
        check(&format!("largest {options:?}"), &[image], 2e-5, |inputs| {
            ops::max_pool2d(inputs.get(0), &options)
        });
    }
    check("global average", &[image], 2e-5, |inputs| ops::global_average_pool(inputs.get(0)));
    check("global largest", &[image], 2e-5, |inputs| ops::global_max_pool(inputs.get(0)));
    for interpolation in
        [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::BilinearCorners]
    {
        for size in [[14, 18], [5, 4], [7, 9]] {
            check(&format!("{interpolation:?} to {size:?}"), &[image], 2e-5, |inputs| {
                ops::resize2d(inputs.get(0), size, interpolation)
            });
        }
    }
    check("layer norm", &[image, &[3], &[3]], 1e-4, |inputs| {
        ops::layer_norm(inputs.get::<4>(0), inputs.get(1), inputs.get(2), 1e-5)
    });
    check("layer norm of tokens", &[&[2, 5, 8], &[8], &[8]], 1e-4, |inputs| {
        ops::layer_norm(inputs.get::<3>(0), inputs.get(1), inputs.get(2), 1e-5)
    });
    check("batch norm", &[image, &[3], &[3]], 1e-4, |inputs| {
        let options = BatchNormOptions { epsilon: 1e-5, limits: [0.0, f32::INFINITY] };
        ops::batch_norm(inputs.get(0), inputs.get(1), inputs.get(2), &options).0
    });
    for dim in 0..3 {
        check(&format!("softmax {dim}"), &[&[3, 4, 5]], 2e-5, |inputs| {
            ops::softmax(inputs.get::<3>(0), dim)
        });
    }
}

#[test]
fn curves_equal_those_of_the_cpu() {
    for n_steps in [1, 4, 8] {
        let maps = [2, 3 * n_steps, 9, 13];
        check(&format!("{n_steps} steps"), &[&[2, 3, 9, 13], &maps], 2e-5, |inputs| {
            // An image is within 0..1, where curves keep it.
            ops::apply_curves(inputs.get::<4>(0).abs(), inputs.get(1))
        });
    }
}

#[test]
fn scans_equal_those_of_the_cpu() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for direction in ScanDirection::ALL {
        // From one position to several chunks, and from one channel to several blocks.
        for [height, width, n_channels] in [[1, 1, 1], [3, 5, 7], [13, 17, 70], [20, 9, 130]] {
            let (batch, n_states) = (random.random_range(1..=2), random.random_range(1..=16));
            let image: &[usize] = &[batch, n_channels, height, width];
            let mixed: &[usize] = &[batch, n_states, height, width];
            let shapes =
                [image, image, &[n_channels], &[n_channels, n_states], mixed, mixed, &[n_channels]];
            let name = format!("{direction:?} {image:?} {n_states}");
            // Sums over up to 442 positions in another order.
            check(&name, &shapes, 1e-4, |inputs| {
                let inputs = ScanInputs {
                    x: inputs.get(0),
                    step: inputs.get(1),
                    step_bias: inputs.get(2),
                    decay: -inputs.get::<2>(3).abs(),
                    input: inputs.get(4),
                    output: inputs.get(5),
                    skip: inputs.get(6),
                };
                ops::selective_scan(inputs, direction)
            });
        }
    }
}

#[test]
fn rounded_products_act_and_stay_close() {
    let case = Case::new(3, &[&[2, 8, 9, 11], &[8, 8, 3, 3]]);
    let operation = |inputs: &Inputs| {
        let options = ConvOptions::same(3);
        ops::conv2d(inputs.get(0), inputs.get(1), None, &options, Activation::Identity)
    };
    for card in cards_under_test() {
        let run = |precision| with_precision(precision, || case.run(&card.device, operation));
        let exact = run(Precision::F32);
        for (precision, tolerance) in [(Precision::Bf16, 3e-2), (Precision::F16, 4e-3)] {
            if !precision.is_on(&card.device) {
                println!("skipped: {card} does not compute in {}", precision.name());
                continue;
            }
            let rounded = run(precision);
            for (idx, (rounded, exact)) in rounded.iter().zip(&exact).enumerate() {
                let scale = exact.iter().fold(0.0f32, |scale, value| scale.max(value.abs()));
                let errors = rounded.iter().zip(exact).map(|(a, b)| (a - b).abs() / scale);
                let error = errors.fold(0.0, f32::max);
                let what = format!("{} on {card}, result {idx}", precision.name());
                assert!(error > 0.0 && error < tolerance, "{what}: {error}");
            }
        }
    }
}
