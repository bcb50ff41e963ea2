//! The selective scan.

use burn::tensor::Tensor;
use tapetum_nn::ops::{self, ScanDirection, ScanInputs, composed};

use super::{Leaf, Numbers, check_same, leaf, values, weighted_sum};

/// Inputs of images `[batch, channels, height, width]`, in both memory orders.
pub(super) fn scan_inputs(
    numbers: &mut Numbers,
    [batch, n_channels, height, width]: [usize; 4],
    n_states: usize,
) -> [ScanInputs; 2] {
    let mut images = |n| numbers.both_orders([batch, n, height, width]).into_iter();
    let [mut x, mut step] = [images(n_channels), images(n_channels)];
    let [mut input, mut output] = [images(n_states), images(n_states)];
    [(); 2].map(|()| {
        let decay = values(&numbers.untracked([n_channels, n_states]));
        let decay = decay.iter().map(|value| -value.abs()).collect();
        ScanInputs {
            x: x.next().unwrap(),
            step: step.next().unwrap(),
            step_bias: numbers.tensor([n_channels]),
            decay: leaf(decay, [n_channels, n_states]).require_grad(),
            input: input.next().unwrap(),
            output: output.next().unwrap(),
            skip: numbers.tensor([n_channels]),
        }
    })
}

pub(super) fn leaves(inputs: &ScanInputs) -> [&dyn Leaf; 7] {
    let ScanInputs { x, step, step_bias, decay, input, output, skip } = inputs;
    [x, step, step_bias, decay, input, output, skip]
}

#[test]
fn scans_and_gradients_equal_the_composed_ones() {
    let mut numbers = Numbers::new(37);
    for direction in ScanDirection::ALL {
        let [batch, n_channels, n_states] = [1..=2, 1..=19, 1..=6].map(|r| numbers.size(r));
        let [height, width] = [3..=8, 3..=8].map(|range| numbers.size(range));
        let shape = [batch, n_channels, height, width];
        for inputs in scan_inputs(&mut numbers, shape, n_states) {
            check_same(
                &leaves(&inputs),
                // Sums over up to 128 positions in another order; the kernel's exponentials.
                5e-5,
                &format!("{shape:?}, {n_states} states, {direction:?}"),
                ops::selective_scan(inputs.clone(), direction),
                composed::selective_scan(inputs.clone(), direction),
            );
        }
    }
}

#[test]
fn the_gradients_of_a_scan_equal_finite_differences() {
    let mut numbers = Numbers::new(38);
    let [inputs, _] = scan_inputs(&mut numbers, [1, 2, 3, 2], 2);
    // One input, moved.
    macro_rules! moved {
        ($($name:ident),*) => {
            [$(&|idx, by| {
                ScanInputs { $name: moved(&inputs.$name, idx, by), ..inputs.clone() }
            }),*]
        };
    }
    let moves: [&dyn Fn(usize, f32) -> ScanInputs; 7] =
        moved![x, step, step_bias, decay, input, output, skip];
    for direction in ScanDirection::ALL {
        let loss = |inputs| weighted_sum(ops::selective_scan(inputs, direction));
        let gradients = loss(inputs.clone()).backward();
        for (field, (leaf, moved)) in leaves(&inputs).into_iter().zip(moves).enumerate() {
            for (idx, found) in leaf.gradient(&gradients).into_iter().enumerate() {
                let loss = |by| f64::from(loss(moved(idx, by)).into_scalar::<f32>());
                let step = 1e-2;
                let expected = (loss(step) - loss(-step)) / f64::from(2.0 * step);
                // The third derivative and the rounding of the loss, each about 1e-4 of it.
                let error = (f64::from(found) - expected).abs();
                let what = format!("{direction:?}, input {field}, value {idx}");
                assert!(error < 1e-3 * expected.abs().max(1.0), "{what}: {found} for {expected}");
            }
        }
    }
}

fn moved<const D: usize>(tensor: &Tensor<D>, idx: usize, by: f32) -> Tensor<D> {
    let mut moved = values(tensor);
    moved[idx] += by;
    leaf(moved, tensor.dims())
}
