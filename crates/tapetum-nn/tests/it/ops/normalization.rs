//! Layer and batch normalisation, and softmax.

use burn::tensor::Tensor;
use tapetum_nn::ops::{self, BatchNormOptions, composed};

use super::{Numbers, check_close, check_same, leaf, values};

fn check_layer_norm<const D: usize>(numbers: &mut Numbers, shape: [usize; D], n_channels: usize) {
    for input in numbers.both_orders(shape) {
        let (weight, bias) = (numbers.tensor([n_channels]), numbers.tensor([n_channels]));
        let run = |layer_norm: fn(Tensor<D>, _, _, _) -> Tensor<D>| {
            layer_norm(input.clone(), weight.clone(), bias.clone(), 1e-3)
        };
        check_same(
            &[&input, &weight, &bias],
            // Gradients are differences of sums, divided by the standard deviation.
            5e-5,
            &format!("{shape:?}"),
            run(ops::layer_norm),
            run(composed::layer_norm),
        );
    }
}

#[test]
fn layer_norms_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(35);
    for _ in 0..3 {
        let [batch, n_channels] = [1..=3, 3..=37].map(|range| numbers.size(range));
        let [height, width] = [2..=9, 2..=9].map(|range| numbers.size(range));
        check_layer_norm(&mut numbers, [batch, n_channels, height, width], n_channels);
        check_layer_norm(&mut numbers, [batch, height * width, n_channels], n_channels);
    }
    // More pixels than one partial sum of gradients.
    check_layer_norm(&mut numbers, [2, 5, 23, 29], 5);
}

fn check_batch_norm(numbers: &mut Numbers, shape: [usize; 4], limits: [f32; 2]) {
    let options = BatchNormOptions { epsilon: 1e-3, limits };
    for input in numbers.both_orders(shape) {
        let (weight, bias) = (numbers.tensor([shape[1]]), numbers.tensor([shape[1]]));
        let arguments = || (input.clone() + 3.0, weight.clone(), bias.clone());
        let (input_moved, weight_of, bias_of) = arguments();
        let (found, moments) = ops::batch_norm(input_moved, weight_of, bias_of, &options);
        let (input_moved, weight_of, bias_of) = arguments();
        let (expected, expected_moments) =
            composed::batch_norm(input_moved, weight_of, bias_of, &options);
        let what = format!("{shape:?} within {limits:?}");
        assert_eq!(moments.n_values, shape[0] * shape[2] * shape[3]);
        for (found, expected) in [moments.mean, moments.variance].iter().zip(&expected_moments) {
            check_close(&values(found), &values(expected), 1e-5, &what);
        }
        // Gradients are differences of sums, divided by the standard deviation.
        check_same(&[&input, &weight, &bias], 5e-5, &what, found, expected);
    }
}

#[test]
fn batch_norms_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(37);
    for limits in [[f32::NEG_INFINITY, f32::INFINITY], [0.0, f32::INFINITY], [0.0, 0.5]] {
        for _ in 0..2 {
            let [batch, n_channels] = [2..=3, 3..=37].map(|range| numbers.size(range));
            let [height, width] = [2..=9, 2..=9].map(|range| numbers.size(range));
            check_batch_norm(&mut numbers, [batch, n_channels, height, width], limits);
        }
        // More pixels than one partial sum.
        check_batch_norm(&mut numbers, [2, 5, 23, 29], limits);
    }
}

#[test]
fn a_batch_is_normalised_by_its_own_biased_variance() {
    // Mean 3, variance (4 + 1 + 0 + 9) / 4.
    let input = leaf(vec![1.0, 2.0, 3.0, 6.0], [2, 1, 1, 2]);
    let options = BatchNormOptions { epsilon: 0.5, limits: [-10.0, 6.0] };
    let (output, moments) =
        ops::batch_norm(input, leaf(vec![4.0], [1]), leaf(vec![1.0], [1]), &options);
    assert_eq!((values(&moments.mean), values(&moments.variance)), (vec![3.0], vec![3.5]));
    // The deviation is √(3.5 + 0.5), and 7 is beyond the limit.
    check_close(&values(&output), &[-3.0, -1.0, 1.0, 6.0], 1e-6, "by hand");
}

fn check_softmax<const D: usize>(numbers: &mut Numbers, shape: [usize; D]) {
    for dim in 0..D {
        for input in numbers.both_orders(shape) {
            // Far enough apart that some exponentials are small.
            let [found, expected] = [ops::softmax, composed::softmax].map(
                |softmax: fn(Tensor<D>, usize) -> Tensor<D>| softmax(input.clone() * 8.0, dim),
            );
            check_same(&[&input], 2e-5, &format!("{shape:?} over {dim}"), found, expected);
        }
    }
}

#[test]
fn softmax_and_gradients_equal_the_engines_over_any_dimension() {
    let mut numbers = Numbers::new(36);
    for _ in 0..3 {
        let [a, b] = [2..=5, 2..=19].map(|range| numbers.size(range));
        let [c, d] = [2..=7, 2..=9].map(|range| numbers.size(range));
        check_softmax(&mut numbers, [a, b, c, d]);
        check_softmax(&mut numbers, [a, c, b]);
        check_softmax(&mut numbers, [b, d]);
    }
}
