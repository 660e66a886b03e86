//! Errors in data, with messages from which a user can correct them.
//!
//! Keys are relative to the options that an error is about; each owner of options puts its own name before them with
//! [`DataError::at`]. Flags of a program, and advice that needs to know the program, are the program's to add.

use std::path::{Path, PathBuf};

use cldiff_choices::plain_value;
use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// An option that cannot work.
    #[error("`{key}` is {value}: {expected}")]
    Config {
        /// The key, relative to the options: `experiences`.
        key: String,
        /// The value found there.
        value: String,
        /// The values that would be accepted.
        expected: String,
    },
    /// A stream of several data sets, asked for of one.
    #[error("expected several data sets, joined, and {name} is one alone")]
    OneDataSet {
        /// The place of the stream's options, relative to the options that hold them; empty for the stream itself.
        key: String,
        /// The data set.
        name: String,
    },
    /// A data set whose files are not where they were looked for.
    #[error("no {name} in {dir}: looked for {file} (gzipped or not)", dir = dir.display())]
    Missing {
        /// The data set.
        name: String,
        /// The directory that was searched.
        dir: PathBuf,
        /// The file that is not there.
        file: String,
    },
    /// Files of the user's own that are not where they were looked for.
    #[error("{path}: {problem}", path = path.display())]
    Absent {
        /// The file or directory.
        path: PathBuf,
        /// The missing files, and the files that would be read.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem, and the expected content.
        problem: String,
    },
    /// A picture that is none, or not a whole one.
    #[error("{path}: cannot be decoded: {problem}{}", others(*broken, *allowed), path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
        /// Broken pictures that were found, this one among them.
        broken: usize,
        /// Broken pictures that may be left out.
        allowed: usize,
    },
    /// Images that do not fit together.
    #[error("data set \"{name}\": {problem}")]
    Inconsistent {
        /// The data set.
        name: String,
        /// The mismatch.
        problem: String,
    },
    /// The thread that prepares batches has ended before its time.
    #[error("the loading thread has failed: {problem}")]
    Loading {
        /// The answer.
        problem: String,
    },
    /// A download that no mirror could give.
    #[error("cannot get {file}:{}", said.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Fetch {
        /// The file.
        file: String,
        /// The answer of each mirror.
        said: Vec<String>,
    },
}

/// Names that were found in place of an expected one, for a message: the first few, long ones shortened.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.into_iter().take(SHOWN).map(shortened).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => "nothing".into(),
        (_, 0) => shown,
        _ => format!("{shown} and {more} more"),
    }
}

/// A text of a file as a message can show it: quoted, escaped and not long.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// How a message goes on about other broken pictures.
fn others(broken: usize, allowed: usize) -> String {
    if broken > 1 || allowed > 0 {
        format!("; {broken} pictures are broken, and {allowed} may be left out")
    } else {
        String::new()
    }
}

impl DataError {
    /// One picture that is none, or not a whole one.
    pub(crate) fn broken(path: &Path, problem: String) -> Self {
        Self::Broken { path: path.to_owned(), problem, broken: 1, allowed: 0 }
    }

    /// A value that cannot work, with what would be accepted.
    pub fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: plain_value(&value), expected: expected.into() }
    }

    /// A value that was left out and is needed.
    pub fn needed(key: &str, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: "not set".into(), expected: expected.into() }
    }

    /// Whether the data are not there, which says nothing against a configuration.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Absent { .. })
    }

    /// The key of the options that are wrong.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Config { key, .. } | Self::OneDataSet { key, .. } => Some(key),
            _ => None,
        }
    }

    /// The same mistake in options that `owner` holds: the key `size` becomes `glyphs.size`, and an empty key `glyphs`.
    #[must_use]
    pub fn at(mut self, owner: &str) -> Self {
        if let Self::Config { key, .. } | Self::OneDataSet { key, .. } = &mut self {
            *key = if key.is_empty() { owner.to_owned() } else { format!("{owner}.{key}") };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owner_puts_its_name_before_a_key() {
        let size = DataError::config("size", 7, "expected 8 to 64").at("glyphs").at("data");
        assert_eq!(size.to_string(), "`data.glyphs.size` is 7: expected 8 to 64");
        let whole = DataError::OneDataSet { key: String::new(), name: "mnist".into() };
        assert_eq!(whole.at("data_set_sequence").at("stream").key(), Some("stream.data_set_sequence"));
        let file = DataError::Absent { path: "a".into(), problem: "no such file".into() };
        assert_eq!(file.key(), None);
        assert_eq!(file.at("data").to_string(), "a: no such file");
    }
}
