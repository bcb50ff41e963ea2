//! Layer normalisation and softmax.

use burn::tensor::Tensor;
use tapetum_nn::ops::{self, composed};

use super::{Numbers, check_same};

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
