//! Interpolation and its gradient against plain loops in f64, and values that PyTorch gives.

use tapetum_kernels::{Instructions, Interpolation, ResizeShape, resize, resize_backward};

use crate::comparison::{check, has_nonzero, numbers, random, shifted, wide};

const ALL: [Interpolation; 3] =
    [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::BilinearCorners];

/// Batch, channels, size before and after.
const SIZES: [(usize, usize, [usize; 2], [usize; 2]); 10] = [
    (1, 1, [1, 1], [1, 1]),
    (1, 3, [1, 1], [3, 2]),
    (2, 64, [5, 7], [10, 14]),
    (1, 33, [4, 6], [9, 5]),
    (1, 8, [8, 9], [3, 4]),
    (3, 21, [1, 9], [1, 20]),
    (1, 32, [6, 1], [3, 1]),
    (1, 3, [7, 5], [7, 5]),
    (1, 100, [4, 4], [1, 1]),
    (1, 1, [13, 2], [40, 31]),
];

fn shapes() -> impl Iterator<Item = ResizeShape> {
    SIZES.into_iter().map(|(batch, channels, [height, width], [output_height, output_width])| {
        ResizeShape { batch, height, width, channels, output_height, output_width }
    })
}

/// The sources of a place, with their weights.
fn taps(interpolation: Interpolation, idx: usize, n_in: usize, n_out: usize) -> Vec<(usize, f64)> {
    let (i, n, m) = (idx as f64, n_in as f64, n_out as f64);
    let position = match interpolation {
        Interpolation::Nearest => return vec![(idx * n_in / n_out, 1.0)],
        Interpolation::Bilinear => ((i + 0.5) * n / m - 0.5).max(0.0),
        Interpolation::BilinearCorners => i * (n - 1.0) / (m - 1.0).max(1.0),
    };
    let (first, last) = (position.floor() as usize, n_in - 1);
    let share = position - position.floor();
    vec![(first.min(last), 1.0 - share), ((first + 1).min(last), share)]
}

/// Calls `visit(input, output, weight)` for every tap.
fn each_tap(
    interpolation: Interpolation,
    shape: &ResizeShape,
    mut visit: impl FnMut(usize, usize, f64),
) {
    let ResizeShape { batch, height, width, channels, output_height, output_width } = *shape;
    for (row, x) in
        (0..batch * output_height).flat_map(|row| (0..output_width).map(move |x| (row, x)))
    {
        let (image, y) = (row / output_height, row % output_height);
        for (iy, row_weight) in taps(interpolation, y, height, output_height) {
            for (ix, weight) in taps(interpolation, x, width, output_width) {
                for channel in 0..channels {
                    let input = ((image * height + iy) * width + ix) * channels + channel;
                    let output = (row * output_width + x) * channels + channel;
                    visit(input, output, row_weight * weight);
                }
            }
        }
    }
}

fn lengths(shape: &ResizeShape) -> [usize; 2] {
    let n = shape.batch * shape.channels;
    [n * shape.height * shape.width, n * shape.output_height * shape.output_width]
}

#[test]
fn images_equal_plain_loops() {
    let mut numbers = numbers(30);
    for (interpolation, shape) in ALL.into_iter().flat_map(|i| shapes().map(move |s| (i, s))) {
        let [n_input, n_output] = lengths(&shape);
        let input = shifted(&random(n_input, 1.0, &mut numbers));
        let mut expected = vec![0.0; n_output];
        let values = wide(&input[1..]);
        each_tap(interpolation, &shape, |i, o, weight| expected[o] += weight * values[i]);
        // Positions of up to 13 in f32, between values up to 2 apart.
        check(&format!("{interpolation:?} {shape:?}"), &expected, [5e-6, 1e-6], |set, output| {
            resize(set, interpolation, &shape, &input[1..], output);
        });
    }
}

#[test]
fn gradients_equal_plain_loops() {
    let mut numbers = numbers(31);
    for (interpolation, shape) in ALL.into_iter().flat_map(|i| shapes().map(move |s| (i, s))) {
        let [n_input, n_output] = lengths(&shape);
        let gradient = shifted(&random(n_output, 1.0, &mut numbers));
        let mut expected = vec![0.0; n_input];
        let values = wide(&gradient[1..]);
        each_tap(interpolation, &shape, |i, o, weight| expected[i] += weight * values[o]);
        assert!(has_nonzero(&expected));
        // As above, for up to 50 values at once.
        check(&format!("{interpolation:?} {shape:?}"), &expected, [2e-5, 5e-6], |set, output| {
            resize_backward(set, interpolation, &shape, &gradient[1..], output);
        });
    }
}

#[test]
fn known_values_are_those_of_pytorch() {
    // `torch.nn.functional.interpolate` of [0, 1, 2] to six values.
    for (interpolation, expected) in [
        (Interpolation::Nearest, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]),
        (Interpolation::Bilinear, [0.0, 0.25, 0.75, 1.25, 1.75, 2.0]),
        (Interpolation::BilinearCorners, [0.0, 0.4, 0.8, 1.2, 1.6, 2.0]),
    ] {
        let shape = ResizeShape {
            batch: 1,
            height: 1,
            width: 3,
            channels: 1,
            output_height: 1,
            output_width: 6,
        };
        let mut found = [f32::NAN; 6];
        resize(Instructions::best(), interpolation, &shape, &[0.0, 1.0, 2.0], &mut found);
        let peak = found.iter().zip(expected).map(|(a, b): (&f32, f32)| (a - b).abs());
        assert!(peak.fold(0.0, f32::max) < 1e-6, "{interpolation:?}: {found:?}");
    }
}
