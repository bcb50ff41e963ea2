//! Comparing kernels with references in f64, for every instruction set and number of threads.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tapetum_kernels::Instructions;

/// Numbers that are the same in every run.
pub(crate) fn numbers(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `n` values in ±`scale`.
pub(crate) fn random(n: usize, scale: f32, numbers: &mut ChaCha8Rng) -> Vec<f32> {
    (0..n).map(|_| scale * (2.0 * numbers.random::<f32>() - 1.0)).collect()
}

/// The values with one before them, so that `[1..]` of it starts in the middle of a register.
pub(crate) fn shifted(values: &[f32]) -> Vec<f32> {
    std::iter::once(f32::NAN).chain(values.iter().copied()).collect()
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// Computes with every instruction set into a buffer that starts off a register's boundary, compares
/// with the expected values by peak and root mean square of the errors, and with the bits that one
/// thread and three find.
pub(crate) fn check(
    what: &str,
    expected: &[f64],
    [peak, rmse]: [f64; 2],
    compute: impl Fn(Instructions, &mut [f32]) + Sync,
) {
    for instructions in Instructions::available() {
        let on = |pool: &ThreadPool| {
            let mut found = vec![f32::NAN; expected.len() + 1];
            pool.install(|| compute(instructions, &mut found[1..]));
            found.split_off(1)
        };
        let found = POOLS.with(|[one, three]| {
            let found = on(one);
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&on(three)), "{what}: more threads, other bits");
            found
        });
        let errors = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
        let largest = errors.clone().fold(0.0, |a: f64, b| if b <= a { a } else { b });
        let mean_square = errors.map(|e| e * e).sum::<f64>() / expected.len().max(1) as f64;
        let name = instructions.name();
        assert!(largest <= peak, "{what} {name}: peak error {largest}, allowed {peak}");
        assert!(mean_square.sqrt() <= rmse, "{what} {name}: rmse {}", mean_square.sqrt());
    }
}

thread_local! {
    static POOLS: [ThreadPool; 2] =
        [1, 3].map(|n| ThreadPoolBuilder::new().num_threads(n).build().expect("threads"));
}

/// The gradient of a function by central differences.
pub(crate) fn differences(at: &[f64], function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut at = at.to_vec();
    (0..at.len())
        .map(|idx| {
            let value = at[idx];
            at[idx] = value + STEP;
            let above = function(&at);
            at[idx] = value - STEP;
            let below = function(&at);
            at[idx] = value;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn has_nonzero(values: &[f64]) -> bool {
    values.iter().any(|value| value.abs() > 1e-6)
}
