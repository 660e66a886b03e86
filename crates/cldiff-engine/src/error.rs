//! What can go wrong in an engine.

use cl_metrics::MetricError;
use cl_strategies::StrategyError;
use ddpm_core::CoreError;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A backend that cannot be used here: what was asked for, what was looked for, what to do.
    #[error("--backend {backend}: {problem}")]
    Backend {
        /// The backend that was asked for.
        backend: &'static str,
        /// What was looked for and not found.
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
