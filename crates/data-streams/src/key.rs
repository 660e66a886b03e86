//! The generators of this crate's draws.

use keyed_random::{Key, Purpose};
use rand_chacha::ChaCha8Rng;

/// The generator of a purpose at two numbers more.
pub(crate) fn rng(seed: u64, purpose: [u8; 8], a: u64, b: u64) -> ChaCha8Rng {
    Key::new(seed, Purpose::tagged(purpose)).experience(a as usize).step(b as usize).rng(0)
}
