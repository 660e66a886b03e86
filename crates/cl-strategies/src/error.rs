//! What can go wrong while training.

use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StrategyError {
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
    /// The loss became infinite or not a number.
    #[error(
        "training diverged: the loss is {loss} at step {step} of experience {experience}; lower the learning rate \
         or the gradient norm at which gradients are clipped"
    )]
    Diverged {
        /// The experience, from 0.
        experience: usize,
        /// The step in that experience, from 0.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A checkpoint that is not of this training.
    #[error("the state of the training has `{name}`, but {problem}")]
    State {
        /// What does not fit.
        name: String,
        /// Why.
        problem: String,
    },
    /// A checkpoint that cannot be written, or is not as it was written.
    #[error("{path}: {problem}", path = path.display())]
    Checkpoint {
        /// The checkpoint, or the file of it.
        path: std::path::PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// From the loading of images.
    #[error(transparent)]
    Data(#[from] data_streams::DataError),
    /// The observer of the training asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl StrategyError {
    pub(crate) fn state(name: &str, problem: impl Into<String>) -> Self {
        Self::State { name: name.into(), problem: problem.into() }
    }

    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: format!("{value:?}"), expected: expected.into() }
    }
}
