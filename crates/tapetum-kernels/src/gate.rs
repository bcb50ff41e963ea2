//! Products of one image and an activation of another, as in gated networks.

use rayon::prelude::*;

use crate::{
    activation::Activation,
    elementwise::{Binary, each_pair, for_chunk_pairs},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Values of one parallel piece.
const N_CHUNK: usize = 1 << 15;

/// `output = value · activation(gate)`.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn gated(
    instructions: Instructions,
    activation: Activation,
    value: &[f32],
    gate: &[f32],
    output: &mut [f32],
) {
    for_chunk_pairs(value, gate, output, |value, gate, output| {
        instructions.run(Gated { activation, value, gate, output });
    });
}

/// The gradients of [`gated`]'s inputs, given that of its output.
///
/// # Panics
/// As [`gated`].
pub fn gated_backward(
    instructions: Instructions,
    activation: Activation,
    [value, gate]: [&[f32]; 2],
    output_gradient: &[f32],
    [value_gradient, gate_gradient]: [&mut [f32]; 2],
) {
    let n = value.len();
    let lengths = [gate.len(), output_gradient.len(), value_gradient.len(), gate_gradient.len()];
    assert_eq!(lengths, [n; 4], "slices of one length");
    let inputs = value.par_chunks(N_CHUNK).zip(gate.par_chunks(N_CHUNK));
    let inputs = inputs.zip(output_gradient.par_chunks(N_CHUNK));
    let results = value_gradient.par_chunks_mut(N_CHUNK).zip(gate_gradient.par_chunks_mut(N_CHUNK));
    inputs.zip(results).for_each(|(((value, gate), gradient), results)| {
        let results = [results.0, results.1];
        instructions.run(GatedBackward { activation, value, gate, gradient, results });
    });
}

struct Gated<'a> {
    activation: Activation,
    value: &'a [f32],
    gate: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let inputs = [self.value.as_ptr(), self.gate.as_ptr()];
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe {
            each_pair::<V>(
                Product(self.activation),
                inputs,
                self.output.as_mut_ptr(),
                self.value.len(),
            );
        }
    }
}

/// `a · activation(b)`.
#[derive(Clone, Copy)]
struct Product(Activation);

impl Binary for Product {
    #[inline(always)]
    unsafe fn of<V: Lanes>(self, a: V, b: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { a.mul(self.0.apply(b)) }
    }
}

struct GatedBackward<'a> {
    activation: Activation,
    value: &'a [f32],
    gate: &'a [f32],
    gradient: &'a [f32],
    results: [&'a mut [f32]; 2],
}

impl Kernel for GatedBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { activation, value, gate, gradient, results } = self;
        let n = value.len();
        let [to_value, to_gate] = results.map(<[f32]>::as_mut_ptr);
        let from = [value.as_ptr(), gate.as_ptr(), gradient.as_ptr()];
        // SAFETY: the caller's promise; all slices are `n` long.
        unsafe {
            for idx in (0..n).step_by(V::N) {
                let n_left = (n - idx).min(V::N);
                let [value, gate, gradient] = from.map(|from| {
                    let from = from.add(idx);
                    if n_left == V::N { V::load(from) } else { V::load_first(from, n_left) }
                });
                let results = [
                    (gradient.mul(activation.apply(gate)), to_value),
                    (activation.gradient_from_input(gate, gradient.mul(value)), to_gate),
                ];
                for (result, to) in results {
                    let to = to.add(idx);
                    if n_left == V::N { result.store(to) } else { result.store_first(to, n_left) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|idx| 2.0 * (idx as f32 * 0.37 + phase).sin()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_product_and_its_gradients() {
        for instructions in Instructions::available() {
            for n in [1, 7, 16, 33, N_CHUNK + 5] {
                let [value, gate, gradient] = [0.0, 1.0, 2.0].map(|phase| wave(n, phase));
                let silu = |x: f32| x / (1.0 + (-x).exp());
                let mut output = vec![0.0; n];
                gated(instructions, Activation::Silu, &value, &gate, &mut output);
                let mut gradients = [vec![0.0; n], vec![0.0; n]];
                let results = gradients.each_mut().map(Vec::as_mut_slice);
                gated_backward(instructions, Activation::Silu, [&value, &gate], &gradient, results);
                for idx in 0..n {
                    let (v, z, g) = (value[idx], gate[idx], gradient[idx]);
                    let sigmoid = 1.0 / (1.0 + (-z).exp());
                    let slope = sigmoid * (1.0 + z * (1.0 - sigmoid));
                    let expected = [v * silu(z), g * silu(z), g * v * slope];
                    let found = [output[idx], gradients[0][idx], gradients[1][idx]];
                    for (found, expected) in found.iter().zip(expected) {
                        let error = (found - expected).abs();
                        assert!(error < 1e-5, "{instructions:?} {n}: {found} for {expected}");
                    }
                }
            }
        }
    }
}
