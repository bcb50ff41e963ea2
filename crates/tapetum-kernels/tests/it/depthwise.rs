//! Depthwise convolutions and their gradients against plain loops in f64.

use tapetum_kernels::{
    Activation, DepthwiseGradients, DepthwiseInputs, DepthwiseShape, PaddingMode, depthwise_conv,
    depthwise_conv_backward,
};

use crate::{
    activation::{activated, slope},
    comparison::{check, has_nonzero, numbers, random, shifted, wide},
};

/// Calls `visit(input, weight, output)` with the positions of every product.
fn each_product(shape: &DepthwiseShape, mut visit: impl FnMut(usize, usize, usize)) {
    let DepthwiseShape { batch, height, width, channels, kernel, dilation, padding, .. } = *shape;
    let source = |at: usize, tap: usize, n: usize| {
        let at = (at + tap * dilation) as isize - (kernel / 2 * dilation) as isize;
        let n = n as isize;
        match padding {
            _ if (0..n).contains(&at) => Some(at as usize),
            PaddingMode::Zeros => None,
            PaddingMode::Reflect if at < 0 => Some(-at as usize),
            PaddingMode::Reflect => Some((2 * (n - 1) - at) as usize),
        }
    };
    for (row, x) in (0..batch * height).flat_map(|row| (0..width).map(move |x| (row, x))) {
        let (image, y) = (row / height, row % height);
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            if let (Some(iy), Some(ix)) = (source(y, ky, height), source(x, kx, width)) {
                let input = ((image * height + iy) * width + ix) * channels;
                let output = (row * width + x) * channels;
                for channel in 0..channels {
                    let weight = (channel * kernel + ky) * kernel + kx;
                    visit(input + channel, weight, output + channel);
                }
            }
        }
    }
}

/// Sizes of `[batch, height, width, channels]` around those of tiles, segments and registers.
const SIZES: [[usize; 4]; 8] = [
    [1, 1, 1, 1],
    [1, 1, 40, 3],
    [1, 37, 1, 8],
    [2, 5, 7, 21],
    [1, 7, 70, 33],
    [1, 9, 36, 32],
    [2, 18, 5, 64],
    [1, 8, 9, 17],
];
const KERNELS: [[usize; 2]; 6] = [[1, 1], [3, 1], [5, 1], [7, 1], [3, 2], [5, 3]];
const ACTIVATIONS: [Activation; 4] =
    [Activation::Identity, Activation::Tanh, Activation::LeakyRelu(0.1), Activation::Silu];

fn shapes() -> impl Iterator<Item = DepthwiseShape> {
    let kernels = KERNELS.into_iter().enumerate();
    let shapes = kernels.flat_map(|(idx, [kernel, dilation])| {
        SIZES.into_iter().enumerate().flat_map(move |(size, [batch, height, width, channels])| {
            [PaddingMode::Zeros, PaddingMode::Reflect].map(|padding| {
                let activation = ACTIVATIONS[(idx + size) % 4];
                DepthwiseShape {
                    batch,
                    height,
                    width,
                    channels,
                    kernel,
                    dilation,
                    padding,
                    activation,
                }
            })
        })
    });
    shapes.filter(|shape| {
        let reach = shape.kernel / 2 * shape.dilation;
        shape.padding == PaddingMode::Zeros || shape.height.min(shape.width) > reach
    })
}

/// Inputs, weight and bias.
fn values(shape: &DepthwiseShape, seed: u64) -> [Vec<f32>; 3] {
    let mut numbers = numbers(seed);
    let n_input = shape.batch * shape.height * shape.width * shape.channels;
    let n_weight = shape.channels * shape.kernel * shape.kernel;
    [(n_input, 1.0), (n_weight, 0.3), (shape.channels, 0.5)]
        .map(|(n, scale)| random(n, scale, &mut numbers))
}

/// The sums before the activation.
fn sums(shape: &DepthwiseShape, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let mut sums = wide(&bias.repeat(input.len() / bias.len()));
    each_product(shape, |i, w, o| sums[o] += f64::from(input[i]) * f64::from(weight[w]));
    sums
}

#[test]
fn convolutions_equal_plain_loops() {
    for (shape, seed) in shapes().zip(20..) {
        let [input, weight, bias] = values(&shape, seed);
        let (input, weight) = (shifted(&input), shifted(&weight));
        let (input, weight) = (&input[1..], &weight[1..]);
        let has_bias = seed % 3 != 0;
        let zeros = vec![0.0; bias.len()];
        let sums = sums(&shape, input, weight, if has_bias { &bias } else { &zeros });
        let expected: Vec<f64> = sums.iter().map(|x| activated(shape.activation, *x)).collect();
        let inputs = DepthwiseInputs { input, weight, bias: has_bias.then_some(&bias[..]) };
        // Sums of at most 50 products of about 0.1, then a function with slope 1.1 at most.
        check(&format!("{shape:?}"), &expected, [3e-6, 8e-7], |set, output| {
            depthwise_conv(set, &shape, &inputs, output);
        });
    }
}

#[test]
fn gradients_equal_plain_loops() {
    for (shape, seed) in shapes().zip(200..) {
        let [input, weight, bias] = values(&shape, seed);
        let sums = sums(&shape, &input, &weight, &bias);
        let mut gradient = shifted(&random(input.len(), 1.0, &mut numbers(seed + 1000)));
        for (gradient, sum) in gradient[1..].iter_mut().zip(&sums) {
            // Rounding decides on which side of a bend such a sum lies.
            if sum.abs() < 2e-5 {
                *gradient = 0.0;
            }
        }
        let gradient = &gradient[1..];
        let before: Vec<f64> = wide(gradient)
            .iter()
            .zip(&sums)
            .map(|(g, x)| g * slope(shape.activation, *x))
            .collect();
        let mut expected = [vec![0.0; input.len()], vec![0.0; weight.len()], vec![0.0; bias.len()]];
        each_product(&shape, |i, w, o| {
            expected[0][i] += before[o] * f64::from(weight[w]);
            expected[1][w] += before[o] * f64::from(input[i]);
        });
        for (idx, value) in before.iter().enumerate() {
            expected[2][idx % shape.channels] += value;
        }
        assert!(expected.iter().all(|values| has_nonzero(values)));

        let inputs = DepthwiseInputs { input: &input, weight: &weight, bias: Some(&bias) };
        let expected = expected.concat();
        // Sums of up to 500 products below 1.
        check(&format!("{shape:?}"), &expected, [2e-5, 3e-6], |set, found| {
            let (input_gradient, found) = found.split_at_mut(input.len());
            let (weight_gradient, bias_gradient) = found.split_at_mut(weight.len());
            let gradients = DepthwiseGradients {
                input: input_gradient,
                weight: weight_gradient,
                bias: Some(bias_gradient),
            };
            depthwise_conv_backward(set, &shape, &inputs, gradient, gradients);
        });
    }
}
