//! `cldiff data list`: the data sets, where they would be read from, and whether they are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use data_streams::{Published, Split, dataset::emnist::EmnistSplit};
use serde::Serialize;

use crate::{config::located, failure::Failure};

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
    let mut entries = vec![Entry {
        name: "glyphs".into(),
        summary: "Symbols drawn by the program, 8x8 to 64x64, grey or colour, 10 classes".into(),
        licence: "that of cldiff".into(),
        dir: None,
        present: true,
        files: Vec::new(),
        bytes: 0,
        download_bytes: Some(0),
    }];
    entries.extend(Published::ALL.map(|published| entry(published, data_dir)));
    if json {
        println!("{}", serde_json::to_string_pretty(&entries).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["name", "what it is", "there", "size", "read from", "licence"]);
    for entry in entries {
        let there = if entry.present { "yes" } else { "no" };
        let size = match (entry.present, entry.download_bytes) {
            (true, _) if entry.dir.is_none() => "drawn".into(),
            (true, _) => megabytes(entry.bytes),
            (false, Some(bytes)) => format!("fetch: {}", megabytes(bytes)),
            (false, None) => String::new(),
        };
        let dir = entry.dir.map_or(String::new(), |dir| dir.display().to_string());
        table.add_row([entry.name, entry.summary, there.into(), size, dir, entry.licence]);
    }
    println!("{table}");
    Ok(())
}

fn entry(published: Published, data_dir: Option<&Path>) -> Entry {
    let dir = located(published, None, data_dir);
    let splits = |published: Published| {
        [Split::Train, Split::Eval].map(|split| published.files(&dir, split).unwrap_or_default())
    };
    // Any division of EMNIST will do.
    let divisions: Vec<Published> = match published {
        Published::Emnist(_) => EmnistSplit::ALL.map(Published::Emnist).to_vec(),
        other => vec![other],
    };
    let found: Vec<_> = divisions.into_iter().map(splits).collect();
    let present = found.iter().any(|splits| splits.iter().all(|files| !files.is_empty()));
    let files: Vec<PathBuf> = found.into_iter().flatten().flatten().collect();
    let remote = published.remote_files();
    Entry {
        name: published.name().into(),
        summary: published.summary().into(),
        licence: published.licence().into(),
        bytes: files.iter().filter_map(|file| fs::metadata(file).ok()).map(|m| m.len()).sum(),
        download_bytes: remote.iter().map(|file| file.bytes).sum(),
        present,
        files,
        dir: Some(dir),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
