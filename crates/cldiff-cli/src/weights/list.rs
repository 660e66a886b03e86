//! `cldiff weights list`: where the weights come from, where they would be, and whether they are there.

use std::path::PathBuf;

use cl_metrics::features::inception::weights_info;
use serde::Serialize;

use super::{LICENCE, NAME, SUMMARY, published};
use crate::{files::weights::fetched, ui::failure::Failure};

/// Weights, as `--json` prints them.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    summary: &'static str,
    licence: &'static str,
    /// Where they can be had.
    sources: Vec<String>,
    /// The first digits of the published file's SHA-256.
    published_sha256: String,
    path: PathBuf,
    /// Whether they are there, whole.
    present: bool,
    /// The SHA-256 of the file that is there, and of the PyTorch file that it was made of.
    sha256: Option<String>,
    pytorch_sha256: Option<String>,
    /// What is wrong with the file that is there.
    problem: Option<String>,
}

pub(super) fn list(json: bool) -> Result<(), Failure> {
    let (path, file) = (fetched(), published());
    let info = path.exists().then(|| weights_info(&path));
    let (info, problem) = match info.transpose() {
        Ok(info) => (info, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let entry = Entry {
        name: NAME,
        summary: SUMMARY,
        licence: LICENCE,
        sources: file.urls,
        published_sha256: file.sha256,
        path,
        present: info.is_some(),
        sha256: info.as_ref().map(|info| info.sha256.clone()),
        pytorch_sha256: info.and_then(|info| info.source_sha256),
        problem,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&[&entry]).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    let there = match (&entry.sha256, &entry.problem) {
        (Some(sha256), _) => format!("yes, SHA-256 {sha256}"),
        (None, Some(problem)) => format!("not whole: {problem}"),
        (None, None) => "no: cldiff weights fetch".into(),
    };
    println!("{}: {}", entry.name, entry.summary);
    for (what, value) in [
        ("there", there),
        ("file", entry.path.display().to_string()),
        (
            "made of",
            entry.pytorch_sha256.map_or_else(|| "not known".into(), |hash| format!("SHA-256 {hash}")),
        ),
        ("published", format!("SHA-256 {}...", entry.published_sha256)),
        ("licence", entry.licence.into()),
    ] {
        println!("  {what:<10} {value}");
    }
    for source in entry.sources {
        println!("  {:<10} {source}", "source");
    }
    Ok(())
}
