//! Layer normalisation and its gradients against the formula in f64.

use tapetum_kernels::{LayerNorm, LayerNormGradients, layer_norm, layer_norm_backward};

use crate::comparison::{check, differences, dot, has_nonzero, numbers, random, shifted, wide};

/// Pixels (around a parallel piece) and channels.
const SIZES: [[usize; 2]; 11] = [
    [1, 1],
    [5, 1],
    [7, 3],
    [600, 3],
    [9, 8],
    [1030, 21],
    [3, 32],
    [40, 33],
    [70, 64],
    [2, 256],
    [1, 301],
];
const EPSILON: f32 = 1e-5;

/// The channels before weight and bias.
fn normalised(pixel: &[f64]) -> Vec<f64> {
    let n = pixel.len() as f64;
    let mean = pixel.iter().sum::<f64>() / n;
    let variance = pixel.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let deviation = (variance + f64::from(EPSILON)).sqrt();
    pixel.iter().map(|value| (value - mean) / deviation).collect()
}

/// Input far from 0, weight, bias.
fn values([pixels, channels]: [usize; 2], seed: u64) -> [Vec<f32>; 3] {
    let mut numbers = numbers(seed);
    let input: Vec<f32> =
        random(pixels * channels, 2.0, &mut numbers).iter().map(|value| value + 5.0).collect();
    [shifted(&input), random(channels, 1.0, &mut numbers), random(channels, 1.0, &mut numbers)]
}

#[test]
fn pixels_equal_the_formula() {
    for (size, seed) in SIZES.into_iter().zip(50..) {
        let [input, weight, bias] = values(size, seed);
        let (wide_weight, wide_bias) = (wide(&weight), wide(&bias));
        let pixels = wide(&input[1..]);
        let expected = pixels.chunks_exact(size[1]).flat_map(|pixel| {
            let parameters = wide_weight.iter().zip(&wide_bias);
            let scale = |(value, (weight, bias)): (f64, (&f64, &f64))| value * weight + bias;
            normalised(pixel).into_iter().zip(parameters).map(scale).collect::<Vec<f64>>()
        });
        let expected: Vec<f64> = expected.collect();
        let norm = LayerNorm { weight: &weight, bias: &bias, epsilon: EPSILON };
        // Means near 5 are off by 1e-6, more where a pixel's few channels lie close together.
        check(&format!("{size:?}"), &expected, [3e-5, 1e-6], |set, output| {
            layer_norm(set, &norm, &input[1..], output);
        });
    }
}

#[test]
fn gradients_equal_differences_of_the_formula() {
    for (size @ [_, channels], seed) in SIZES.into_iter().zip(70..) {
        let [input, weight, bias] = values(size, seed);
        let gradient = shifted(&random(input.len() - 1, 1.0, &mut numbers(seed + 100)));
        let wide_weight = wide(&weight);
        let (pixels, gradients) = (wide(&input[1..]), wide(&gradient[1..]));
        let mut expected = [Vec::new(), vec![0.0; channels], vec![0.0; channels]];
        for (pixel, gradient) in pixels.chunks_exact(channels).zip(gradients.chunks_exact(channels))
        {
            let scaled: Vec<f64> = gradient.iter().zip(&wide_weight).map(|(g, w)| g * w).collect();
            expected[0].extend(differences(pixel, |pixel| dot(&normalised(pixel), &scaled)));
            for (channel, (value, gradient)) in normalised(pixel).iter().zip(gradient).enumerate() {
                expected[1][channel] += value * gradient;
                expected[2][channel] += gradient;
            }
        }
        // A single channel is always normalised to 0.
        assert!(channels == 1 || expected.iter().all(|values| has_nonzero(values)));
        let norm = LayerNorm { weight: &weight, bias: &bias, epsilon: EPSILON };
        let n_input = input.len() - 1;
        let check = |what: &str, expected: &[f64], bound: [f64; 2], part: [usize; 2]| {
            check(&format!("{size:?} {what}"), expected, bound, |set, found| {
                let mut all = vec![f32::NAN; n_input + 2 * channels];
                let (input_gradient, rest) = all.split_at_mut(n_input);
                let (weight, bias) = rest.split_at_mut(channels);
                let gradients = LayerNormGradients { input: input_gradient, weight, bias };
                layer_norm_backward(set, &norm, &input[1..], &gradient[1..], gradients);
                found.copy_from_slice(&all[part[0]..part[1]]);
            });
        };
        // Where few channels lie close together, one over the deviation magnifies the mean's error,
        // which cancels but in part.
        let scale = |values: &[f64]| values.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        let bound = 1e-5 * scale(&expected[0]);
        check("input", &expected[0], [bound, bound / 5.0], [0, n_input]);
        // Sums of up to 1030 values of about 1.
        let parameters = expected[1..].concat();
        check("parameters", &parameters, [6e-5, 2e-5], [n_input, n_input + 2 * channels]);
    }
}
