//! Pooling and its gradients against plain loops in f64.

use tapetum_kernels::{
    Instructions, PoolShape, average_pool, average_pool_backward, global_average,
    global_average_backward, global_max, global_max_backward, max_pool, max_pool_backward,
};

use crate::comparison::{check, has_nonzero, numbers, random, shifted, wide};

const SIZES: [[usize; 4]; 8] = [
    [1, 1, 1, 1],
    [1, 1, 40, 3],
    [1, 37, 1, 8],
    [2, 5, 7, 21],
    [1, 12, 17, 33],
    [1, 9, 6, 32],
    [2, 8, 5, 64],
    [1, 6, 6, 100],
];

/// Window, stride, padding, ceil mode.
type Window = ([usize; 2], [usize; 2], [usize; 2], bool);

const WINDOWS: [Window; 7] = [
    ([1, 1], [1, 1], [0, 0], false),
    ([2, 2], [2, 2], [0, 0], false),
    ([2, 2], [2, 2], [0, 0], true),
    ([3, 3], [2, 2], [1, 1], true),
    ([3, 2], [1, 3], [1, 1], false),
    ([5, 5], [5, 5], [0, 0], true),
    ([4, 3], [3, 2], [2, 1], true),
];

fn shapes() -> impl Iterator<Item = PoolShape> {
    let all = SIZES.into_iter().flat_map(|[batch, height, width, channels]| {
        WINDOWS.map(|(window, stride, padding, ceil_mode)| PoolShape {
            batch,
            height,
            width,
            channels,
            window,
            stride,
            padding,
            ceil_mode,
        })
    });
    all.filter(|shape| {
        shape.height + 2 * shape.padding[0] >= shape.window[0]
            && shape.width + 2 * shape.padding[1] >= shape.window[1]
    })
}

fn n_output(shape: &PoolShape) -> usize {
    let [height, width] = shape.output_size();
    shape.batch * height * width * shape.channels
}

/// The inputs that each output's window holds, row by row.
fn windows(shape: &PoolShape) -> Vec<Vec<usize>> {
    let PoolShape { batch, height, width, channels, window, stride, padding, .. } = *shape;
    let [rows, columns] = shape.output_size();
    let mut windows = Vec::new();
    for (image, y) in (0..batch).flat_map(|image| (0..rows).map(move |y| (image, y))) {
        for (x, channel) in (0..columns).flat_map(|x| (0..channels).map(move |c| (x, c))) {
            let mut inputs = Vec::new();
            for (ky, kx) in (0..window[0]).flat_map(|ky| (0..window[1]).map(move |kx| (ky, kx))) {
                let iy = (y * stride[0] + ky).checked_sub(padding[0]).filter(|y| *y < height);
                let ix = (x * stride[1] + kx).checked_sub(padding[1]).filter(|x| *x < width);
                if let (Some(iy), Some(ix)) = (iy, ix) {
                    inputs.push(((image * height + iy) * width + ix) * channels + channel);
                }
            }
            windows.push(inputs);
        }
    }
    windows
}

/// Of some positions, the first with the largest value.
fn first_largest(values: &[f32], positions: impl IntoIterator<Item = usize>) -> usize {
    let later = |best: usize, next| if values[next] > values[best] { next } else { best };
    positions.into_iter().reduce(later).expect("windows hold a pixel")
}

/// Values of which many are equal.
fn coarse(n: usize, seed: u64) -> Vec<f32> {
    random(n, 2.0, &mut numbers(seed)).iter().map(|value| value.round()).collect()
}

#[test]
fn output_sizes_are_those_of_pytorch() {
    // Size, window, stride, padding; output rounded down and up.
    for (n, window, stride, padding, floor, ceil) in [
        (5, 2, 2, 0, 2, 3),
        (4, 2, 2, 0, 2, 2),
        (6, 3, 2, 1, 3, 4),
        (4, 2, 3, 1, 2, 2),
        (1, 3, 2, 1, 1, 1),
    ] {
        for (ceil_mode, expected) in [(false, floor), (true, ceil)] {
            let shape = PoolShape {
                batch: 1,
                height: n,
                width: n,
                channels: 1,
                ceil_mode,
                window: [window; 2],
                stride: [stride; 2],
                padding: [padding; 2],
            };
            assert_eq!(shape.output_size(), [expected; 2], "{shape:?}");
        }
    }
}

#[test]
fn averages_and_their_gradients_equal_plain_loops() {
    let mut numbers = numbers(40);
    for shape in shapes() {
        let n_input = shape.batch * shape.height * shape.width * shape.channels;
        let input = shifted(&random(n_input, 1.0, &mut numbers));
        let gradient = shifted(&random(n_output(&shape), 1.0, &mut numbers));
        let (values, gradients) = (wide(&input[1..]), wide(&gradient[1..]));
        let windows = windows(&shape);
        let mean = |window: &Vec<usize>| {
            window.iter().map(|idx| values[*idx]).sum::<f64>() / window.len() as f64
        };
        let expected: Vec<f64> = windows.iter().map(mean).collect();
        // Sums of at most 25 values below 1, and shares that are rounded.
        check(&format!("{shape:?}"), &expected, [1e-6, 2e-7], |set, output| {
            average_pool(set, &shape, &input[1..], output);
        });
        let mut expected = vec![0.0; n_input];
        for (window, gradient) in windows.iter().zip(&gradients) {
            for idx in window {
                expected[*idx] += gradient / window.len() as f64;
            }
        }
        assert!(has_nonzero(&expected));
        check(&format!("{shape:?} backward"), &expected, [1e-6, 2e-7], |set, output| {
            average_pool_backward(set, &shape, &gradient[1..], output);
        });
    }
}

