//! A ring for each experience (Lopez-Paz & Ranzato 2017; Chaudhry et al. 2019): first in, first out, so that its last
//! images stay.

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Buffer, BufferOptions, joined};
use crate::{State, StrategyError, check};

/// The options of a ring for each experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Images of each experience.
    pub per_experience: usize,
}

impl Describe for Ring {
    const NAME: &'static str = "ring";
    const SUMMARY: &'static str = "The last images of each experience";
    const CITATION: &'static str =
        "Lopez-Paz & Ranzato 2017, arXiv 1706.08840; Chaudhry et al. 2019, arXiv 1902.10486";
}

impl BufferOptions for Ring {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Rings { per_experience: self.per_experience, stored: None })
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_1("per_experience", self.per_experience)
    }
}

/// The last images of each experience.
#[derive(Debug)]
struct Rings {
    per_experience: usize,
    stored: Option<ImageDataset>,
}

impl Buffer for Rings {
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
