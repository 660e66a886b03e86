//! Files that are not read, and why: one line that a user can act upon.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

/// Kinds of files that a line names before it only counts the others.
const SHOWN: usize = 8;
/// Letters of an extension that a line shows.
const LONGEST: usize = 12;

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its name begins with a dot: `.DS_Store`, and `._a.png`, which macOS leaves beside `a.png`.
    Hidden,
    /// A link to nothing.
    Gone,
    /// A link that was copied as the text of its target, as git does where a disk has no links.
    Text,
    /// A link to a directory that holds the link, or below more directories than are entered.
    Loop,
    /// A file that no directory of a class holds.
    NoClass,
    /// Neither a training nor a test directory, where there are such.
    NoSplit,
    /// Its name ends otherwise than those that are read; the extension, in lower case, is empty where it has none.
    Other(String),
}

/// The files of a search that are not read, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut(BTreeMap<Why, BTreeSet<PathBuf>>);

impl LeftOut {
    /// Notes one file.
    pub fn add(&mut self, why: Why, path: PathBuf) {
        self.0.entry(why).or_default().insert(path);
    }

    /// Notes a file whose name ends otherwise than those that are read.
    pub fn add_other(&mut self, path: PathBuf) {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        self.add(Why::Other(extension.unwrap_or_default()), path);
    }

    /// Adds the files of another search; a file of both counts once.
    pub fn merge(&mut self, other: Self) {
        for (why, paths) in other.0 {
            self.0.entry(why).or_default().extend(paths);
        }
    }

    /// How many files are left out for a reason.
    pub fn count(&self, why: &Why) -> usize {
        self.0.get(why).map_or(0, BTreeSet::len)
    }

    /// How many files are left out.
    pub fn total(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// Whether every file is read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Warns of the files of `dir` that are left out, if there are any.
    pub fn warn(&self, dir: &Path) {
        if !self.is_empty() {
            tracing::warn!("{}: {self}", dir.display());
        }
    }
}

/// `left out 5 files: 1 hidden (a/._1.png), 4 *.txt (a/notes.txt and others)`
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "left out {total} {}: ", if total == 1 { "file" } else { "files" })?;
        for (i, (why, paths)) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            let first = paths.first().map_or(String::new(), |path| path.display().to_string());
            let others = if paths.len() > 1 { " and others" } else { "" };
            write!(f, "{separator}{} {} ({first}{others})", paths.len(), why.words())?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, ", and files of {more} more kinds"),
        }
    }
}

impl Why {
    fn words(&self) -> String {
        match self {
            Self::Hidden => "hidden".into(),
            Self::Gone => "linked to nothing".into(),
            Self::Text => "kept as the text of a link".into(),
            Self::Loop => "linked in a circle or too deep".into(),
            Self::NoClass => "in no directory of a class".into(),
            Self::NoSplit => "neither of the training nor of the test images".into(),
            Self::Other(extension) if extension.is_empty() => "without an extension".into(),
            Self::Other(extension) => format!("*.{}", extension.chars().take(LONGEST).collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_once_and_every_reason_has_its_first() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_empty());
        left_out.add(Why::Hidden, "a/.x".into());
        assert_eq!(left_out.to_string(), "left out 1 file: 1 hidden (a/.x)");
        let mut other = LeftOut::default();
        other.add(Why::Hidden, "a/.x".into());
        for path in ["b/n.TXT", "a/m.txt", "README"] {
            other.add_other(path.into());
        }
        left_out.merge(other);
        assert_eq!((left_out.total(), left_out.count(&Why::Other("txt".into()))), (4, 2));
        assert_eq!(
            left_out.to_string(),
            "left out 4 files: 1 hidden (a/.x), 1 without an extension (README), 2 *.txt (a/m.txt and others)"
        );
    }

    #[test]
    fn the_line_stays_a_line_whatever_the_extensions_are() {
        let mut left_out = LeftOut::default();
        (0..50).for_each(|i| left_out.add_other(format!("x.{}{i}", "e".repeat(200)).into()));
        let line = left_out.to_string();
        assert!(line.starts_with("left out 50 files: 1 *.eeeeeeeeeeee ("), "{line}");
        assert!(line.ends_with(", and files of 42 more kinds"), "{line}");
    }
}
