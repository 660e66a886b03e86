//! A ring for each experience (Lopez-Paz & Ranzato 2017): first in, first out, so that its last images stay. The paper's
//! images arrive in a random order; here the images of an experience are there as a file or a folder lists them, often class
//! after class, and are put into a random order first. Deviation from the code of Chaudhry et al. 2019 (facebookresearch/agem,
//! `conv_split_cifar.py`): it has a ring for each class.

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Buffer, BufferOptions, joined, without};
use crate::{State, StrategyError, check};

const ARRIVAL: Purpose = Purpose::named("arrival in a ring");

/// The options of a ring for each experience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Images of each experience.
    pub per_experience: usize,
}

impl Describe for Ring {
    const NAME: &'static str = "ring";
    const SUMMARY: &'static str = "The last images of each experience, in a random order of arrival";
    const CITATION: &'static str = "Lopez-Paz & Ranzato 2017, arXiv 1706.08840";
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
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let mut order: Vec<usize> = (0..data.len()).collect();
        order.shuffle(&mut key.within(ARRIVAL).rng(0));
        let last = &order[data.len().saturating_sub(self.per_experience)..];
        self.stored = Some(joined(self.stored.take(), data.select(last))?);
        Ok(())
    }

    fn forget(&mut self, classes: &[usize]) {
        self.stored = self.stored.take().map(|stored| without(&stored, classes));
    }

    fn contents(&self) -> Option<&ImageDataset> {
        self.stored.as_ref().filter(|stored| !stored.is_empty())
    }

    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError> {
        self.stored = state.take_images("buffer.images", data)?;
        Ok(())
    }
}
