//! Pooling and resizing.

use tapetum_nn::ops::{self, Interpolation, PoolOptions, composed};

use super::{Numbers, check_same};

fn windows() -> Vec<PoolOptions> {
    let tiles = PoolOptions::tiles;
    vec![
        tiles([2, 2]),
        tiles([3, 2]),
        PoolOptions { stride: [2, 1], padding: [1, 1], ..tiles([3, 3]) },
        PoolOptions { ceil_mode: true, ..tiles([2, 3]) },
        PoolOptions { stride: [2, 3], padding: [1, 2], ceil_mode: true, ..tiles([3, 5]) },
    ]
}

#[test]
fn pooling_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(32);
    for options in windows() {
        let [batch, n_channels] = [1..=3, 1..=21].map(|range| numbers.size(range));
        let [height, width] = [5..=12, 5..=12].map(|range| numbers.size(range));
        for input in numbers.both_orders([batch, n_channels, height, width]) {
            let what = format!("{:?}, {options:?}", input.dims());
            check_same(
                &[&input],
                1e-6,
                &format!("averages of {what}"),
                ops::average_pool2d(input.clone(), &options),
                composed::average_pool2d(input.clone(), &options),
            );
            check_same(
                &[&input],
                1e-6,
                &format!("largest of {what}"),
                ops::max_pool2d(input.clone(), &options),
                composed::max_pool2d(input.clone(), &options),
            );
        }
    }
}

#[test]
fn global_pooling_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(33);
    // More pixels than a piece of the kernels', and a single one.
    for shape in [[2, 19, 5, 7], [1, 3, 37, 41], [3, 5, 1, 1]] {
        for input in numbers.both_orders(shape) {
            let output = ops::global_average_pool(input.clone());
            assert_eq!(output.dims(), [shape[0], shape[1], 1, 1]);
            // The engine adds up in f32.
            let reference = composed::global_average_pool(input.clone());
            check_same(&[&input], 1e-5, &format!("averages of {shape:?}"), output, reference);
            let output = ops::global_max_pool(input.clone());
            let reference = composed::global_max_pool(input.clone());
            check_same(&[&input], 0.0, &format!("largest of {shape:?}"), output, reference);
        }
    }
}

#[test]
fn resizing_and_gradients_equal_the_engines() {
    let mut numbers = Numbers::new(34);
    for interpolation in
        [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::BilinearCorners]
    {
        for _ in 0..4 {
            let [batch, n_channels] = [1..=2, 1..=21].map(|range| numbers.size(range));
            let [height, width] = [2..=9, 2..=9].map(|range| numbers.size(range));
            let size = [1..=17, 1..=17].map(|range| numbers.size(range));
            for input in numbers.both_orders([batch, n_channels, height, width]) {
                check_same(
                    &[&input],
                    // Positions are in f32 here and in PyTorch, in f64 in the engine.
                    1e-5,
                    &format!("{interpolation:?} of {:?} to {size:?}", input.dims()),
                    ops::resize2d(input.clone(), size, interpolation),
                    composed::resize2d(input.clone(), size, interpolation),
                );
            }
        }
    }
}
