//! The class-balanced buffer: the same number of images of every class, chosen at random (as in GDumb, Prabhu et
//! al. 2020, but with a fixed share for each class, so that nothing stored is ever evicted).

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};

use super::Buffer;
use crate::StrategyError;

const CHOICE: Purpose = Purpose::named("class-balanced buffer");

/// `per_class` images of every class seen.
#[derive(Debug)]
pub struct ClassBalanced {
    per_class: usize,
    stored: Option<ImageDataset>,
}

impl ClassBalanced {
    /// An empty buffer.
    pub fn new(per_class: usize) -> Self {
        Self { per_class, stored: None }
    }

    /// Positions in `data` of the chosen images of one class.
    fn choose(&self, data: &ImageDataset, class: usize, key: Key) -> Result<Vec<usize>, StrategyError> {
        let members: Vec<usize> = (0..data.len()).filter(|&i| data.label(i) == class).collect();
        if members.len() < self.per_class {
            let expected =
                format!("class \"{}\" has {} training images", data.class_names()[class], members.len());
            return Err(StrategyError::config("buffer.class_balanced.per_class", self.per_class, expected));
        }
        let mut rng = key.within(CHOICE).rng(class as u64);
        let chosen = rand::seq::index::sample(&mut rng, members.len(), self.per_class);
        Ok(chosen.into_iter().map(|i| members[i]).collect())
    }
}

impl Buffer for ClassBalanced {
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let known = |class: usize| self.stored.as_ref().is_some_and(|s| s.labels().contains(&class));
        let mut new = Vec::new();
        for (class, count) in data.counts_per_class().into_iter().enumerate() {
            if count > 0 && !known(class) {
                new.extend(self.choose(data, class, key)?);
            }
        }
        let new = data.select(&new);
        self.stored = Some(match self.stored.take() {
            None => new,
            Some(old) => ImageDataset::concat(&[&old, &new])
                .map_err(|e| StrategyError::config("buffer", "class_balanced", e.to_string()))?,
        });
        Ok(())
    }

    fn contents(&self) -> Option<&ImageDataset> {
        self.stored.as_ref()
    }
}
