//! Mistakes in a model's configuration or files, told so that a user can mend them.

use std::path::PathBuf;

pub use cldiff_choices::plain_value;
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
        /// The values that would be accepted.
        expected: String,
    },
    /// A file or directory that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The problem.
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
        /// The problem.
        problem: String,
    },
    /// Numbers that were computed and are not finite.
    #[error(
        "{count} of {of} {things} have numbers that are not finite: the model diverged, or its files do not say how to use it"
    )]
    NotFinite {
        /// The things that have them.
        things: &'static str,
        /// How many of them.
        count: usize,
        /// How many there are.
        of: usize,
    },
}

/// A message of a parser in the words of its reader: the types of Rust are called by what they hold.
pub fn plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        ("usize", "a whole number, 0 or more"),
        ("u64", "a whole number, 0 or more"),
        ("u32", "a whole number, 0 or more"),
        ("u16", "a whole number, 0 or more"),
        ("u8", "a whole number, 0 to 255"),
        ("i64", "a whole number"),
        ("i32", "a whole number"),
        ("f64", "a number"),
        ("f32", "a number"),
        ("a string", "a text"),
        ("a boolean", "true or false"),
        ("a sequence", "a list"),
        ("a map", "a table"),
        ("unit", "nothing"),
    ];
    WORDS.iter().fold(without_structs(message), |text, (theirs, plain)| {
        let expected = format!("expected {theirs}");
        let mut changed = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(&expected) {
            let (before, after) = (&rest[..at], &rest[at + expected.len()..]);
            changed.push_str(before);
            changed.push_str("expected ");
            changed.push_str(if is_end(after) { plain } else { theirs });
            rest = after;
        }
        changed + rest
    })
}

/// Whether a description ends here, and is not the beginning of a longer word, nor of a longer description ("a map with a
/// single key").
fn is_end(after: &str) -> bool {
    after.is_empty() || after.starts_with(['\n', ',', ';', '.']) || after.starts_with(" at line")
}

/// The message with a table in place of each struct, whose name is no user's.
fn without_structs(message: &str) -> String {
    const STRUCT: &str = "expected struct ";
    let mut parts = message.split(STRUCT);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let after = part.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        let is_name = after.len() < part.len() && is_end(after);
        if is_name { text + "expected a table" + after } else { text + STRUCT + part }
    })
}

impl CoreError {
    pub(crate) fn config(key: &str, value: impl std::fmt::Debug, expected: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: plain_value(&value), expected: expected.into() }
    }

    /// Refuses numbers that are not finite: `count` of `of` things have some.
    ///
    /// # Errors
    /// [`CoreError::NotFinite`] unless `count` is 0.
    pub fn if_not_finite(things: &'static str, count: usize, of: usize) -> Result<(), Self> {
        if count == 0 { Ok(()) } else { Err(Self::NotFinite { things, count, of }) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_rust_have_plain_names() {
        for (theirs, plain) in [
            (
                "invalid type: string \"a\", expected usize",
                "invalid type: string \"a\", expected a whole number, 0 or more",
            ),
            (
                "invalid type: null, expected f64 at line 3 column 9",
                "invalid type: null, expected a number at line 3 column 9",
            ),
            ("invalid length 1, expected a sequence\n", "invalid length 1, expected a list\n"),
            ("expected a map with a single key", "expected a map with a single key"),
            (
                "invalid type: integer `3`, expected struct FinetuneConfig\n",
                "invalid type: integer `3`, expected a table\n",
            ),
            ("expected struct A_1, expected struct B", "expected a table, expected a table"),
            ("expected struct Pair with 2 elements", "expected struct Pair with 2 elements"),
            ("expected a mapping", "expected a mapping"),
            ("expected one of `usize`, `f64`", "expected one of `usize`, `f64`"),
        ] {
            assert_eq!(plain_words(theirs), plain);
        }
    }

    #[test]
    fn an_optional_value_is_shown_as_it_is_written() {
        for (error, shown) in [
            (CoreError::config("key", Some(8), "fewer"), "`key` is 8: fewer"),
            (CoreError::config("key", None::<usize>, "some"), "`key` is absent: some"),
            (CoreError::config("key", Some("x"), "another"), "`key` is \"x\": another"),
            (
                CoreError::config("key", crate::diffusion::Prediction::VPrediction, "x"),
                "`key` is v_prediction: x",
            ),
            (CoreError::config("key", f64::NAN, "x"), "`key` is NaN: x"),
        ] {
            assert_eq!(error.to_string(), shown);
        }
    }
}
