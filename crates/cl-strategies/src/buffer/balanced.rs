//! The same number of images of every class seen, in an order of preference. With a size in all, every class gives up its
//! least preferred images as new classes come. Buffers differ in the preference.

use std::collections::{BTreeMap, BTreeSet};

use data_streams::ImageDataset;
use ddpm_core::noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Buffer, joined};
use crate::{State, StrategyError, check};

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

    /// Checks that one of the two is given, and is not zero.
    pub(super) fn validate(self) -> Result<(), StrategyError> {
        match (self.per_class, self.total) {
            (Some(n), None) => check::at_least_1("per_class", n),
            (None, Some(n)) => check::at_least_1("total", n),
            _ => Err(StrategyError::config("", self, "expected one of `per_class` and `total`")),
        }
    }

    /// Whether every class of an experience has images enough.
    pub(super) fn check(self, class_names: &[String], counts: &[usize]) -> Result<(), StrategyError> {
        let Some(n) = self.per_class else { return Ok(()) };
        match counts.iter().enumerate().find(|(_, count)| **count > 0 && **count < n) {
            None => Ok(()),
            Some((class, count)) => {
                let expected = format!(
                    "expected at most {count}, the training images of class \"{}\"",
                    class_names[class]
                );
                Err(StrategyError::config("per_class", n, expected))
            }
        }
    }

    /// Images of each of so many classes.
    fn quota(self, classes: usize) -> usize {
        self.per_class.unwrap_or_else(|| self.total.unwrap_or(0) / classes.max(1))
    }
}

/// Chooses `n` of the images at some positions of a class, the most preferred first.
type Choose = fn(data: &ImageDataset, members: &[usize], class: usize, n: usize, key: Key) -> Vec<usize>;

/// A share of every class seen, in every experience that has it.
#[derive(Debug)]
pub(super) struct Balanced {
    /// The name of the buffer in a configuration.
    name: &'static str,
    size: Size,
    choose: Choose,
    /// Of each class the most preferred first.
    stored: Option<ImageDataset>,
}

impl Balanced {
    /// An empty buffer.
    pub fn new(name: &'static str, size: Size, choose: Choose) -> Self {
        Self { name, size, choose, stored: None }
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
            return Err(StrategyError::config("per_class", n, problem).at(self.name));
        }
        let n = n.min(members.len());
        Ok((self.choose)(data, &members, group.class, n, key))
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
