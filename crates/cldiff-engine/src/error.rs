//! The errors of an engine.

use cl_metrics::MetricError;
use cl_strategies::StrategyError;
use ddpm_core::CoreError;
use thiserror::Error;

/// The part of a request for a backend that cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The backend itself.
    Backend,
    /// A backend that is not part of this program.
    NotBuiltIn,
    /// A device of the backend, by its number.
    Device(usize),
    /// A precision.
    Precision(&'static str),
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Backend | Self::NotBuiltIn => Ok(()),
            Self::Device(index) => write!(f, "device {index} "),
            Self::Precision(name) => write!(f, "precision {name}: "),
        }
    }
}

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A backend that cannot be used here.
    #[error("backend {backend}: {asked}{problem}")]
    Backend {
        /// The backend that was asked for.
        backend: &'static str,
        /// The part of the request that cannot be met.
        asked: Asked,
        /// The cause: a library or device that was looked for and not found, for example.
        problem: String,
    },
    /// From the model or its files.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// From the training.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// From the evaluation.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// From data that do not fit each other.
    #[error(transparent)]
    Data(#[from] data_streams::DataError),
    /// From writing what a cell leaves behind.
    #[error(transparent)]
    Output(#[from] std::io::Error),
    /// The observer asked to stop.
    #[error("interrupted")]
    Interrupted,
}
