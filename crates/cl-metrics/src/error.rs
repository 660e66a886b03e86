//! Why a metric cannot be computed.

use std::path::PathBuf;

use cldiff_choices::plain_value;
use data_streams::DataError;
use thiserror::Error;

use crate::sample::Need;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// An option that cannot work.
    #[error("`{key}` is {value}: {expected}")]
    Config {
        /// The key, relative to the options that were checked.
        key: String,
        /// The value found there.
        value: String,
        /// The values that would be accepted.
        expected: String,
    },
    /// Something that a metric asks for without having said so in its needs.
    #[error("{need} are not known here")]
    NotKnown {
        /// The need that is not known.
        need: Need,
    },
    /// A set of images that is not what a comparison needs.
    #[error("{name}: {problem}")]
    Set {
        /// The name that the set's owner gives it.
        name: String,
        /// The problem with the set.
        problem: String,
    },
    /// Too few images for the metric.
    #[error("{metric} needs at least {needed} images, got {found}")]
    TooFew {
        /// The metric.
        metric: &'static str,
        /// The fewest that it can work with.
        needed: usize,
        /// How many there were.
        found: usize,
    },
    /// Two sets of features that do not compare.
    #[error("features of different width: {a} and {b}; both sets must be described by the same network")]
    Width {
        /// The one width.
        a: usize,
        /// The other.
        b: usize,
    },
    /// Features that are not numbers.
    #[error("feature {column} of image {row} is {value}")]
    NotFinite {
        /// The image.
        row: usize,
        /// The feature.
        column: usize,
        /// Its value.
        value: f32,
    },
    /// Weights that cannot be read, or are another network's.
    #[error("{path}: {problem}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// Saved mean and covariance that are none.
    #[error("these are no statistics: {problem}")]
    Statistics {
        /// The problem.
        problem: String,
    },
    /// A value without a number: a decomposition that did not converge, a ratio to nothing.
    #[error("{metric}: {problem}")]
    Numerics {
        /// The metric.
        metric: &'static str,
        /// The problem.
        problem: String,
    },
    /// From the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From a network or its file.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Core(#[from] ddpm_core::CoreError),
}

impl MetricError {
    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: plain_value(&value), expected: expected.into() }
    }

    /// The same error, of options that stand under `owner`: `steps` becomes `owner.steps`, and an empty key `owner`.
    /// An error that has no key stays as it is.
    #[must_use]
    pub fn at(self, owner: &str) -> Self {
        match self {
            Self::Config { key, value, expected } if key.is_empty() => {
                Self::Config { key: owner.to_owned(), value, expected }
            }
            Self::Config { key, value, expected } => {
                Self::Config { key: format!("{owner}.{key}"), value, expected }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_stands_before_the_key_of_its_options() {
        let error =
            |key: &str| MetricError::config(key, 0, "expected at least 1").at("evaluation.classifier");
        assert_eq!(error("epochs").to_string(), "`evaluation.classifier.epochs` is 0: expected at least 1");
        assert_eq!(error("").to_string(), "`evaluation.classifier` is 0: expected at least 1");
        let other = MetricError::Width { a: 1, b: 2 };
        assert_eq!(other.to_string(), MetricError::Width { a: 1, b: 2 }.at("evaluation").to_string());
    }
}
