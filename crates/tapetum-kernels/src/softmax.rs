//! Softmax over any axis.

use rayon::prelude::*;

use crate::{
    channels::{load, store},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
    math,
};

/// Values of one parallel piece, about; fixed for a shape.
const N_CHUNK: usize = 1 << 14;

/// `e^x / Σ e^x` over the middle axis; the largest value is taken away first, so that nothing
/// overflows.
///
/// # Shapes
/// `input` and `output`: `[outer, axis, inner]`; over the last axis, `inner` is 1.
///
/// # Panics
/// When the lengths do not fit, or the instruction set is missing.
pub fn softmax(
    instructions: Instructions,
    [outer, axis, inner]: [usize; 3],
    input: &[f32],
    output: &mut [f32],
) {
    assert_eq!(input.len(), outer * axis * inner, "[{outer}, {axis}, {inner}] values");
    for_pieces([outer, axis, inner], [input, input], output, |[input, _], stride, columns| {
        instructions.run(Forward { axis, stride, input, output: columns });
    });
}

/// The gradient of the input of [`softmax`], from its output: `y (g - Σ g y)`.
///
/// # Shapes
/// All `[outer, axis, inner]`.
///
/// # Panics
/// As [`softmax`].
pub fn softmax_backward(
    instructions: Instructions,
    [outer, axis, inner]: [usize; 3],
    output: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
) {
    assert_eq!(output.len(), outer * axis * inner, "[{outer}, {axis}, {inner}] values");
    let inputs = [output, output_gradient];
    for_pieces([outer, axis, inner], inputs, input_gradient, |inputs, stride, columns| {
        instructions.run(Backward { axis, stride, inputs, output: columns });
    });
}

/// Columns of one outer index: `count` values next to each other at every place of the axis, a stride
/// apart. The stride is 1 for rows of the last axis, of which there are then `count`.
struct Columns {
    start: *mut f32,
    count: usize,
}

// SAFETY: the columns of different pieces do not overlap, see `for_pieces`.
unsafe impl Send for Columns {}

/// Calls `work` on all threads with pieces of the inputs and of the output: whole rows where the axis
/// is the last one, else runs of columns. The stride is that of the axis.
fn for_pieces(
    [outer, axis, inner]: [usize; 3],
    inputs: [&[f32]; 2],
    output: &mut [f32],
    work: impl Fn([&[f32]; 2], usize, Columns) + Sync,
) {
    assert!(inputs.iter().all(|input| input.len() == output.len()), "slices of one length");
    assert_eq!(output.len(), outer * axis * inner, "[{outer}, {axis}, {inner}] values");
    if output.is_empty() {
        return;
    }
    // Of rows, a piece is several; of columns, a part of one outer index.
    let (n_block, n_run) = if inner == 1 {
        let n_rows = (N_CHUNK / axis).max(1);
        (n_rows * axis, n_rows)
    } else {
        (axis * inner, (N_CHUNK / axis).next_multiple_of(16).max(64))
    };
    output.par_chunks_mut(n_block).enumerate().for_each(|(idx, output)| {
        let inputs = inputs.map(|input| &input[idx * n_block..][..output.len()]);
        if inner == 1 {
            let count = output.len() / axis;
            return work(inputs, 1, Columns { start: output.as_mut_ptr(), count });
        }
        let first = output.as_mut_ptr();
        let runs = (0..inner).step_by(n_run).map(|start| {
            let count = n_run.min(inner - start);
            // SAFETY: `start` is one of the first place's columns.
            (start, Columns { start: unsafe { first.add(start) }, count })
        });
        let runs: Vec<(usize, Columns)> = runs.collect();
        runs.into_par_iter().for_each(|(start, columns)| {
            work(inputs.map(|input| &input[start..]), inner, columns);
        });
    });
}

struct Forward<'a> {
    axis: usize,
    stride: usize,
    input: &'a [f32],
    output: Columns,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { axis, stride, input, output: Columns { start, count } } = self;
        // SAFETY: inputs and outputs hold `count` rows, or as many columns of every place of the axis.
        unsafe {
            if stride == 1 {
                for row in 0..count {
                    forward_row::<V>(axis, input.as_ptr().add(row * axis), start.add(row * axis));
                }
                return;
            }
            let n_whole = count / V::N * V::N;
            for column in (0..n_whole).step_by(V::N) {
                let (from, to) = (input.as_ptr().add(column), start.add(column));
                forward_columns::<V, true>([axis, stride, V::N], from, to);
            }
            if n_whole < count {
                let (from, to) = (input.as_ptr().add(n_whole), start.add(n_whole));
                forward_columns::<V, false>([axis, stride, count - n_whole], from, to);
            }
        }
    }
}

