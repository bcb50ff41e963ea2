//! Sums of slices, and the loops over every value that element by element kernels share.

use rayon::prelude::*;

use crate::{
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Values of one parallel piece: enough that handing it out costs nothing, and the same for any
/// number of threads.
const N_CHUNK: usize = 1 << 15;

/// `output = a + b`.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn add(instructions: Instructions, a: &[f32], b: &[f32], output: &mut [f32]) {
    for_chunk_pairs(a, b, output, |a, b, output| instructions.run(Add { a, b, output }));
}

/// `output += scale * a`.
///
/// # Panics
/// When the slices differ in length, or the instruction set is missing.
pub fn add_scaled(instructions: Instructions, scale: f32, a: &[f32], output: &mut [f32]) {
    for_chunks(a, output, |a, output| instructions.run(AddScaled { scale, a, output }));
}

/// Calls `operation` with pieces of both slices, on all threads.
pub(crate) fn for_chunks(
    a: &[f32],
    output: &mut [f32],
    operation: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    assert_eq!(a.len(), output.len(), "slices of one length");
    if output.len() <= N_CHUNK {
        return operation(a, output);
    }
    let chunks = output.par_chunks_mut(N_CHUNK).zip(a.par_chunks(N_CHUNK));
    chunks.for_each(|(output, a)| operation(a, output));
}

/// Calls `operation` with pieces of all three slices, on all threads.
pub(crate) fn for_chunk_pairs(
    a: &[f32],
    b: &[f32],
    output: &mut [f32],
    operation: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
) {
    assert!(a.len() == output.len() && b.len() == output.len(), "slices of one length");
    if output.len() <= N_CHUNK {
        return operation(a, b, output);
    }
    let inputs = a.par_chunks(N_CHUNK).zip(b.par_chunks(N_CHUNK));
    let chunks = output.par_chunks_mut(N_CHUNK).zip(inputs);
    chunks.for_each(|(output, (a, b))| operation(a, b, output));
}

/// `output = operation(a)`, register by register.
///
/// # Safety
/// The machine has the lanes' instruction set, and the slices are equally long.
#[inline(always)]
pub(crate) unsafe fn each<V: Lanes>(a: &[f32], output: &mut [f32], operation: impl Fn(V) -> V) {
    debug_assert_eq!(a.len(), output.len());
    let n_whole = a.len() / V::N * V::N;
    let n_rest = a.len() - n_whole;
    let (a, output) = (a.as_ptr(), output.as_mut_ptr());
    // SAFETY: `idx + V::N` is at most the length, and the rest ends there.
    unsafe {
        for idx in (0..n_whole).step_by(V::N) {
            operation(V::load(a.add(idx))).store(output.add(idx));
        }
        if n_rest > 0 {
            let result = operation(V::load_first(a.add(n_whole), n_rest));
            result.store_first(output.add(n_whole), n_rest);
        }
    }
}

/// `output = operation(a, b)`, register by register.
///
/// # Safety
/// The machine has the lanes' instruction set, and the slices are equally long.
#[inline(always)]
pub(crate) unsafe fn each_pair<V: Lanes>(
    a: &[f32],
    b: &[f32],
    output: &mut [f32],
    operation: impl Fn(V, V) -> V,
) {
    debug_assert!(a.len() == output.len() && b.len() == output.len());
    let n_whole = a.len() / V::N * V::N;
    let n_rest = a.len() - n_whole;
    let (a, b, output) = (a.as_ptr(), b.as_ptr(), output.as_mut_ptr());
    // SAFETY: `idx + V::N` is at most the length, and the rest ends there.
    unsafe {
        for idx in (0..n_whole).step_by(V::N) {
            operation(V::load(a.add(idx)), V::load(b.add(idx))).store(output.add(idx));
        }
        if n_rest > 0 {
            let a = V::load_first(a.add(n_whole), n_rest);
            let b = V::load_first(b.add(n_whole), n_rest);
            operation(a, b).store_first(output.add(n_whole), n_rest);
        }
    }
}

struct Add<'a> {
    a: &'a [f32],
    b: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe { each_pair::<V>(self.a, self.b, self.output, |a, b| a.add(b)) }
    }
}

struct AddScaled<'a> {
    scale: f32,
    a: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) {
        let Self { scale, a, output } = self;
        let n_whole = a.len() / V::N * V::N;
        let n_rest = a.len() - n_whole;
        let (a, output) = (a.as_ptr(), output.as_mut_ptr());
        // SAFETY: the lengths are equal; `idx + V::N` is at most that, and the rest ends there.
        unsafe {
            let scale = V::splat(scale);
            for idx in (0..n_whole).step_by(V::N) {
                let sum = V::load(output.add(idx)).add_product(scale, V::load(a.add(idx)));
                sum.store(output.add(idx));
            }
            let (a, output) = (a.add(n_whole), output.add(n_whole));
            let sum = V::load_first(output, n_rest).add_product(scale, V::load_first(a, n_rest));
            sum.store_first(output, n_rest);
        }
    }
}
