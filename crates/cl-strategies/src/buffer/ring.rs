//! A ring for each experience (Lopez-Paz & Ranzato 2017; Chaudhry et al. 2019): first in, first out, so that its last
//! images stay.

use data_streams::ImageDataset;
use ddpm_core::noise::Key;

use super::{Buffer, joined};
use crate::{State, StrategyError};

/// The last images of each experience.
#[derive(Debug)]
pub struct Ring {
    per_experience: usize,
    stored: Option<ImageDataset>,
}

impl Ring {
    /// An empty buffer.
    pub fn new(per_experience: usize) -> Self {
        Self { per_experience, stored: None }
    }
}

impl Buffer for Ring {
    fn absorb(&mut self, data: &ImageDataset, _key: Key) -> Result<(), StrategyError> {
        let last: Vec<usize> = (data.len().saturating_sub(self.per_experience)..data.len()).collect();
        self.stored = Some(joined(self.stored.take(), data.select(&last))?);
        Ok(())
    }

    fn contents(&self) -> Option<&ImageDataset> {
        self.stored.as_ref().filter(|stored| !stored.is_empty())
    }

    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError> {
        self.stored = state.take_images("buffer.images", data)?;
        Ok(())
    }
}
