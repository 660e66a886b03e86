//! The trait of every buffer's options.

use cldiff_choices::Options;

use super::{Buffer, BufferConfig};
use crate::StrategyError;

/// The options of a buffer.
pub trait BufferOptions: Options {
    /// Makes the buffer, whose options have been [validated](Self::validate).
    fn build(&self) -> Box<dyn Buffer>;

    /// Whether it can be filled batch by batch, without being told where an experience ends.
    fn is_online(&self) -> bool {
        false
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    fn validate(&self) -> Result<(), StrategyError>;

    /// Whether an experience with so many images of each class can be stored as asked; the built-in buffers take what there is.
    ///
    /// # Errors
    /// [`StrategyError::Config`] if it cannot.
    fn check(&self, class_names: &[String], counts: &[usize]) -> Result<(), StrategyError> {
        let _ = (class_names, counts);
        Ok(())
    }
}

impl BufferConfig {
    /// As [`BufferOptions::validate`], with the buffer's name before the key: `ring.per_experience`.
    ///
    /// # Errors
    /// As there.
    pub fn validate(&self) -> Result<(), StrategyError> {
        (**self).validate().map_err(|error| error.at(self.name()))
    }

    /// As [`BufferOptions::check`], with the buffer's name before the key.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, class_names: &[String], counts: &[usize]) -> Result<(), StrategyError> {
        (**self).check(class_names, counts).map_err(|error| error.at(self.name()))
    }
}
