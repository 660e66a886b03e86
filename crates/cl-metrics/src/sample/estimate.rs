//! A measured number with its doubt, or the reason why there is none.

use serde::{Deserialize, Serialize};

/// A value, and its standard error over samples where the metric estimates one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// The standard error of the value over draws of the samples, the real images being given.
    pub standard_error: Option<f64>,
}

impl Estimate {
    /// A value with its standard error, where there is one.
    pub fn with(value: f64, standard_error: Option<f64>) -> Self {
        Self { value, standard_error: standard_error.filter(|error| error.is_finite()) }
    }

    /// A value with its standard error.
    pub fn new(value: f64, standard_error: f64) -> Self {
        Self { value, standard_error: Some(standard_error).filter(|error| error.is_finite()) }
    }
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Self { value, standard_error: None }
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Unmeasured(
    /// One sentence without a full stop: `fid needs at least 2 images, and has 1`.
    pub String,
);

/// The value of a metric, or the reason why it has none.
pub type Outcome = Result<Estimate, Unmeasured>;
