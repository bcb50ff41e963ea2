//! The rectifier with learned slopes and its gradients against the formula in f64.

use tapetum_kernels::{prelu, prelu_backward};

use crate::comparison::{check, differences, dot, has_nonzero, numbers, random, shifted, wide};

/// Pixels (around a parallel piece) and channels.
const SIZES: [[usize; 2]; 7] = [[1, 1], [5, 1], [600, 3], [9, 8], [1030, 21], [3, 32], [2, 131]];

fn rectified(input: &[f64], slopes: &[f64]) -> Vec<f64> {
    let slopes = slopes.iter().cycle();
    input.iter().zip(slopes).map(|(x, slope)| x.max(0.0) + slope * x.min(0.0)).collect()
}

/// Input, whose smallest magnitude is far above a difference's step, and slopes of both signs.
fn values([pixels, channels]: [usize; 2], seed: u64) -> [Vec<f32>; 2] {
    let mut numbers = numbers(seed);
    let input = random(pixels * channels, 2.0, &mut numbers);
    let input: Vec<f32> = input.iter().map(|value| value + 0.01 * value.signum()).collect();
    [shifted(&input), random(channels, 1.0, &mut numbers)]
}

#[test]
fn pixels_equal_the_formula() {
    for (size, seed) in SIZES.into_iter().zip(150..) {
        let [input, slopes] = values(size, seed);
        let expected = rectified(&wide(&input[1..]), &wide(&slopes));
        check(&format!("{size:?}"), &expected, [2e-7, 1e-7], |set, output| {
            prelu(set, &slopes, &input[1..], output);
        });
    }
}

#[test]
fn gradients_equal_differences_of_the_formula() {
    for (size @ [_, channels], seed) in SIZES.into_iter().zip(170..) {
        let [input, slopes] = values(size, seed);
        let n_input = input.len() - 1;
        let gradient = shifted(&random(n_input, 1.0, &mut numbers(seed + 100)));
        let (pixels, wide_slopes, gradients) =
            (wide(&input[1..]), wide(&slopes), wide(&gradient[1..]));
        let mut expected: Vec<f64> = pixels
            .chunks_exact(channels)
            .zip(gradients.chunks_exact(channels))
            .flat_map(|(pixel, gradient)| {
                differences(pixel, |pixel| dot(&rectified(pixel, &wide_slopes), gradient))
            })
            .collect();
        expected.extend(differences(&wide_slopes, |slopes| {
            dot(&rectified(&pixels, slopes), &gradients)
        }));
        assert!(has_nonzero(&expected));
        // Sums of up to 1030 values of about 1.
        check(&format!("{size:?}"), &expected, [6e-5, 1e-5], |set, found| {
            let (input_gradient, slope_gradient) = found.split_at_mut(n_input);
            let gradient = &gradient[1..];
            prelu_backward(set, &slopes, &input[1..], gradient, input_gradient, slope_gradient);
        });
    }
}

#[test]
fn at_zero_the_derivative_is_the_slope() {
    check("zero", &[0.5, 0.0], [0.0, 0.0], |set, found| {
        let (input, slope) = found.split_at_mut(1);
        prelu_backward(set, &[0.25], &[0.0], &[2.0], input, slope);
    });
}
