//! `cldiff data list`: the data sets, where they would be read from, and whether they are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_streams::{DataConfig, Places, PublishedSet, Split};
use serde::Serialize;

use crate::{
    config::places,
    failure::Failure,
    ui::width::{of_stdout, wrap},
};

/// One data set, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    summary: String,
    licence: String,
    /// Where its files are looked for; null for what the program draws.
    dir: Option<PathBuf>,
    /// Whether both splits are there.
    present: bool,
    /// The files that are there.
    files: Vec<PathBuf>,
    /// Their bytes.
    bytes: u64,
    /// The bytes that `fetch` gets, where they are known.
    download_bytes: Option<u64>,
}

pub(super) fn list(data_dir: Option<&Path>, json: bool) -> Result<(), Failure> {
    let places = places(data_dir);
    let entries: Vec<Entry> = DataConfig::without_options().iter().map(|set| entry(set, &places)).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&entries).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    let width = of_stdout();
    let texts: Vec<String> = entries.iter().map(|entry| shown(entry, width)).collect();
    println!("{}", texts.join("\n\n"));
    Ok(())
}

/// The name and whether it is there, and below it the images, the licence and the directory.
fn shown(entry: &Entry, width: usize) -> String {
    let there = match (entry.present, entry.download_bytes) {
        (true, _) if entry.dir.is_none() => "drawn by the program".to_owned(),
        (true, _) => format!("there, {}", megabytes(entry.bytes)),
        (false, Some(bytes)) => {
            format!("not there; `cldiff data fetch {}` gets {}", entry.name, megabytes(bytes))
        }
        (false, None) => "not there".to_owned(),
    };
    let dir = entry.dir.as_ref().map(|dir| format!("read from {}", dir.display()));
    let licence = format!("licence: {}", entry.licence);
    let below = [Some(entry.summary.clone()), Some(licence), dir].into_iter().flatten();
    let below = below.map(|line| format!("    {line}"));
    let lines = std::iter::once(format!("{}: {there}", entry.name)).chain(below);
    lines.map(|line| wrap(&line, width)).collect::<Vec<_>>().join("\n")
}

fn entry(set: &DataConfig, places: &Places) -> Entry {
    let contents = match set.contents() {
        "" => DataConfig::list().find(set.name()).map_or("", |entry| entry.summary),
        contents => contents,
    };
    let drawn = Entry {
        name: set.public_name(),
        summary: contents.into(),
        licence: set.licence().into(),
        dir: None,
        present: true,
        files: Vec::new(),
        bytes: 0,
        download_bytes: Some(0),
    };
    match set.published() {
        Some(published) => read_from_files(drawn, set, published, places),
        None => drawn,
    }
}

fn read_from_files(entry: Entry, set: &DataConfig, published: &dyn PublishedSet, places: &Places) -> Entry {
    let dir = places.located(&entry.name, None);
    let splits = |published: &dyn PublishedSet| {
        let found = |split| published.files(&published.home(&dir, split), split).unwrap_or_default();
        [Split::Train, Split::Eval].map(found)
    };
    // Any division will do: `fetch` gets them all.
    let divisions = set.divisions();
    let mut found: Vec<_> =
        divisions.iter().filter_map(|(_, division)| division.published()).map(splits).collect();
    if divisions.is_empty() {
        found.push(splits(published));
    }
    let present = found.iter().any(|splits| splits.iter().all(|files| !files.is_empty()));
    let mut files: Vec<PathBuf> = Vec::new();
    for file in found.into_iter().flatten().flatten() {
        // A file may hold both splits.
        if !files.contains(&file) {
            files.push(file);
        }
    }
    Entry {
        bytes: files.iter().filter_map(|file| fs::metadata(file).ok()).map(|m| m.len()).sum(),
        download_bytes: published.remote_files().iter().map(|file| file.bytes).sum(),
        present,
        files,
        dir: Some(dir),
        ..entry
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
