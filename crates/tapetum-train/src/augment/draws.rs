//! Random numbers of which each call takes exactly one from the stream.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// 0 up to 1, 1 excluded.
pub(super) fn unit(random: &mut ChaCha8Rng) -> f32 {
    random.random()
}

/// True with a probability: never at 0, always at 1.
pub(super) fn chance(probability: f32, random: &mut ChaCha8Rng) -> bool {
    unit(random) < probability
}

/// Uniform between two numbers; exactly the first where both are the same.
pub(super) fn between([lowest, highest]: [f32; 2], random: &mut ChaCha8Rng) -> f32 {
    (lowest + (highest - lowest) * unit(random)).clamp(lowest, highest)
}

/// One of `0..n`, each as likely up to one part in a million for a few hundred.
pub(super) fn index(n: usize, random: &mut ChaCha8Rng) -> usize {
    (f64::from(unit(random)) * n as f64) as usize
}
