//! Keyed randomness: a generator for every purpose, with no state to keep.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of a purpose: its key is (seed, purpose, two numbers more), so that no draw depends on another.
pub(crate) fn rng(seed: u64, purpose: [u8; 8], a: u64, b: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (chunk, word) in key.chunks_exact_mut(8).zip([seed, u64::from_le_bytes(purpose), a, b]) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
