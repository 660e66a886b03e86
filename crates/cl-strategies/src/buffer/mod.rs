//! Buffers of past images: what is stored is decided here, how it is used in a strategy.

mod class_balanced;

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use serde::{Deserialize, Serialize};

pub use class_balanced::ClassBalanced;

use crate::StrategyError;

const DRAW: Purpose = Purpose::named("buffer draw");

/// A storage policy: which of the images that pass by are kept.
pub trait Buffer: std::fmt::Debug {
    /// Takes in images: those of an experience at its end, or a batch of a stream without boundaries.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if the images cannot fill what the policy asks for.
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError>;

    /// What is stored now; none before anything was absorbed.
    fn contents(&self) -> Option<&ImageDataset>;

    /// Bytes of the stored images.
    fn bytes(&self) -> u64 {
        self.contents().map_or(0, |data| (data.len() * data.shape().len()) as u64)
    }
}

/// The choice of a buffer, with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BufferConfig {
    /// As many images of every class.
    ClassBalanced {
        /// Images of each class.
        per_class: usize,
    },
}

impl BufferConfig {
    /// Makes the buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for a size of zero.
    pub fn build(self) -> Result<Box<dyn Buffer>, StrategyError> {
        match self {
            Self::ClassBalanced { per_class: 0 } => {
                Err(StrategyError::config("buffer.class_balanced.per_class", 0, "expected at least 1"))
            }
            Self::ClassBalanced { per_class } => Ok(Box::new(ClassBalanced::new(per_class))),
        }
    }
}

/// `n` positions in a buffer of `len` images: without repetition if it has so many, else with.
pub fn draw(len: usize, n: usize, key: Key) -> Vec<usize> {
    let mut rng = key.within(DRAW).rng(0);
    if n <= len {
        rand::seq::index::sample(&mut rng, len, n).into_vec()
    } else {
        (0..n).map(|_| rng.random_range(0..len)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_repeats_nothing_until_it_must() {
        let key = Key::new(3, Purpose::named("test"));
        let mut all = draw(8, 8, key);
        all.sort_unstable();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        let many = draw(3, 100, key);
        assert!(many.len() == 100 && many.iter().all(|&i| i < 3));
        assert_ne!(draw(100, 8, key), draw(100, 8, key.step(1)));
    }
}
