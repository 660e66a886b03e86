//! Keyed randomness: every draw has a purpose and an address, so that it can be repeated anywhere.
//!
//! A draw is addressed by (seed, purpose, experience, step, sample). The first four are the 256-bit key of a
//! ChaCha8 generator and the sample's index is its 64-bit stream number. Distinct addresses never share numbers, no
//! state has to be saved to resume, and a draw depends neither on the number of threads nor on the batch in which a
//! sample is drawn.
//!
//! ```
//! use keyed_random::{Key, Purpose};
//! use rand::Rng;
//!
//! let key = Key::new(7, Purpose::named("example")).experience(1).step(20);
//! let (a, b): (u64, u64) = (key.rng(3).random(), key.rng(3).random());
//! assert_eq!(a, b);
//! assert_ne!(a, key.rng(4).random());
//! ```

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// The purpose of a draw. Two purposes never share random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// The purpose of this name (its 64-bit FNV-1a hash).
    pub const fn named(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
            i += 1;
        }
        Self(hash)
    }

    /// The purpose of an eight-byte tag.
    pub const fn tagged(tag: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(tag))
    }

    /// One of several purposes of this name.
    #[must_use]
    pub const fn numbered(self, i: usize) -> Self {
        Self((self.0 ^ i as u64).wrapping_mul(0x0100_0000_01b3))
    }
}

/// The address of a set of draws, all but the index of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    seed: u64,
    purpose: Purpose,
    experience: u64,
    step: u64,
}

impl Key {
    /// The key of a seed and a purpose, at experience 0 and step 0.
    pub const fn new(seed: u64, purpose: Purpose) -> Self {
        Self { seed, purpose, experience: 0, step: 0 }
    }

    /// The same address for another purpose.
    #[must_use]
    pub const fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// The same address for a purpose inside this one: two keys that differ keep differing.
    #[must_use]
    pub const fn within(self, inner: Purpose) -> Self {
        let mixed = (self.purpose.0 ^ inner.0.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { purpose: Purpose(mixed), ..self }
    }

    /// The same address in another experience.
    #[must_use]
    pub const fn experience(self, experience: usize) -> Self {
        Self { experience: experience as u64, ..self }
    }

    /// The same address at another step.
    #[must_use]
    pub const fn step(self, step: usize) -> Self {
        Self { step: step as u64, ..self }
    }

    /// The generator of one sample.
    pub fn rng(self, sample: u64) -> ChaCha8Rng {
        let mut seed = [0; 32];
        for (chunk, word) in
            seed.chunks_exact_mut(8).zip([self.seed, self.purpose.0, self.experience, self.step])
        {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(sample);
        rng
    }

    /// Standard normal numbers for the samples `first .. first + n`, `per_sample` for each, row after row.
    pub fn normal_values(self, first: u64, n: usize, per_sample: usize) -> Vec<f32> {
        (0..n as u64)
            .flat_map(|i| self.rng(first + i).sample_iter::<f32, _>(StandardNormal).take(per_sample))
            .collect()
    }

    /// One timestep for each of `n` samples, uniform on `0 .. steps`; none at all where there are no steps.
    pub fn timesteps(self, n: usize, steps: usize) -> Vec<usize> {
        if steps == 0 {
            return Vec::new();
        }
        (0..n as u64).map(|i| self.rng(i).random_range(0..steps)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key::new(7, Purpose::named("noise"));

    #[test]
    fn a_sample_does_not_depend_on_its_batch() {
        let together = KEY.normal_values(0, 4, 18);
        let alone = KEY.normal_values(2, 1, 18);
        assert_eq!(together[36..54], alone[..]);
    }

    #[test]
    fn every_part_of_the_address_matters() {
        let draw = |k: Key, i| k.rng(i).random::<u64>();
        let base = draw(KEY, 0);
        for other in [
            draw(KEY, 1),
            draw(KEY.step(1), 0),
            draw(KEY.experience(1), 0),
            draw(KEY.purpose(Purpose::named("timesteps")), 0),
            draw(KEY.within(Purpose::named("timesteps")), 0),
            draw(KEY.purpose(Purpose::named("noise").numbered(1)), 0),
            draw(Key::new(8, Purpose::named("noise")), 0),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_numbers_are_those_of_chacha8_under_the_documented_key() {
        let mut words = [0; 32];
        for (chunk, word) in words.chunks_exact_mut(8).zip([3, u64::from_le_bytes(*b"ordering"), 5, 11_u64]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let mut reference = ChaCha8Rng::from_seed(words);
        reference.set_stream(9);
        let key = Key::new(3, Purpose::tagged(*b"ordering")).experience(5).step(11);
        assert_eq!(key.rng(9).random::<u64>(), reference.random::<u64>());
    }

    #[test]
    fn timesteps_are_below_their_number_and_none_are_drawn_of_none() {
        let drawn = KEY.timesteps(100, 3);
        assert_eq!(drawn.len(), 100);
        assert!([0, 1, 2].iter().all(|t| drawn.contains(t)) && drawn.iter().all(|t| *t < 3), "{drawn:?}");
        assert_eq!(KEY.timesteps(100, 1), [0; 100]);
        assert!(KEY.timesteps(100, 0).is_empty());
    }

    #[test]
    fn normal_has_the_moments_of_a_standard_normal() {
        let x = KEY.normal_values(0, 64, 1024);
        let n = x.len() as f64;
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors: 1/sqrt(n) for the mean, sqrt(2/n) for the variance.
        assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
    }
}
