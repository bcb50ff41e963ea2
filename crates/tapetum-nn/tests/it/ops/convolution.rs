//! Convolutions, depthwise ones and linear layers.

use burn::tensor::Tensor;
use tapetum_nn::ops::{self, Activation, ConvOptions, PaddingMode, Precision, composed};

use super::{Numbers, check_close, check_same, values, with_gradients};

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
    let mut numbers = Numbers::new(21);
    for (options, kernel) in options() {
        for activation in [Activation::Identity, Activation::Relu, Activation::Gelu] {
            let input = numbers.tensor([2, 6, 7, 9]);
            let weight = numbers.tensor([4, 6 / options.groups, kernel[0], kernel[1]]);
            let bias = numbers.tensor([4]);
            let run = |conv2d: fn(_, _, _, &_, _) -> _| {
                conv2d(input.clone(), weight.clone(), Some(bias.clone()), &options, activation)
            };
            check_same(
                &[&input, &weight, &bias],
                // Sums of at most 96 products in another order; the engine's erf is its own.
                2e-5,
                &format!("{options:?} {activation:?}"),
                run(ops::conv2d),
                run(composed::conv2d),
            );
        }
    }
}

#[test]
fn the_doubled_image_gives_the_same_with_gradients_and_without() {
    let mut numbers = Numbers::new(27);
    let (input, weight) = (numbers.tensor([2, 5, 4, 7]), numbers.tensor([6, 5, 3, 3]));
    let (bias, activation) = (numbers.tensor([6]), Activation::LeakyRelu(0.2));
    let doubled = composed::resize2d(input.clone(), [8, 14], ops::Interpolation::Nearest);
    let options = ConvOptions::same(3);
    check_same(
        &[&input, &weight, &bias],
        2e-5,
        "doubled",
        ops::conv2d_of_doubled(input.clone(), weight.clone(), bias.clone(), activation),
        composed::conv2d(doubled.clone(), weight.clone(), Some(bias.clone()), &options, activation),
    );
    let [input, doubled, weight] = [input, doubled, weight].map(Tensor::inner);
    let bias = bias.inner();
    let found = ops::conv2d_of_doubled(input, weight.clone(), bias.clone(), activation);
    let expected = composed::conv2d(doubled, weight, Some(bias), &options, activation);
    check_close(&values(&found), &values(&expected), 2e-5, "without gradients");
}

#[test]
fn two_sources_equal_their_concatenation() {
    let mut numbers = Numbers::new(22);
    let [first, second] = [numbers.tensor([2, 3, 6, 5]), numbers.tensor([2, 5, 6, 5])];
    let (weight, bias) = (numbers.tensor([4, 8, 3, 3]), numbers.tensor([4]));
    let options = ConvOptions::same(3);
    for activation in [Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Silu] {
        let sources = [first.clone(), second.clone()];
        let (weights, biases) = (weight.clone(), Some(bias.clone()));
        let output = ops::conv2d_of_two(
            sources.clone(),
            weights.clone(),
            biases.clone(),
            &options,
            activation,
        );
        let both = Tensor::cat(sources.to_vec(), 1);
        check_same(
            &[&first, &second, &weight, &bias],
            2e-5,
            &format!("{activation:?}"),
            output,
            composed::conv2d(both, weights, biases, &options, activation),
        );
    }
}

#[test]
fn three_sources_equal_their_concatenation() {
    let mut numbers = Numbers::new(23);
    let sources = [3, 5, 2].map(|n_channels| numbers.tensor([2, n_channels, 6, 5]));
    let [first, second, third] = &sources;
    let (weight, bias) = (numbers.tensor([4, 10, 1, 1]), numbers.tensor([4]));
    let options = ConvOptions::same(1);
    for activation in [Activation::Identity, Activation::Relu, Activation::Gelu] {
        let (weights, biases) = (weight.clone(), Some(bias.clone()));
        let all = Tensor::cat(sources.to_vec(), 1);
        check_same(
            &[first, second, third, &weight, &bias],
            2e-5,
            &format!("{activation:?}"),
            ops::conv2d_of_three(
                sources.clone(),
                weights.clone(),
                biases.clone(),
                &options,
                activation,
            ),
            composed::conv2d(all, weights, biases, &options, activation),
        );
    }
}

