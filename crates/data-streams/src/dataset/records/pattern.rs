//! Files by a pattern: one file, or all in a directory whose names fit `*`, in the order of their names.

use std::path::{Path, PathBuf};

use crate::DataError;

/// The files that a pattern means, of which there is at least one.
///
/// # Errors
/// [`DataError::Absent`] if there is none, [`DataError::Io`] for a directory that cannot be read.
pub(super) fn files(base: Option<&Path>, pattern: &Path, expected: &str) -> Result<Vec<PathBuf>, DataError> {
    let pattern = base.map_or_else(|| pattern.to_owned(), |base| base.join(pattern));
    let absent = |problem: String| DataError::Absent { path: pattern.clone(), problem };
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains('*') {
        return if pattern.is_file() {
            Ok(vec![pattern])
        } else {
            Err(absent(format!("no such file; expected {expected}, or several by a name with *")))
        };
    }
    let dir = pattern.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.is_dir() {
        return Err(absent(format!("there is no directory {}", dir.display())));
    }
    let io = |source| DataError::Io { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let fit = path.file_name().and_then(|name| name.to_str()).is_some_and(|file| fits(file, name));
        if fit && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() { Err(absent("no file has such a name".into())) } else { Ok(found) }
}

/// Whether a name fits a pattern, in which each `*` stands for any characters; hidden files fit none that begins with it.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let (first, last) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
    let inner = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let Some(mut rest) = inner.filter(|_| !(first.is_empty() && name.starts_with('.'))) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("train-00000-of-00002.parquet", "train-*.parquet"));
        assert!(fits("train-00000-of-00002.parquet", "*-of-*.parquet"));
        assert!(fits("a.tar", "*") && fits("a.tar", "a*.tar") && fits("aXbYc", "a*b*c"));
        assert!(!fits("test-0.parquet", "train-*.parquet") && !fits("a.tar", "a*a.tar"));
        assert!(!fits(".a.tar", "*.tar") && fits(".a.tar", ".*.tar") && !fits("aXc", "a*b*c"));
    }

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let dir = tempfile::TempDir::new().unwrap();
        for name in ["s-10.tar", "s-02.tar", "t.tar", "s-03.zip"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        std::fs::create_dir(dir.path().join("s-04.tar")).unwrap();
        let found = |pattern: &str| files(Some(dir.path()), Path::new(pattern), "a tar");
        assert_eq!(found("s-*.tar").unwrap(), [dir.path().join("s-02.tar"), dir.path().join("s-10.tar")]);
        assert_eq!(found("t.tar").unwrap(), [dir.path().join("t.tar")]);
        for (pattern, expected) in [
            ("u.tar", "u.tar: no such file; expected a tar"),
            ("u-*.tar", "u-*.tar: no file has such a name"),
            ("nowhere/*.tar", "there is no directory"),
        ] {
            let error = found(pattern).unwrap_err();
            assert!(error.is_missing() && error.to_string().contains(expected), "{error}");
        }
    }
}