#[test]
fn largest_values_and_their_gradients_equal_plain_loops() {
    for (shape, seed) in shapes().zip(400..) {
        let input =
            shifted(&coarse(shape.batch * shape.height * shape.width * shape.channels, seed));
        let gradient = shifted(&random(n_output(&shape), 1.0, &mut numbers(seed)));
        let windows = windows(&shape);
        let largest: Vec<usize> =
            windows.iter().map(|w| first_largest(&input[1..], w.iter().copied())).collect();
        let expected: Vec<f64> = largest.iter().map(|idx| f64::from(input[1 + idx])).collect();
        // Nothing is rounded.
        check(&format!("{shape:?}"), &expected, [0.0, 0.0], |set, output| {
            max_pool(set, &shape, &input[1..], output);
        });
        let mut expected = vec![0.0; input.len() - 1];
        for (idx, gradient) in largest.iter().zip(wide(&gradient[1..])) {
            expected[*idx] += gradient;
        }
        assert!(has_nonzero(&expected));
        // Sums of at most six values below 1.
        check(&format!("{shape:?} backward"), &expected, [1e-6, 2e-7], |set, output| {
            max_pool_backward(set, &shape, &input[1..], &gradient[1..], output);
        });
    }
}

/// Batch, pixels (around a parallel piece) and channels.
const GLOBAL: [[usize; 3]; 6] =
    [[1, 1, 1], [2, 7, 3], [1, 1025, 8], [2, 530, 33], [1, 2100, 21], [1, 300, 100]];

#[test]
fn global_averages_and_their_gradients_equal_plain_loops() {
    let mut numbers = numbers(41);
    for size @ [batch, pixels, channels] in GLOBAL {
        let input = shifted(&random(batch * pixels * channels, 1.0, &mut numbers));
        let gradient = shifted(&random(batch * channels, 1.0, &mut numbers));
        let output_of = |idx: usize| idx / (pixels * channels) * channels + idx % channels;
        let mut expected = vec![0.0; batch * channels];
        for (idx, value) in wide(&input[1..]).iter().enumerate() {
            expected[output_of(idx)] += value / pixels as f64;
        }
        // Sums of 1024 values below 1 in four parts.
        check(&format!("{size:?}"), &expected, [1e-6, 2e-7], |set, output| {
            global_average(set, size, &input[1..], output);
        });
        let gradients = wide(&gradient[1..]);
        let share = |idx| gradients[output_of(idx)] / pixels as f64;
        let expected: Vec<f64> = (0..input.len() - 1).map(share).collect();
        assert!(has_nonzero(&expected));
        check(&format!("{size:?} backward"), &expected, [1e-7, 3e-8], |set, output| {
            global_average_backward(set, size, &gradient[1..], output);
        });
    }
}

#[test]
fn global_largest_values_and_their_gradients_equal_plain_loops() {
    for (size @ [batch, pixels, channels], seed) in GLOBAL.into_iter().zip(420..) {
        let input = shifted(&coarse(batch * pixels * channels, seed));
        let gradient = shifted(&random(batch * channels, 1.0, &mut numbers(seed)));
        let largest = (0..batch * channels).map(|output| {
            let start = output / channels * pixels * channels + output % channels;
            let positions = (0..pixels).map(|pixel| start + pixel * channels);
            first_largest(&input[1..], positions)
        });
        let largest: Vec<usize> = largest.collect();
        let expected: Vec<f64> = largest.iter().map(|idx| f64::from(input[1 + idx])).collect();
        check(&format!("{size:?}"), &expected, [0.0, 0.0], |set, output| {
            global_max(set, size, &input[1..], output);
        });
        let mut expected = vec![0.0; input.len() - 1];
        for (idx, gradient) in largest.iter().zip(wide(&gradient[1..])) {
            expected[*idx] = gradient;
        }
        assert!(has_nonzero(&expected));
        check(&format!("{size:?} backward"), &expected, [0.0, 0.0], |set, output| {
            global_max_backward(set, size, &input[1..], &gradient[1..], output);
        });
    }
}

#[test]
fn the_largest_of_infinite_values_is_found() {
    let shape = PoolShape {
        batch: 1,
        height: 1,
        width: 3,
        channels: 1,
        ceil_mode: false,
        window: [1, 3],
        stride: [1, 1],
        padding: [0, 0],
    };
    for instructions in Instructions::available() {
        for (input, place) in
            [([f32::NEG_INFINITY; 3], 0), ([f32::NEG_INFINITY, f32::INFINITY, f32::INFINITY], 1)]
        {
            let (mut output, mut gradient) = ([0.0], [0.0; 3]);
            max_pool(instructions, &shape, &input, &mut output);
            assert_eq!(output[0], input[place]);
            max_pool_backward(instructions, &shape, &input, &[2.0], &mut gradient);
            assert_eq!(gradient, std::array::from_fn(|idx| if idx == place { 2.0 } else { 0.0 }));
        }
    }
}
