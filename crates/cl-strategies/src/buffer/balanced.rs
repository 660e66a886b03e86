//! Buffers with the same number of images of every class seen, in an order of preference: at random (as in GDumb, Prabhu
//! et al. 2020) or by herding (Rebuffi et al. 2017). With a size in all, every class gives up its least preferred images
//! as new classes come.

use std::collections::{BTreeMap, BTreeSet};

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

/// A share of every class seen, in every experience that has it.
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

    /// Positions in `data` of `n` images of a group, the most preferred first.
    fn choose(
        &self,
        data: &ImageDataset,
        group: Group,
        n: usize,
        key: Key,
    ) -> Result<Vec<usize>, StrategyError> {
        let members: Vec<usize> = (0..data.len()).filter(|&i| Group::of(data, i) == group).collect();
        if self.size.per_class.is_some() && members.len() < n {
            let problem = format!(
                "class \"{}\" has {} training images",
                data.class_names()[group.class],
                members.len()
            );
            return Err(StrategyError::config("buffer.per_class", n, problem));
        }
        let n = n.min(members.len());
        Ok(match self.preference {
            Preference::Random => {
                let mut rng = key.within(CHOICE).rng(group.class as u64);
                let chosen = rand::seq::index::sample(&mut rng, members.len(), n);
                chosen.into_iter().map(|i| members[i]).collect()
            }
            Preference::Herding => herding::choose(data, &members, n),
        })
    }
}

/// A class in an experience: where domains change, the same classes come again and look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    task: usize,
    class: usize,
}

impl Group {
    fn of(data: &ImageDataset, i: usize) -> Self {
        Self { task: data.task(i), class: data.label(i) }
    }

    fn all(data: &ImageDataset) -> BTreeSet<Self> {
        (0..data.len()).map(|i| Self::of(data, i)).collect()
    }
}

impl Buffer for Balanced {
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let known = self.stored.as_ref().map(Group::all).unwrap_or_default();
        let new: Vec<Group> = Group::all(data).difference(&known).copied().collect();
        let quota = self.size.quota(known.len() + new.len());
        let mut chosen = Vec::new();
        for group in new {
            chosen.extend(self.choose(data, group, quota, key)?);
        }
        let all = joined(self.stored.take(), data.select(&chosen))?;
        let mut kept_of = BTreeMap::new();
        let kept: Vec<usize> = (0..all.len())
            .filter(|&i| {
                let kept = kept_of.entry(Group::of(&all, i)).or_insert(0);
                *kept += 1;
                *kept <= quota
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
