//! What can be wrong with data, said so that a user can mend it.

use std::path::PathBuf;

use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
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
    /// A data set whose files are not where they were looked for.
    #[error(
        "no {name} in {dir}: looked for {file} (gzipped or not); get the published files, and name their directory \
         with --data-dir or the key `dir`",
        dir = dir.display()
    )]
    Missing {
        /// The data set.
        name: String,
        /// The directory that was searched.
        dir: PathBuf,
        /// The file that is not there.
        file: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with what was expected.
        problem: String,
    },
    /// Images that do not fit together.
    #[error("data set \"{name}\": {problem}")]
    Inconsistent {
        /// The data set.
        name: String,
        /// What does not fit.
        problem: String,
    },
}

impl DataError {
    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: format!("{value:?}"), expected: expected.into() }
    }
}
