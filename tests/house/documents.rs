//! Documents name files that exist, and the map of ARCHITECTURE.md has every room.

use std::{collections::BTreeSet, path::Path};

use super::{names, repository, text};

/// The documents under a folder.
fn under(folder: &str) -> Vec<String> {
    let inner = |name: String| {
        let path = format!("{folder}/{name}");
        match path.strip_suffix('/') {
            // The book as mdBook writes it.
            Some("docs/book") => Vec::new(),
            Some(folder) => under(folder),
            None => vec![path],
        }
    };
    names(folder).into_iter().flat_map(inner).collect()
}

/// The documents of the repository that tell of it as it is.
pub fn documents() -> Vec<String> {
    let is_document = |path: &String| {
        Path::new(path).extension().is_some_and(|end| end == "md") && !path.contains("CHANGELOG")
    };
    let of_root = names(".");
    let of_crates = names("crates").into_iter().map(|name| format!("crates/{name}README.md"));
    let existing = of_crates.filter(|path| repository().join(path).is_file());
    of_root.into_iter().chain(under("docs")).chain(existing).filter(is_document).collect()
}

/// The words in backticks and in parentheses of a document that are paths from the root of the repository.
fn paths(document: &str, tops: &[String]) -> Vec<String> {
    let is_path = |word: &&str| {
        let top = word.split_inclusive('/').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        top.len() < word.len() && tops.iter().any(|known| known == top) && word.chars().all(plain)
    };
    // In a recipe these stand for a file that is not there yet.
    let is_given = |word: &&str| !word.contains("NAME") && !word.contains("TARGET");
    document.split(['`', '(', ')', ' ', '\n']).filter(is_path).filter(is_given).map(str::to_owned).collect()
}

/// Directories that a checkout does not have, and builds and runs make.
const MADE: [&str; 2] = ["runs/", "target/"];

#[test]
fn the_files_that_documents_name_exist() {
    let is_top = |name: &String| name.ends_with('/') && !MADE.contains(&name.as_str());
    let tops: Vec<String> = names(".").into_iter().filter(is_top).collect();
    let mut missing = Vec::new();
    for document in documents() {
        let folder = repository().join(&document);
        let folder = folder.parent().unwrap();
        for path in paths(&text(&document), &tops) {
            if !repository().join(&path).exists() && !folder.join(&path).exists() {
                missing.push(format!("{document} names {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The paths of the map in ARCHITECTURE.md: the first words of its lines, within those that stand further left.
fn map() -> Vec<String> {
    let architecture = text("ARCHITECTURE.md");
    let block = architecture.split("```").nth(1).expect("a map");
    let mut within: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start().len();
        within.retain(|(left, _)| *left < indent);
        let owner = within.last().map_or("", |(_, path)| path.as_str());
        let name = line.split_whitespace().next().unwrap_or_default();
        let path = format!("{owner}{name}");
        if name.ends_with('/') {
            within.push((indent, path.clone()));
        }
        found.push(path);
    }
    found
}

#[test]
fn everything_on_the_map_exists() {
    for path in map() {
        assert!(repository().join(&path).exists(), "the map of ARCHITECTURE.md has {path}");
    }
}

#[test]
fn every_crate_and_every_room_is_on_the_map() {
    let map: BTreeSet<String> = map().into_iter().collect();
    let folders = |dir: String| {
        let inner = names(&dir).into_iter().filter(|name| name.ends_with('/'));
        inner.map(move |name| format!("{dir}{name}"))
    };
    let crates: Vec<String> = folders("crates/".into()).collect();
    // A folder of tests alone is no room.
    let is_room = |folder: &String| names(folder) != ["tests.rs"];
    let rooms = crates.iter().flat_map(|name| folders(format!("{name}src/"))).filter(is_room);
    for path in crates.iter().cloned().chain(rooms) {
        assert!(map.contains(&path), "the map of ARCHITECTURE.md lacks {path}");
    }
}
