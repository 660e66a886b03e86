//! Buffers of past images: a buffer decides which images are stored, a strategy how they are used.
//!
//! A storage policy is one file: its options ([`BufferOptions`]) and the [`Buffer`] that they make.

mod balanced;
mod class_balanced;
mod herding;
mod options;
mod reservoir;
mod ring;

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;

pub use balanced::Size;
pub use class_balanced::ClassBalanced;
pub use herding::Herding;
pub use options::BufferOptions;
pub use reservoir::Reservoir;
pub use ring::Ring;

use crate::{State, StrategyError};

cldiff_choices::choice! {
    /// The choice of a buffer, with its options.
    pub struct BufferConfig(dyn BufferOptions), kind "buffer";
    ClassBalanced,
    Herding,
    Reservoir,
    Ring,
}

const DRAW: Purpose = Purpose::named("buffer draw");

/// A storage policy: which of the images that pass by are kept.
pub trait Buffer: std::fmt::Debug {
    /// Takes in images: those of an experience at its end, or a batch of a stream without boundaries.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if the images cannot fill the buffer, with the option's key relative to the buffer's
    /// owner: `class_balanced.per_class`. [`StrategyError::Data`] for images that do not fit the stored ones.
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError>;

    /// Drops the stored images of some classes.
    fn forget(&mut self, classes: &[usize]);

    /// The stored images; none before anything was absorbed.
    fn contents(&self) -> Option<&ImageDataset>;

    /// Adds the stored images to a checkpoint.
    fn save(&self, state: &mut State) {
        state.put_images("buffer.images", self.contents());
    }

    /// Takes them out again; stored images are as those of `data`.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of something else.
    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError>;

    /// Bytes of the stored images.
    fn bytes(&self) -> u64 {
        self.contents().map_or(0, |data| (data.len() * data.shape().len()) as u64)
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

/// The images that are of none of some classes.
pub(crate) fn without(data: &ImageDataset, classes: &[usize]) -> ImageDataset {
    let others: Vec<usize> = (0..data.len()).filter(|&i| !classes.contains(&data.label(i))).collect();
    data.select(&others)
}

/// The stored images and some new ones as one set.
fn joined(old: Option<ImageDataset>, new: ImageDataset) -> Result<ImageDataset, StrategyError> {
    match old {
        None => Ok(new),
        Some(old) => Ok(ImageDataset::concat(&[&old, &new])?),
    }
}

#[cfg(test)]
mod tests;
