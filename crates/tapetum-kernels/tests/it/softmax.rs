//! Softmax and its gradient against the formula in f64.

use tapetum_kernels::{Instructions, softmax, softmax_backward};

use crate::comparison::{check, differences, dot, has_nonzero, numbers, random, shifted, wide};

/// Outer, axis, inner.
const SIZES: [[usize; 3]; 13] = [
    [1, 1, 1],
    [4, 3, 1],
    [3, 8, 1],
    [2, 21, 1],
    [1, 32, 1],
    [5, 33, 1],
    [2, 64, 1],
    [9, 4000, 1],
    [1, 5, 2],
    [2, 3, 17],
    [1, 64, 33],
    [3, 1, 64],
    [1, 4, 9001],
];

/// Applies `function` along the axis.
fn along_axis(
    [outer, axis, inner]: [usize; 3],
    values: &[f64],
    function: impl Fn(usize, &[f64]) -> Vec<f64>,
) -> Vec<f64> {
    let mut result = vec![0.0; values.len()];
    for (outer, inner_idx) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let place = |idx: usize| (outer * axis + idx) * inner + inner_idx;
        let row: Vec<f64> = (0..axis).map(|idx| values[place(idx)]).collect();
        for (idx, value) in function(outer * inner + inner_idx, &row).into_iter().enumerate() {
            result[place(idx)] = value;
        }
    }
    result
}

fn shares(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|value| (value - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[test]
fn shares_equal_the_formula() {
    let mut numbers = numbers(60);
    for size in SIZES {
        let input = shifted(&random(size.iter().product(), 6.0, &mut numbers));
        let expected = along_axis(size, &wide(&input[1..]), |_, row| shares(row));
        // Differences of values up to 12 are off by 5e-7 of the power, and `exp` by 2e-7.
        check(&format!("{size:?}"), &expected, [1e-6, 3e-7], |set, output| {
            softmax(set, size, &input[1..], output);
        });
    }
}

#[test]
fn gradients_equal_differences_of_the_formula() {
    let mut numbers = numbers(61);
    // Differences take a long row's length squared.
    for size in SIZES.into_iter().filter(|[_, axis, _]| *axis < 1000) {
        let n = size.iter().product();
        let input = wide(&random(n, 3.0, &mut numbers));
        let gradient = shifted(&random(n, 1.0, &mut numbers));
        let output: Vec<f32> =
            along_axis(size, &input, |_, row| shares(row)).iter().map(|y| *y as f32).collect();
        let gradients = wide(&gradient[1..]);
        let [_, axis, inner] = size;
        let expected = along_axis(size, &input, |idx, row| {
            let (outer, inner_idx) = (idx / inner, idx % inner);
            let gradient: Vec<f64> = (0..axis)
                .map(|place| gradients[(outer * axis + place) * inner + inner_idx])
                .collect();
            differences(row, |row| dot(&shares(row), &gradient))
        });
        assert!(axis == 1 || has_nonzero(&expected));
        let output = shifted(&output);
        // Shares are rounded to f32, and their sum is below 1.
        check(&format!("{size:?}"), &expected, [5e-7, 1e-7], |set, found| {
            softmax_backward(set, size, &output[1..], &gradient[1..], found);
        });
    }
}

#[test]
fn large_values_do_not_overflow_and_masked_ones_get_nothing() {
    for instructions in Instructions::available() {
        for size in [[1, 3, 1], [1, 3, 2]] {
            let row = [1e30, 1e30, f32::NEG_INFINITY];
            let input: Vec<f32> = row.iter().flat_map(|value| vec![*value; size[2]]).collect();
            let mut found = vec![f32::NAN; input.len()];
            softmax(instructions, size, &input, &mut found);
            for (found, expected) in found.chunks(size[2]).zip([0.5, 0.5, 0.0]) {
                assert!(found.iter().all(|share| (share - expected).abs() < 1e-6), "{found:?}");
            }
        }
    }
}
