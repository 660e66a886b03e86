//! Metrics of two sets of images alone, outside of any benchmark: `cldiff metric`.
//!
//! A [`Comparison`] is a small table that a metric declares in its own file: what it is called, which sets and which
//! numbers it takes, and how it is computed. A program makes its command line of these tables.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Need, SampleMetric,
    moments::{Gaussian, Moments},
};
use crate::{MetricError, features::FeatureMatrix};

/// Names and values of what a comparison computed.
pub type Numbers = Vec<(&'static str, f64)>;

/// How a metric, or several that are found together, is computed from sets of images.
#[derive(Debug)]
pub struct Comparison {
    /// The name, of lower-case letters, digits and `_`.
    pub name: &'static str,
    /// Other spellings of the name.
    pub aliases: &'static [&'static str],
    /// One sentence without a full stop.
    pub summary: &'static str,
    /// The sets that are compared.
    pub takes: Takes,
    /// The numbers that it takes beside them.
    pub parameters: &'static [Parameter],
    /// Computes the metrics, by name.
    pub compare: fn(&Compared<'_>, &Arguments) -> Result<Numbers, MetricError>,
}

/// The sets of images that a comparison takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Two: A and B.
    Pair,
    /// One: B, or A alone.
    One,
    /// Two, and real images that were never trained on.
    PairAndHeldOut,
}

/// A number that a comparison takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name, of lower-case letters, digits and `_`.
    pub name: &'static str,
    /// The placeholder of the number in a description: `N`.
    pub placeholder: &'static str,
    /// The meaning of the number.
    pub meaning: &'static str,
    /// The number when none is given; none where the comparison finds it itself.
    pub default: Option<u64>,
}

impl Parameter {
    /// The seed of random draws, 0 by default.
    pub const fn seed(meaning: &'static str) -> Self {
        Self { name: "seed", placeholder: "S", meaning, default: Some(0) }
    }
}

/// The sets that are compared.
pub struct Compared<'a> {
    /// The first set: real images.
    pub a: &'a dyn ComparedSet,
    /// The second set: samples. The first once more where there is one set only.
    pub b: &'a dyn ComparedSet,
    /// Real images that were never trained on, for [`Takes::PairAndHeldOut`].
    pub held_out: Option<&'a dyn ComparedSet>,
}

impl Compared<'_> {
    /// The features of both sets.
    ///
    /// # Errors
    /// The errors of [`ComparedSet::features`].
    pub fn features(&self) -> Result<(&FeatureMatrix, &FeatureMatrix), MetricError> {
        Ok((self.a.features()?, self.b.features()?))
    }

    /// The real images that were never trained on.
    ///
    /// # Errors
    /// [`MetricError::TooFew`] where there are none.
    pub fn held_out(&self) -> Result<&dyn ComparedSet, MetricError> {
        self.held_out.ok_or(MetricError::TooFew { metric: "a set of held-out images", needed: 1, found: 0 })
    }
}

/// A set of images, as far as its owner knows it. A [`FeatureMatrix`] is one of which nothing else is known.
pub trait ComparedSet {
    /// Its features.
    ///
    /// # Errors
    /// As the owner of the set has it, where they are not known.
    fn features(&self) -> Result<&FeatureMatrix, MetricError>;

    /// Mean and covariance of its features.
    ///
    /// # Errors
    /// The errors of [`features`](Self::features), and [`MetricError::TooFew`] below two images.
    fn gaussian(&self) -> Result<Cow<'_, Gaussian>, MetricError> {
        Ok(Cow::Owned(Moments::of(self.features()?).gaussian()?))
    }

    /// The classes' probabilities.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`], or as the owner of the set has it.
    fn class_probabilities(&self) -> Result<Cow<'_, FeatureMatrix>, MetricError> {
        Err(MetricError::NotKnown { need: Need::ClassProbabilities })
    }

    /// The classes of the images, as labelled or else as a classifier sees them.
    ///
    /// # Errors
    /// [`MetricError::NotKnown`], or as the owner of the set has it.
    fn classes(&self) -> Result<Vec<usize>, MetricError> {
        Err(MetricError::NotKnown { need: Need::RealClasses })
    }

    /// The classes that a classifier sees in the images.
    ///
    /// # Errors
    /// The errors of [`class_probabilities`](Self::class_probabilities).
    fn classes_seen(&self) -> Result<Vec<usize>, MetricError> {
        Ok(self.class_probabilities()?.argmax())
    }
}

impl ComparedSet for FeatureMatrix {
    fn features(&self) -> Result<&FeatureMatrix, MetricError> {
        Ok(self)
    }
}

/// The numbers that a comparison was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    given: BTreeMap<&'static str, u64>,
}

impl Arguments {
    /// With a number.
    #[must_use]
    pub fn with(mut self, parameter: &Parameter, number: u64) -> Self {
        self.given.insert(parameter.name, number);
        self
    }

    /// The number given, or else the default.
    pub fn get(&self, parameter: &Parameter) -> Option<u64> {
        self.given.get(parameter.name).copied().or(parameter.default)
    }

    /// The number given, or else the default, or else 0.
    pub fn number(&self, parameter: &Parameter) -> u64 {
        self.get(parameter).unwrap_or(0)
    }

    /// As [`number`](Self::number), to count with.
    pub fn count(&self, parameter: &Parameter) -> usize {
        usize::try_from(self.number(parameter)).unwrap_or(usize::MAX)
    }
}

/// The most subsets, points or directions of a comparison, each of which takes time and memory of its own.
const MOST: usize = 1_000_000;

/// Checks a number of subsets, points or directions.
///
/// # Errors
/// [`MetricError::Config`] for less than `least`, and for more than can be computed.
pub(super) fn check_count(key: &str, value: usize, least: usize) -> Result<(), MetricError> {
    let expected = match value {
        few if few < least => format!("expected at least {least}"),
        many if many > MOST => format!("expected at most {MOST}"),
        _ => return Ok(()),
    };
    Err(MetricError::config(key, value, expected))
}

/// The comparisons that the metrics declare, each with the first of its metrics: those that need the least first, then
/// in the order of the metrics.
pub fn comparisons() -> Vec<(SampleMetric, &'static Comparison)> {
    let mut found: Vec<(SampleMetric, &'static Comparison)> = Vec::new();
    for metric in SampleMetric::all() {
        if let Some(comparison) = metric.comparison()
            && found.iter().all(|(_, known)| known.name != comparison.name)
        {
            found.push((metric, comparison));
        }
    }
    found.sort_by_key(|(metric, _)| metric.needs().iter().max().copied());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_cannot_be_computed_are_refused_by_their_key() {
        for (value, told) in [
            (1, Some("`points` is 1: expected at least 2")),
            (2, None),
            (MOST, None),
            (MOST + 1, Some("`points` is 1000001: expected at most 1000000")),
            (10_000_000_000_000, Some("`points` is 10000000000000: expected at most 1000000")),
        ] {
            let refused = check_count("points", value, 2).err().map(|error| error.to_string());
            assert_eq!(refused.as_deref(), told);
        }
    }
}
