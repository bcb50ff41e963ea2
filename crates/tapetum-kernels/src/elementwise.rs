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

/// A function of a value. A trait rather than a closure, as only functions can be marked
/// `#[inline(always)]`, without which they would not be compiled for the instruction set.
pub(crate) trait Unary: Copy {
    /// # Safety
    /// The machine has the lanes' instruction set.
    unsafe fn of<V: Lanes>(self, a: V) -> V;
}

/// A function of two values; see [`Unary`].
pub(crate) trait Binary: Copy {
    /// # Safety
    /// The machine has the lanes' instruction set.
    unsafe fn of<V: Lanes>(self, a: V, b: V) -> V;
}

/// `output = function(a)`, register by register.
///
/// # Safety
/// The machine has the lanes' instruction set, `a` can be read and `output` written `n` times; they may
/// be the same.
#[inline(always)]
pub(crate) unsafe fn each<V: Lanes>(
    function: impl Unary,
    a: *const f32,
    output: *mut f32,
    n: usize,
) {
    let n_whole = n / V::N * V::N;
    let n_rest = n - n_whole;
    // SAFETY: `idx + V::N` is at most `n`, and the rest ends there.
    unsafe {
        for idx in (0..n_whole).step_by(V::N) {
            function.of(V::load(a.add(idx))).store(output.add(idx));
        }
        if n_rest > 0 {
            let result = function.of(V::load_first(a.add(n_whole), n_rest));
            result.store_first(output.add(n_whole), n_rest);
        }
    }
}

/// `output = function(a, b)`, register by register.
///
/// # Safety
/// As [`each`], for both inputs.
#[inline(always)]
pub(crate) unsafe fn each_pair<V: Lanes>(
    function: impl Binary,
    [a, b]: [*const f32; 2],
    output: *mut f32,
    n: usize,
) {
    let n_whole = n / V::N * V::N;
    let n_rest = n - n_whole;
    // SAFETY: `idx + V::N` is at most `n`, and the rest ends there.
    unsafe {
        for idx in (0..n_whole).step_by(V::N) {
            function.of(V::load(a.add(idx)), V::load(b.add(idx))).store(output.add(idx));
        }
        if n_rest > 0 {
            let a = V::load_first(a.add(n_whole), n_rest);
            let b = V::load_first(b.add(n_whole), n_rest);
            function.of(a, b).store_first(output.add(n_whole), n_rest);
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
        let inputs = [self.a.as_ptr(), self.b.as_ptr()];
        let output = self.output.as_mut_ptr();
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe { each_pair::<V>(Sum { scale: None }, inputs, output, self.a.len()) }
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
        let output = self.output.as_mut_ptr();
        let scale = Some(self.scale);
        // SAFETY: the caller's promise; the lengths are equal.
        unsafe {
            each_pair::<V>(
                Sum { scale },
                [output.cast_const(), self.a.as_ptr()],
                output,
                self.a.len(),
            );
        }
    }
}

/// `a + scale * b`.
#[derive(Clone, Copy)]
struct Sum {
    scale: Option<f32>,
}

impl Binary for Sum {
    #[inline(always)]
    unsafe fn of<V: Lanes>(self, a: V, b: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            match self.scale {
                None => a.add(b),
                Some(scale) => a.add_product(V::splat(scale), b),
            }
        }
    }
}
