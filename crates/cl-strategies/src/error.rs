//! Errors of training.

use ddpm_core::CoreError;
use thiserror::Error;

/// An error of this crate.
///
/// Keys are relative: the owner of the options puts its own name before them by [`at`](Self::at).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// An option that cannot work.
    #[error("`{key}` is {value}: {expected}")]
    Config {
        /// The dotted key, relative to the options that were checked; empty for these as a whole.
        key: String,
        /// The value found there.
        value: String,
        /// The values that would be accepted.
        expected: String,
    },
    /// An option of the training that the strategy cannot work with.
    #[error("`{key}` of the training is {value}: {expected}")]
    Training {
        /// The dotted key, relative to the [`TrainerConfig`](crate::TrainerConfig).
        key: String,
        /// The value found there.
        value: String,
        /// The values that would be accepted.
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
        /// The mismatch.
        name: String,
        /// Why.
        problem: String,
    },
    /// A checkpoint that cannot be written, or is not as it was written.
    #[error("{path}: {problem}", path = path.display())]
    Checkpoint {
        /// The checkpoint, or the file of it.
        path: std::path::PathBuf,
        /// The problem.
        problem: String,
    },
    /// From the loading or the joining of images.
    #[error(transparent)]
    Data(#[from] data_streams::DataError),
    /// From the model or its process, beside options that cannot work.
    #[error(transparent)]
    Core(CoreError),
    /// The observer of the training asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<CoreError> for StrategyError {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Config { key, value, expected } => Self::Config { key, value, expected },
            other => Self::Core(other),
        }
    }
}

impl StrategyError {
    /// Puts the owner's name before the key of an option: `sampler` and `steps` become `sampler.steps`; an empty key
    /// becomes the owner, an empty owner changes nothing. Other errors stay what they are.
    #[must_use]
    pub fn at(self, owner: &str) -> Self {
        match self {
            Self::Config { key, value, expected } => {
                Self::Config { key: joined(owner, &key), value, expected }
            }
            other => other,
        }
    }

    /// Makes an [option of the training](Self::Training) one of its owner, who calls the training `owner`.
    #[must_use]
    pub fn training_at(self, owner: &str) -> Self {
        match self {
            Self::Training { key, value, expected } => {
                Self::Config { key: joined(owner, &key), value, expected }
            }
            other => other,
        }
    }

    pub(crate) fn state(name: &str, problem: impl Into<String>) -> Self {
        Self::State { name: name.into(), problem: problem.into() }
    }

    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config {
            key: key.into(),
            value: cldiff_choices::plain_value(&value),
            expected: expected.into(),
        }
    }

    pub(crate) fn training(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Training {
            key: key.into(),
            value: cldiff_choices::plain_value(&value),
            expected: expected.into(),
        }
    }
}

/// Two parts of a dotted key.
fn joined(owner: &str, key: &str) -> String {
    let parts = [owner, key].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_put_their_names_before_keys() {
        let error = StrategyError::config("", 3, "expected 2").at("steps").at("").at("sampler");
        assert_eq!(error.to_string(), "`sampler.steps` is 3: expected 2");
        let error = StrategyError::training("ema.decay", 3, "expected 2").at("packed");
        assert_eq!(error.to_string(), "`ema.decay` of the training is 3: expected 2");
        assert_eq!(error.training_at("training").to_string(), "`training.ema.decay` is 3: expected 2");
    }
}
