//! Buffers of past images: what is stored is decided here, how it is used in a strategy.

mod balanced;
mod herding;
mod reservoir;
mod ring;

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use balanced::Balanced;
pub use reservoir::Reservoir;
pub use ring::Ring;

use crate::{State, StrategyError, check};

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

    /// Adds what is stored to a checkpoint.
    fn save(&self, state: &mut State) {
        state.put_images("buffer.images", self.contents());
    }

    /// Takes it out again; stored images are as those of `data`.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of something else.
    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError>;

    /// Bytes of the stored images.
    fn bytes(&self) -> u64 {
        self.contents().map_or(0, |data| (data.len() * data.shape().len()) as u64)
    }
}

/// The size of a buffer that is balanced over classes: one of the two is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Size {
    /// Images of each class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
    /// Images in all, in equal shares for the classes seen so far; older classes give way as new ones come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
}

impl Size {
    /// So many images of each class.
    pub const fn per_class(n: usize) -> Self {
        Self { per_class: Some(n), total: None }
    }

    /// So many images in all.
    pub const fn total(n: usize) -> Self {
        Self { per_class: None, total: Some(n) }
    }

    /// Images of each of so many classes.
    fn quota(self, classes: usize) -> usize {
        self.per_class.unwrap_or_else(|| self.total.unwrap_or(0) / classes.max(1))
    }
}

/// The choice of a buffer, with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BufferConfig {
    /// As many images of every class (in each experience that has it), chosen at random.
    ClassBalanced(Size),
    /// As many images of every class (in each experience that has it), such that their mean is near that of the class.
    Herding(Size),
    /// Every image that passed by is as likely to be stored.
    Reservoir {
        /// Images in all.
        total: usize,
    },
    /// The last images of each experience.
    Ring {
        /// Images of each experience.
        per_experience: usize,
    },
}

impl BufferConfig {
    /// Makes the buffer, whose options have been [validated](Self::validate).
    pub fn build(self) -> Box<dyn Buffer> {
        match self {
            Self::ClassBalanced(size) => Box::new(Balanced::at_random(size)),
            Self::Herding(size) => Box::new(Balanced::by_herding(size)),
            Self::Reservoir { total } => Box::new(Reservoir::new(total)),
            Self::Ring { per_experience } => Box::new(Ring::new(per_experience)),
        }
    }

    /// Whether it can be filled batch by batch, without being told where an experience ends.
    pub fn is_online(self) -> bool {
        matches!(self, Self::Reservoir { .. })
    }

    /// Checks the sizes; `strategy` is whose option the buffer is.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for a size of zero, or one that is missing or given twice.
    pub fn validate(self, strategy: &str) -> Result<(), StrategyError> {
        let key = |option: &str| format!("{strategy}.buffer.{option}");
        let sized = |name: &str, size: Size| match (size.per_class, size.total) {
            (Some(n), None) => check::at_least_1(&key(&format!("{name}.per_class")), n),
            (None, Some(n)) => check::at_least_1(&key(&format!("{name}.total")), n),
            _ => Err(StrategyError::config(&key(name), size, "expected one of `per_class` and `total`")),
        };
        match self {
            Self::ClassBalanced(size) => sized("class_balanced", size),
            Self::Herding(size) => sized("herding", size),
            Self::Reservoir { total } => check::at_least_1(&key("reservoir.total"), total),
            Self::Ring { per_experience } => check::at_least_1(&key("ring.per_experience"), per_experience),
        }
    }

    /// Whether data with so many images of each class can fill the buffer.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if a class has too few.
    pub fn check(
        self,
        strategy: &str,
        class_names: &[String],
        counts: &[usize],
    ) -> Result<(), StrategyError> {
        let (name, size) = match self {
            Self::ClassBalanced(size) => ("class_balanced", size),
            Self::Herding(size) => ("herding", size),
            Self::Reservoir { .. } | Self::Ring { .. } => return Ok(()),
        };
        let Some(n) = size.per_class else { return Ok(()) };
        match counts.iter().enumerate().find(|(_, count)| **count > 0 && **count < n) {
            None => Ok(()),
            Some((class, count)) => {
                let expected = format!(
                    "expected at most {count}, the training images of class \"{}\"",
                    class_names[class]
                );
                Err(StrategyError::config(&format!("{strategy}.buffer.{name}.per_class"), n, expected))
            }
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

/// What was stored and some new images as one.
fn joined(old: Option<ImageDataset>, new: ImageDataset) -> Result<ImageDataset, StrategyError> {
    match old {
        None => Ok(new),
        Some(old) => ImageDataset::concat(&[&old, &new])
            .map_err(|error| StrategyError::config("buffer", new.name(), error.to_string())),
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
