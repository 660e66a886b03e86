//! Why a metric cannot be computed.

use std::path::PathBuf;

use data_streams::DataError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetricError {
    /// An option that cannot work.
    #[error("`{key}` is {value}: {expected}")]
    Config {
        /// The key, as it is spelt in the configuration.
        key: String,
        /// The value found there.
        value: String,
        /// What would be accepted.
        expected: String,
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
        /// What is wrong with it.
        problem: String,
    },
    /// Saved mean and covariance that are none.
    #[error("these are no statistics: {problem}")]
    Statistics {
        /// What is wrong with them.
        problem: String,
    },
    /// What has no number: a decomposition that did not converge, a ratio to nothing.
    #[error("{metric}: {problem}")]
    Numerics {
        /// The metric.
        metric: &'static str,
        /// What went wrong.
        problem: String,
    },
    /// From the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From a network or its file.
    #[error(transparent)]
    Core(#[from] ddpm_core::CoreError),
}

impl MetricError {
    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: format!("{value:?}"), expected: expected.into() }
    }
}
