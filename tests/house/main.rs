//! Checks of the house: each choice is named in its own file and in one list; documents name files that exist, and link to
//! headings that exist.

mod documents;
mod links;
mod members;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a directory of the repository, sorted; those of directories end in `/`.
fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(repository().join(dir)).unwrap_or_else(|error| panic!("{dir}: {error}"));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let slash = if entry.path().is_dir() { "/" } else { "" };
        format!("{}{slash}", entry.file_name().to_str().unwrap())
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// The files under a directory of the repository whose names end in `.rs`.
fn rust_files(dir: &str) -> Vec<String> {
    let inner = |name: String| {
        let path = format!("{dir}/{name}");
        match path.strip_suffix('/') {
            Some(dir) => rust_files(dir),
            None => vec![path],
        }
    };
    names(dir)
        .into_iter()
        .flat_map(inner)
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "rs"))
        .collect()
}