/// # Safety
/// The machine has the lanes' instruction set, and both hold `n` values.
#[inline(always)]
unsafe fn forward_row<V: Lanes>(n: usize, from: *const f32, to: *mut f32) {
    const ONES: [f32; 16] = [1.0; 16];
    let n_whole = n / V::N * V::N;
    let n_rest = n - n_whole;
    // SAFETY: the caller's promise; `idx + V::N` is at most `n`, and the rest ends there.
    unsafe {
        // Lanes beyond the end get the least value.
        let is_there = V::load_first(ONES.as_ptr(), n_rest);
        let rest = V::load_first(from.add(n_whole), n_rest);
        let mut largest = is_there.if_positive(rest, V::splat(f32::NEG_INFINITY));
        for idx in (0..n_whole).step_by(V::N) {
            largest = largest.max(V::load(from.add(idx)));
        }
        let largest = V::splat(largest.largest());
        let rest = math::exp(rest.sub(largest)).mul(is_there);
        let mut sum = rest;
        for idx in (0..n_whole).step_by(V::N) {
            let power = math::exp(V::load(from.add(idx)).sub(largest));
            power.store(to.add(idx));
            sum = sum.add(power);
        }
        let scale = V::splat(1.0 / sum.sum());
        for idx in (0..n_whole).step_by(V::N) {
            V::load(to.add(idx)).mul(scale).store(to.add(idx));
        }
        rest.mul(scale).store_first(to.add(n_whole), n_rest);
    }
}

/// # Safety
/// The machine has the lanes' instruction set, and both hold `count` values at every place of the axis.
#[inline(always)]
unsafe fn forward_columns<V: Lanes, const IS_WHOLE: bool>(
    [axis, stride, count]: [usize; 3],
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut largest = V::splat(f32::NEG_INFINITY);
        for place in 0..axis {
            largest = largest.max(load::<V, IS_WHOLE>(from.add(place * stride), count));
        }
        let mut sum = V::splat(0.0);
        for place in 0..axis {
            let value = load::<V, IS_WHOLE>(from.add(place * stride), count);
            let power = math::exp(value.sub(largest));
            store::<V, IS_WHOLE>(power, to.add(place * stride), count);
            sum = sum.add(power);
        }
        let scale = V::splat(1.0).div(sum);
        for place in 0..axis {
            let to = to.add(place * stride);
            store::<V, IS_WHOLE>(load::<V, IS_WHOLE>(to, count).mul(scale), to, count);
        }
    }
}

struct Backward<'a> {
    axis: usize,
    stride: usize,
    /// The forward's output, and its gradient.
    inputs: [&'a [f32]; 2],
    output: Columns,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { axis, stride, inputs, output: Columns { start, count } } = self;
        let at = |idx: usize| inputs.map(|input| input[idx..].as_ptr());
        // SAFETY: inputs and outputs hold `count` rows, or as many columns of every place of the axis.
        unsafe {
            if stride == 1 {
                for row in (0..count).map(|row| row * axis) {
                    backward_row::<V>(axis, at(row), start.add(row));
                }
                return;
            }
            let n_whole = count / V::N * V::N;
            for column in (0..n_whole).step_by(V::N) {
                let shape = [axis, stride, V::N];
                backward_columns::<V, true>(shape, at(column), start.add(column));
            }
            if n_whole < count {
                let shape = [axis, stride, count - n_whole];
                backward_columns::<V, false>(shape, at(n_whole), start.add(n_whole));
            }
        }
    }
}

/// # Safety
/// The machine has the lanes' instruction set, and all hold `n` values.
#[inline(always)]
unsafe fn backward_row<V: Lanes>(n: usize, [output, gradient]: [*const f32; 2], to: *mut f32) {
    let n_whole = n / V::N * V::N;
    let n_rest = n - n_whole;
    // SAFETY: the caller's promise; `idx + V::N` is at most `n`, and the rest ends there.
    unsafe {
        let rest = [output, gradient].map(|from| V::load_first(from.add(n_whole), n_rest));
        let mut sum = rest[0].mul(rest[1]);
        for idx in (0..n_whole).step_by(V::N) {
            sum = sum.add_product(V::load(output.add(idx)), V::load(gradient.add(idx)));
        }
        let sum = V::splat(sum.sum());
        for idx in (0..n_whole).step_by(V::N) {
            let difference = V::load(gradient.add(idx)).sub(sum);
            V::load(output.add(idx)).mul(difference).store(to.add(idx));
        }
        rest[0].mul(rest[1].sub(sum)).store_first(to.add(n_whole), n_rest);
    }
}

/// # Safety
/// The machine has the lanes' instruction set, and all hold `count` values at every place of the axis.
#[inline(always)]
unsafe fn backward_columns<V: Lanes, const IS_WHOLE: bool>(
    [axis, stride, count]: [usize; 3],
    [output, gradient]: [*const f32; 2],
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let at =
            |from: *const f32, place: usize| load::<V, IS_WHOLE>(from.add(place * stride), count);
        let mut sum = V::splat(0.0);
        for place in 0..axis {
            sum = sum.add_product(at(output, place), at(gradient, place));
        }
        for place in 0..axis {
            let value = at(output, place).mul(at(gradient, place).sub(sum));
            store::<V, IS_WHOLE>(value, to.add(place * stride), count);
        }
    }
}
