//! Buffers with the same number of images of every class seen, in an order of preference: at random (as in GDumb, Prabhu
//! et al. 2020) or by herding (Rebuffi et al. 2017). With a size in all, every class gives up its least preferred images
//! as new classes come.

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};

use super::{Buffer, Size, herding, joined};
use crate::{State, StrategyError};

const CHOICE: Purpose = Purpose::named("class-balanced buffer");

/// Which images of a class are preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preference {
    Random,
    Herding,
}

/// A share of every class seen.
#[derive(Debug)]
pub struct Balanced {
    size: Size,
    preference: Preference,
    /// Of each class the most preferred first.
    stored: Option<ImageDataset>,
}

impl Balanced {
    /// An empty buffer that chooses at random.
    pub fn at_random(size: Size) -> Self {
        Self { size, preference: Preference::Random, stored: None }
    }

    /// An empty buffer that chooses by herding.
    pub fn by_herding(size: Size) -> Self {
        Self { size, preference: Preference::Herding, stored: None }
    }

    /// Positions in `data` of `n` images of a class, the most preferred first.
    fn choose(
        &self,
        data: &ImageDataset,
        class: usize,
        n: usize,
        key: Key,
    ) -> Result<Vec<usize>, StrategyError> {
        let members: Vec<usize> = (0..data.len()).filter(|&i| data.label(i) == class).collect();
        if self.size.per_class.is_some() && members.len() < n {
            let problem =
                format!("class \"{}\" has {} training images", data.class_names()[class], members.len());
            return Err(StrategyError::config("buffer.per_class", n, problem));
        }
        let n = n.min(members.len());
        Ok(match self.preference {
            Preference::Random => {
                let mut rng = key.within(CHOICE).rng(class as u64);
                let chosen = rand::seq::index::sample(&mut rng, members.len(), n);
                chosen.into_iter().map(|i| members[i]).collect()
            }
            Preference::Herding => herding::choose(data, &members, n),
        })
    }
}

impl Buffer for Balanced {
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let known = self.stored.as_ref().map_or_else(Vec::new, ImageDataset::counts_per_class);
        let is_known = |class: usize| known.get(class).is_some_and(|count| *count > 0);
        let counts = data.counts_per_class();
        let new: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] > 0 && !is_known(c)).collect();
        let quota = self.size.quota(known.iter().filter(|count| **count > 0).count() + new.len());
        let mut chosen = Vec::new();
        for class in new {
            chosen.extend(self.choose(data, class, quota, key)?);
        }
        let all = joined(self.stored.take(), data.select(&chosen))?;
        let mut left = vec![quota; all.class_names().len()];
        let kept: Vec<usize> = (0..all.len())
            .filter(|&i| {
                let left = &mut left[all.label(i)];
                let keep = *left > 0;
                *left = left.saturating_sub(1);
                keep
            })
            .collect();
        self.stored = Some(all.select(&kept));
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
