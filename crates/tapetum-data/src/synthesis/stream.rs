//! A stream of random numbers for each picture.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// Random numbers that depend on the seed and the picture's name alone, not on which pictures came
/// before: a set made in another order, or only in part, has the same pictures.
pub fn random_stream(seed: u64, name: &str) -> ChaCha8Rng {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
    ChaCha8Rng::from_seed(hash.into())
}
