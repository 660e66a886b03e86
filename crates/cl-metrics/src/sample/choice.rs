//! The choice of a metric: an entry of the list of metrics, built in or added.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{PoisonError, RwLock},
};

use cldiff_choices::ListError;

use super::{BUILT_IN, Metric};
use crate::summary::Direction;

const KIND: &str = "metric";

/// The metrics that a program has added.
static ADDED: RwLock<Vec<&'static dyn Metric>> = RwLock::new(Vec::new());

/// One metric of the list. Equal by name, ordered as the list is, written and parsed as its name.
#[derive(Clone, Copy)]
pub struct SampleMetric(&'static dyn Metric);

impl SampleMetric {
    /// The handle of a metric of the list.
    pub(super) const fn of(metric: &'static dyn Metric) -> Self {
        Self(metric)
    }

    /// All metrics: the built-in ones, then those that were added, in the order of addition.
    pub fn all() -> Vec<Self> {
        let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
        BUILT_IN.iter().chain(added.iter()).map(|&metric| Self(metric)).collect()
    }

    /// The names of all metrics.
    pub fn names() -> Vec<&'static str> {
        Self::all().into_iter().map(Self::name).collect()
    }

    /// The ones that a benchmark measures unless told otherwise.
    pub fn defaults() -> Vec<Self> {
        Self::all().into_iter().filter(|metric| metric.is_default()).collect()
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|metric| metric.name() == name)
    }

    /// Adds a metric for the rest of the process. A configuration that was parsed before does not know of it.
    ///
    /// # Errors
    /// [`ListError::NameTaken`] and [`ListError::BadName`].
    pub fn add(metric: &'static dyn Metric) -> Result<Self, ListError> {
        let name = metric.name();
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fine) {
            return Err(ListError::BadName { kind: KIND, name });
        }
        // Looked up and added under one lock, so that of two threads only one adds a name.
        let mut added = ADDED.write().unwrap_or_else(PoisonError::into_inner);
        if BUILT_IN.iter().chain(added.iter()).any(|known| known.name() == name) {
            return Err(ListError::NameTaken { kind: KIND, name });
        }
        added.push(metric);
        Ok(Self(metric))
    }

    /// The name in configurations and results.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The direction that is better; none where the metric describes and does not rank.
    pub fn direction(self) -> Option<Direction> {
        self.0.direction()
    }

    /// The place in the list.
    pub(super) fn position(self) -> usize {
        let built_in = BUILT_IN.iter().position(|known| known.name() == self.name());
        built_in.unwrap_or_else(|| {
            let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
            let among_added = added.iter().position(|known| known.name() == self.name());
            BUILT_IN.len() + among_added.unwrap_or(added.len())
        })
    }
}

impl Deref for SampleMetric {
    type Target = dyn Metric;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl fmt::Debug for SampleMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for SampleMetric {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for SampleMetric {}

impl Hash for SampleMetric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Ord for SampleMetric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position().cmp(&other.position()).then_with(|| self.name().cmp(other.name()))
    }
}

impl PartialOrd for SampleMetric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