#[test]
fn depthwise_convolutions_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(30);
    let cases = [
        (3, 1, PaddingMode::Zeros, Activation::Identity),
        (5, 1, PaddingMode::Zeros, Activation::Silu),
        (3, 2, PaddingMode::Reflect, Activation::LeakyRelu(0.1)),
        (7, 1, PaddingMode::Reflect, Activation::Gelu),
        (1, 3, PaddingMode::Zeros, Activation::Tanh),
    ];
    for (kernel, dilation, padding_mode, activation) in cases {
        let n_channels = numbers.size(1..=21);
        let [batch, height, width] = [1..=3, 5..=11, 5..=11].map(|range| numbers.size(range));
        for input in numbers.both_orders([batch, n_channels, height, width]) {
            let weight = numbers.tensor([n_channels, 1, kernel, kernel]);
            let bias = numbers.tensor([n_channels]);
            let what = format!("{:?}, kernel {kernel}, {activation:?}", input.dims());
            let run = |depthwise_conv2d: fn(_, _, _, _, _, _) -> _, bias| {
                let (input, weight) = (input.clone(), weight.clone());
                depthwise_conv2d(input, weight, bias, dilation, padding_mode, activation)
            };
            check_same(
                &[&input, &weight, &bias],
                // Sums of at most 77 * 3 products of the weight in another order.
                2e-5,
                &what,
                run(ops::depthwise_conv2d, Some(bias.clone())),
                run(composed::depthwise_conv2d, Some(bias.clone())),
            );
            check_same(
                &[&input, &weight],
                2e-5,
                &format!("{what} without bias"),
                run(ops::depthwise_conv2d, None),
                run(composed::depthwise_conv2d, None),
            );
        }
    }
}

#[test]
fn bf16_stays_close_and_ends_with_its_scope() {
    let mut numbers = Numbers::new(23);
    let (input, weight) = (numbers.tensor([1, 32, 9, 11]), numbers.tensor([16, 32, 3, 3]));
    let bias = numbers.tensor([16]);
    let options = ConvOptions::same(3);
    let run = || {
        let bias = Some(bias.clone());
        ops::conv2d(input.clone(), weight.clone(), bias, &options, Activation::Identity)
    };
    let exact = with_gradients(&[&input, &weight], run());
    // The backward pass runs outside of the scope and is in bf16 all the same.
    let rounded = ops::with_precision(Precision::Bf16, run);
    let rounded = with_gradients(&[&input, &weight], rounded);
    for (rounded, exact) in rounded.iter().zip(&exact) {
        // Operands are off by 2^-9 at most, mostly in both directions.
        check_close(rounded, exact, 8e-3, "bf16");
        assert_ne!(rounded, exact, "bf16 acts");
    }
}

#[test]
fn linear_layers_equal_a_matrix_product() {
    let mut numbers = Numbers::new(24);
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
fn transposed_convolutions_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(38);
    for kernel in [[2, 2], [1, 3], [4, 2]] {
        let [n_in, n_out] = [1..=13, 1..=13].map(|range| numbers.size(range));
        let [height, width] = [1..=6, 1..=6].map(|range| numbers.size(range));
        let weight = numbers.tensor([n_in, n_out, kernel[0], kernel[1]]);
        for input in numbers.both_orders([2, n_in, height, width]) {
            check_same(
                &[&input, &weight],
                2e-5,
                &format!("{:?} by {:?}", input.dims(), weight.dims()),
                ops::transposed_conv2d(input.clone(), weight.clone()),
                composed::transposed_conv2d(input.clone(), weight.clone()),
            );
        }
    }
}
