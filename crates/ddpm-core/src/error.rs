//! What can be wrong with a model's configuration or files, said so that a user can mend it.

use std::path::PathBuf;

use thiserror::Error;

/// An error of this crate. Misuse of shapes inside a `forward` panics instead, as in Burn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CoreError {
    /// A value of a configuration that cannot work.
    #[error("`{key}` is {value}: {expected}")]
    Config {
        /// The key, relative to the options that were checked; owners prefix theirs by [`at`](CoreError::at).
        key: String,
        /// The value found there.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// A file or directory that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A text whose content is not understood, before anyone has said which file it is from.
    #[error("{problem}")]
    Content {
        /// The problem with the file.
        problem: String,
    },
    /// A tensor of a checkpoint that does not fit the model.
    #[error("tensor `{name}`: {problem}")]
    Tensor {
        /// The tensor's name in the checkpoint.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl CoreError {
    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: format!("{value:?}"), expected: expected.into() }
    }

    pub(crate) fn tensor(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Tensor { name: name.into(), problem: problem.into() }
    }

    /// The error with its key inside that of `owner`: `steps` becomes `sampler.steps`.
    #[must_use]
    pub fn at(self, owner: &str) -> Self {
        match self {
            Self::Config { key, value, expected } if key.is_empty() => {
                Self::Config { key: owner.into(), value, expected }
            }
            Self::Config { key, value, expected } => {
                Self::Config { key: format!("{owner}.{key}"), value, expected }
            }
            other => other,
        }
    }

    /// Names the file that a value or a tensor came from.
    pub(crate) fn in_file(path: impl Into<PathBuf>) -> impl FnOnce(Self) -> Self {
        move |error| match error {
            Self::Config { .. } | Self::Tensor { .. } | Self::Content { .. } => {
                Self::Format { path: path.into(), problem: error.to_string() }
            }
            other => other,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }
}
