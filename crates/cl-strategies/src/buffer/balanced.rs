//! The same number of images of every group seen, in an order of preference. A group is a class; where domains change, a
//! class in one experience, since the same classes come again and look different. With a size in all, every group gives up
//! its least preferred images as new groups come. Buffers differ in the preference.
//!
//! A size in all is shared out to the last image: groups have floor(total / groups) or one more, and which have one more is
//! drawn once for each group. With fewer images than groups, as many groups as there are images have one each. A group
//! with fewer images than its share keeps all that it has, and its place stays empty.

use std::collections::{BTreeMap, BTreeSet};

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Buffer, joined, without};
use crate::{State, StrategyError, check};

const RANK: Purpose = Purpose::named("rank of a group in a balanced buffer");

/// The size of a buffer that is balanced over classes: one of the two is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Size {
    /// Images of each class; a class that has fewer keeps all.
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
            (given, _) => {
                let value = if given.is_some() { "`per_class` and `total`" } else { "neither" };
                Err(StrategyError::config(
                    "",
                    format_args!("{value}"),
                    "expected one of `per_class` and `total`",
                ))
            }
        }
    }

    /// Images of the group that is the `place`-th of so many, from 0.
    fn share(self, groups: usize, place: usize) -> usize {
        let shared = |total: usize| total / groups + usize::from(place < total % groups);
        self.per_class.unwrap_or_else(|| shared(self.total.unwrap_or(0)))
    }
}

/// A class; with its experience where domains change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Group {
    task: Option<usize>,
    class: usize,
}

impl Group {
    fn of(data: &ImageDataset, i: usize, domains: bool) -> Self {
        Self { task: domains.then(|| data.task(i)), class: data.label(i) }
    }

    /// A number of its own, for draws.
    pub(super) fn number(self) -> u64 {
        // Classes and tasks are below 65536.
        (self.class as u64) | (self.task.map_or(0, |task| task as u64 + 1) << 16)
    }
}

/// The images of a group that a buffer can choose from.
pub(super) struct Candidates<'a> {
    pub data: &'a ImageDataset,
    /// Positions of the images stored so far, the most preferred first; a choice made as this one will be.
    pub stored: Vec<usize>,
    /// Images of the group that have passed by before: those stored and those left out.
    pub passed: usize,
    /// Positions of the images that have come now.
    pub new: Vec<usize>,
    pub group: Group,
}

/// Chooses `n` of the candidates, or all if there are not so many: their positions, the most preferred first.
type Choose = fn(candidates: &Candidates<'_>, n: usize, key: Key) -> Vec<usize>;

/// The record of a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Groups of lower rank keep one image more where the total does not divide evenly.
    rank: u64,
    /// Its images that have passed by.
    passed: usize,
}

/// A share of every group seen.
#[derive(Debug)]
pub(super) struct Balanced {
    size: Size,
    choose: Choose,
    known: BTreeMap<Group, Known>,
    /// Of each group the most preferred first.
    stored: Option<ImageDataset>,
}

impl Balanced {
    /// An empty buffer.
    pub fn new(size: Size, choose: Choose) -> Self {
        Self { size, choose, known: BTreeMap::new(), stored: None }
    }

    /// How many images each group may have now.
    fn shares(&self) -> BTreeMap<Group, usize> {
        let mut ranked: Vec<(u64, Group)> =
            self.known.iter().map(|(group, known)| (known.rank, *group)).collect();
        ranked.sort_unstable();
        let groups = ranked.len();
        ranked.into_iter().enumerate().map(|(i, (_, group))| (group, self.size.share(groups, i))).collect()
    }
}

impl Buffer for Balanced {
    fn absorb(&mut self, data: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let old = self.stored.as_ref().map_or(0, ImageDataset::len);
        let all = joined(self.stored.take(), data.clone())?;
        let domains = all.changes_domains();
        let groups: Vec<Group> = (0..all.len()).map(|i| Group::of(&all, i, domains)).collect();
        let come: BTreeSet<Group> = groups[old..].iter().copied().collect();
        for group in come {
            let rank = key.within(RANK).rng(group.number()).random();
            self.known.entry(group).or_insert(Known { rank, passed: 0 });
        }
        let mut kept = Vec::new();
        for (group, n) in self.shares() {
            let of_group = |range: std::ops::Range<usize>| range.filter(|&i| groups[i] == group).collect();
            let (stored, new): (Vec<usize>, Vec<usize>) = (of_group(0..old), of_group(old..all.len()));
            let Some(known) = self.known.get_mut(&group) else { continue };
            let (passed, arrived) = (known.passed, new.len());
            known.passed += arrived;
            if arrived == 0 {
                kept.extend(stored.into_iter().take(n));
                continue;
            }
            let candidates = Candidates { data: &all, stored, passed, new, group };
            kept.extend((self.choose)(&candidates, n, key));
        }
        self.stored = Some(all.select(&kept));
        Ok(())
    }

    /// The other groups share what becomes free as new images come.
    fn forget(&mut self, classes: &[usize]) {
        self.stored = self.stored.take().map(|stored| without(&stored, classes));
        self.known.retain(|group, _| !classes.contains(&group.class));
    }

    fn contents(&self) -> Option<&ImageDataset> {
        self.stored.as_ref().filter(|stored| !stored.is_empty())
    }

    fn save(&self, state: &mut State) {
        state.put_images("buffer.images", self.contents());
        state.put("buffer.groups", self.known.iter().collect::<Vec<_>>());
    }

    fn restore(&mut self, state: &mut State, data: &ImageDataset) -> Result<(), StrategyError> {
        let stored = state.take_images("buffer.images", data)?;
        self.stored = stored.map(|images| images.with_domains(data.changes_domains()));
        self.known = state.take::<Vec<(Group, Known)>>("buffer.groups")?.into_iter().collect();
        Ok(())
    }
}
