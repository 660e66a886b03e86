//! The files of published data sets: gzipped or not, beside copies of themselves, where programs and archives put them.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::pictures::is_hidden;
use crate::DataError;

/// The files of a directory whose name, without `.gz`, is accepted, in the order of their names. Hidden files are passed
/// over; of a file and its gzipped twin the plain one counts.
///
/// # Errors
/// [`DataError::Io`] for a directory that cannot be read; one that is not there has no files.
pub fn matching(dir: &Path, accept: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: dir.to_owned(), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(io(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_hidden(&path) && accept(name.strip_suffix(".gz").unwrap_or(name)) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    let has_twin = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "gz")
            && found.contains(&path.with_extension(""))
    };
    Ok(found.iter().filter(|path| !has_twin(path)).cloned().collect())
}

/// The first of some files that is in a directory, each plain or gzipped; of twins the plain one.
pub fn one_of(dir: &Path, names: &[String]) -> Option<PathBuf> {
    let either = |name: &String| [dir.join(name), dir.join(format!("{name}.gz"))];
    names.iter().flat_map(either).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn hidden_files_and_gzipped_twins_are_not_read_beside_their_originals() {
        let dir = TempDir::new().unwrap();
        for name in ["b.bin", "b.bin.gz", "a.bin.gz", "._b.bin", ".b.bin.gz", "c.txt"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        std::fs::create_dir(dir.path().join("d.bin")).unwrap();
        let found = matching(dir.path(), |name| ["a.bin", "b.bin", "d.bin"].contains(&name)).unwrap();
        assert_eq!(found, [dir.path().join("a.bin.gz"), dir.path().join("b.bin")]);
        assert_eq!(matching(&dir.path().join("nowhere"), |_| true).unwrap(), Vec::<PathBuf>::new());
        let one =
            |names: &[&str]| one_of(dir.path(), &names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        assert_eq!(one(&["x.bin", "a.bin"]), Some(dir.path().join("a.bin.gz")));
        assert_eq!(one(&["b.bin", "a.bin"]), Some(dir.path().join("b.bin")));
        assert_eq!(one(&["d.bin"]), None);
    }
}
