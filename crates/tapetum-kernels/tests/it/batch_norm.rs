//! Batch normalisation and its gradients against the formula in f64.

use tapetum_kernels::{
    BatchNorm, BatchNormGradients, batch_moments, batch_norm, batch_norm_backward,
};

use crate::comparison::{check, differences, dot, has_nonzero, numbers, random, shifted, wide};

/// Pixels (around a parallel piece) and channels.
const SIZES: [[usize; 2]; 8] =
    [[1, 1], [5, 1], [7, 3], [600, 3], [9, 8], [1030, 2], [40, 33], [12, 70]];
const EPSILON: f32 = 1e-3;
const UNLIMITED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// Mean and biased variance of every channel.
fn moments(input: &[f64], n_channels: usize) -> [Vec<f64>; 2] {
    let n_pixels = (input.len() / n_channels) as f64;
    let of_channel = |channel: usize| input.iter().skip(channel).step_by(n_channels);
    let mean = |channel: usize| of_channel(channel).sum::<f64>() / n_pixels;
    let means: Vec<f64> = (0..n_channels).map(mean).collect();
    let variance = |channel: usize| {
        let squares = of_channel(channel).map(|value| (value - means[channel]).powi(2));
        squares.sum::<f64>() / n_pixels
    };
    let variances = (0..n_channels).map(variance).collect();
    [means, variances]
}

fn normalised(input: &[f64], weight: &[f64], bias: &[f64], limits: [f32; 2]) -> Vec<f64> {
    let n_channels = weight.len();
    let [means, variances] = moments(input, n_channels);
    let [lowest, highest] = limits.map(f64::from);
    let value = |(idx, value): (usize, &f64)| {
        let channel = idx % n_channels;
        let deviation = (variances[channel] + f64::from(EPSILON)).sqrt();
        let value = weight[channel] * (value - means[channel]) / deviation + bias[channel];
        value.clamp(lowest, highest)
    };
    input.iter().enumerate().map(value).collect()
}

/// Input far from 0, weight, bias.
fn values([pixels, channels]: [usize; 2], seed: u64) -> [Vec<f32>; 3] {
    let mut numbers = numbers(seed);
    let input: Vec<f32> =
        random(pixels * channels, 2.0, &mut numbers).iter().map(|value| value + 5.0).collect();
    [shifted(&input), random(channels, 1.0, &mut numbers), random(channels, 1.0, &mut numbers)]
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[test]
fn moments_equal_the_formula() {
    for (size @ [_, channels], seed) in SIZES.into_iter().zip(210..) {
        let [input, _, _] = values(size, seed);
        let expected = moments(&wide(&input[1..]), channels).concat();
        // Sums of 512 values near 5.
        check(&format!("{size:?}"), &expected, [5e-6, 1.5e-6], |set, found| {
            let (mean, variance) = found.split_at_mut(channels);
            batch_moments(set, &input[1..], mean, variance);
        });
    }
}

#[test]
fn pixels_equal_the_formula() {
    for (size @ [_, channels], seed) in SIZES.into_iter().zip(230..) {
        let [input, weight, bias] = values(size, seed);
        let wide_input = wide(&input[1..]);
        let [mean, variance] = moments(&wide_input, channels).map(|moment| narrow(&moment));
        for limits in [UNLIMITED, [0.0, f32::INFINITY], [0.0, 0.8]] {
            let expected = normalised(&wide_input, &wide(&weight), &wide(&bias), limits);
            let (mean, variance, epsilon) = (&*mean, &*variance, EPSILON);
            let norm = BatchNorm { weight: &weight, bias: &bias, mean, variance, epsilon, limits };
            // Means near 5 are off by 1e-6, more where a channel's few values lie close together.
            check(&format!("{size:?} {limits:?}"), &expected, [3e-5, 4e-6], |set, output| {
                batch_norm(set, &norm, &input[1..], output);
            });
        }
    }
}

#[test]
fn gradients_equal_differences_of_the_formula() {
    for (size @ [_, channels], seed) in SIZES.into_iter().zip(250..) {
        let [input, weight, bias] = values(size, seed);
        let n_input = input.len() - 1;
        if n_input > 700 {
            // A difference for each of so many values takes long; larger ones are compared elsewhere.
            continue;
        }
        let gradient = shifted(&random(n_input, 1.0, &mut numbers(seed + 100)));
        let [pixels, weights, biases, gradients] =
            [&input[1..], &weight, &bias, &gradient[1..]].map(wide);
        let [mean, variance] = moments(&pixels, channels).map(|moment| narrow(&moment));
        let loss = |pixels: &[f64], weight: &[f64], bias: &[f64]| {
            dot(&normalised(pixels, weight, bias, UNLIMITED), &gradients)
        };
        let mut expected = differences(&pixels, |pixels| loss(pixels, &weights, &biases));
        expected.extend(differences(&weights, |weight| loss(&pixels, weight, &biases)));
        expected.extend(differences(&biases, |bias| loss(&pixels, &weights, bias)));
        assert!(has_nonzero(&expected));
        let norm = BatchNorm {
            weight: &weight,
            bias: &bias,
            mean: &mean,
            variance: &variance,
            epsilon: EPSILON,
            limits: UNLIMITED,
        };
        check(&format!("{size:?}"), &expected, [2e-4, 2e-5], |set, found| {
            let (input_gradient, parameters) = found.split_at_mut(n_input);
            let (weight, bias) = parameters.split_at_mut(channels);
            let gradients = BatchNormGradients { input: input_gradient, weight, bias };
            batch_norm_backward(set, &norm, &input[1..], &gradient[1..], gradients);
        });
    }
}

#[test]
fn results_at_a_limit_have_no_gradient() {
    // Normalised: -1, 1, and twice that plus 2 is 0 and 4, both at a limit.
    let norm = BatchNorm {
        weight: &[2.0],
        bias: &[2.0],
        mean: &[3.0],
        variance: &[1.0],
        epsilon: 0.0,
        limits: [0.0, 4.0],
    };
    check("limits", &[0.0; 4], [0.0, 0.0], |set, found| {
        let (input, parameters) = found.split_at_mut(2);
        let (weight, bias) = parameters.split_at_mut(1);
        let gradients = BatchNormGradients { input, weight, bias };
        batch_norm_backward(set, &norm, &[2.0, 4.0], &[1.0, 3.0], gradients);
    });
}
