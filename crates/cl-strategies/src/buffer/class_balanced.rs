//! The same number of images of every class, chosen at random (Prabhu et al. 2020).

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Buffer, BufferOptions,
    balanced::{Balanced, Size},
};
use crate::StrategyError;

const CHOICE: Purpose = Purpose::named("class-balanced buffer");

/// The options of a class-balanced buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClassBalanced(pub Size);

impl ClassBalanced {
    /// So many images of each class.
    pub const fn per_class(n: usize) -> Self {
        Self(Size::per_class(n))
    }

    /// So many images in all.
    pub const fn total(n: usize) -> Self {
        Self(Size::total(n))
    }
}

impl Describe for ClassBalanced {
    const NAME: &'static str = "class_balanced";
    const SUMMARY: &'static str =
        "As many images of every class (in each experience that has it), chosen at random";
    const CITATION: &'static str = "Prabhu et al. 2020";
}

impl BufferOptions for ClassBalanced {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Balanced::new(Self::NAME, self.0, at_random))
    }

    fn validate(&self) -> Result<(), StrategyError> {
        self.0.validate()
    }

    fn check(&self, class_names: &[String], counts: &[usize]) -> Result<(), StrategyError> {
        self.0.check(class_names, counts)
    }
}

/// `n` of the images at some positions, at random.
fn at_random(_data: &ImageDataset, members: &[usize], class: usize, n: usize, key: Key) -> Vec<usize> {
    let mut rng = key.within(CHOICE).rng(class as u64);
    let chosen = rand::seq::index::sample(&mut rng, members.len(), n);
    chosen.into_iter().map(|i| members[i]).collect()
}
