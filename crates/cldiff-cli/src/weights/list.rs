//! `cldiff weights list`: where the weights come from, where they would be, and whether they are there.

use std::path::PathBuf;

use serde::Serialize;

use super::{Published, published};
use crate::{
    files::weights::kept,
    ui::{failure::Failure, width::say},
};

/// Weights, as `--json` prints them.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    summary: &'static str,
    licence: &'static str,
    /// Where they can be had.
    sources: Vec<String>,
    /// The first digits of the published file's SHA-256, where they are known.
    published_sha256: Option<String>,
    /// How to get them.
    advice: &'static str,
    path: PathBuf,
    /// Whether they are there, whole.
    present: bool,
    /// The SHA-256 of the file that is there, and of the PyTorch file that it was made of.
    sha256: Option<String>,
    pytorch_sha256: Option<String>,
    /// The problem of the file that is there.
    problem: Option<String>,
}

pub(super) fn list(json: bool) -> Result<(), Failure> {
    let entries: Vec<Entry> = published().iter().map(entry).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&entries).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    entries.iter().for_each(print);
    Ok(())
}

fn entry(network: &Published) -> Entry {
    let (path, file) = (kept(network.features), network.remote.map(|remote| remote()));
    let info = path.exists().then(|| (network.info)(&path));
    let (info, problem) = match info.transpose() {
        Ok(info) => (info, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let pages = network.pages.iter().map(ToString::to_string);
    Entry {
        name: network.features,
        summary: network.summary,
        licence: network.licence,
        sources: file.iter().flat_map(|file| file.urls.clone()).chain(pages).collect(),
        published_sha256: file.map(|file| file.sha256),
        advice: network.advice,
        path,
        present: info.is_some(),
        sha256: info.as_ref().map(|info| info.sha256.clone()),
        pytorch_sha256: info.and_then(|info| info.source_sha256),
        problem,
    }
}

fn print(entry: &Entry) {
    let there = match (&entry.sha256, &entry.problem) {
        (Some(sha256), _) => format!("yes, SHA-256 {sha256}"),
        (None, Some(problem)) => format!("not whole: {problem}"),
        (None, None) => format!("no: {}", entry.advice),
    };
    let hash = |hash: &Option<String>, end: &str| {
        hash.as_ref().map_or_else(|| "not known".to_owned(), |hash| format!("SHA-256 {hash}{end}"))
    };
    say(&format!("{}: {}", entry.name, entry.summary));
    for (what, value) in [
        ("there", there),
        ("file", entry.path.display().to_string()),
        ("made of", hash(&entry.pytorch_sha256, "")),
        ("published", hash(&entry.published_sha256, "...")),
        ("licence", entry.licence.into()),
    ] {
        say(&format!("  {what:<10} {value}"));
    }
    for source in &entry.sources {
        say(&format!("  {:<10} {source}", "source"));
    }
}
