//! How fast this machine multiplies and adds when nothing else holds it up.

use std::{hint::black_box, thread, time::Instant};

use crate::{
    conv::{Compute, Precision},
    instructions::{Instructions, Kernel},
    lanes::Lanes,
};

/// Rounds of one attempt: some milliseconds, so that starting threads does not count.
const N_ROUNDS: usize = 1 << 20;
/// The fastest of so many attempts counts; others were disturbed, or the clock was still rising.
const N_ATTEMPTS: usize = 16;

/// Operations a second that `n_threads` threads together reach on independent sums of products held in
/// registers; a product and a sum are two operations. No kernel of this crate can be faster. `None` where
/// products run on a matrix unit, which has no such registers.
///
/// # Panics
/// Without a thread, or when the machine lacks the instruction set.
pub fn peak_flops(compute: Compute, n_threads: usize) -> Option<f64> {
    assert!(n_threads > 0, "a thread to measure with");
    if (compute.instructions, compute.precision) == (Instructions::Amx, Precision::Bf16) {
        return None;
    }
    let attempts = (0..N_ATTEMPTS).map(|_| attempt(compute, n_threads));
    Some(attempts.fold(0.0, f64::max))
}

fn attempt(compute: Compute, n_threads: usize) -> f64 {
    let Compute { instructions, precision } = compute;
    let start = Instant::now();
    let n_operations: usize = thread::scope(|scope| {
        let start_one = |_| scope.spawn(move || instructions.run(SumProducts { precision }));
        let threads: Vec<_> = (0..n_threads).map(start_one).collect();
        let count = |thread: thread::ScopedJoinHandle<usize>| {
            thread.join().expect("summing products does not panic")
        };
        threads.into_iter().map(count).sum()
    });
    n_operations as f64 / start.elapsed().as_secs_f64()
}

/// Sums products in as many registers as there are; returns the number of operations.
struct SumProducts {
    precision: Precision,
}

impl Kernel for SumProducts {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<V: Lanes>(self) -> usize {
        // SAFETY: the caller's promise.
        unsafe {
            match (V::N_ACCUMULATORS, self.precision) {
                (24, Precision::F32) => sum_products::<V, 24>(|sum, a, b| sum.add_product(a, b)),
                (24, Precision::Bf16) => {
                    2 * sum_products::<V, 24>(|sum, a, b| sum.add_pair_products(a, b))
                }
                (12, Precision::F32) => sum_products::<V, 12>(|sum, a, b| sum.add_product(a, b)),
                (12, Precision::Bf16) => {
                    2 * sum_products::<V, 12>(|sum, a, b| sum.add_pair_products(a, b))
                }
                (_, Precision::F32) => sum_products::<V, 4>(|sum, a, b| sum.add_product(a, b)),
                (_, Precision::Bf16) => {
                    2 * sum_products::<V, 4>(|sum, a, b| sum.add_pair_products(a, b))
                }
            }
        }
    }
}

/// `N_ROUNDS` products added to each of `N` sums; returns the number of operations for one product a
/// lane.
///
/// # Safety
/// The machine has the lanes' instruction set.
#[inline(always)]
unsafe fn sum_products<V: Lanes, const N: usize>(add: impl Fn(V, V, V) -> V) -> usize {
    // SAFETY: the caller's promise; the array has room for a register.
    unsafe {
        // Small enough that the sums stay ordinary numbers, in both precisions.
        let (a, b) = (V::splat(black_box(0.5)), V::splat(black_box(0.25)));
        // Different starts, so that no two sums are one to the compiler.
        let mut sums: [V; N] = std::array::from_fn(|idx| V::splat(black_box(idx as f32)));
        for _ in 0..N_ROUNDS {
            for sum in &mut sums {
                *sum = add(*sum, a, b);
            }
        }
        let mut lanes = [0.0; 16];
        for sum in sums {
            sum.store(lanes.as_mut_ptr());
            black_box(lanes);
        }
    }
    2 * N * N_ROUNDS * V::N
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_has_a_peak_in_both_precisions() {
        for instructions in Instructions::available() {
            for precision in [Precision::F32, Precision::Bf16] {
                let peak = attempt(Compute { instructions, precision }, 1);
                assert!(peak.is_finite() && peak > 0.0, "{}", instructions.name());
            }
        }
    }
}
