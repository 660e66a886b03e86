//! The run directory: what is in it, who may write to it, and what it says afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result};
use cldiff_engine::Engine;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use crate::{
    args::RunArgs,
    config::Config,
    failure::Failure,
    report::ReportInput,
    results::{CellResult, Results},
};

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";
const RESULTS: &str = "results.json";
const REAL: &str = "real.png";

/// Where and with what a run was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The program's version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The backend.
    pub backend: String,
    /// The device, in words.
    pub device: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// When the run began (UTC).
    pub start: String,
    /// When it ended; none while it goes on.
    pub end: Option<String>,
}

/// A run directory that belongs to this run.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    manifest: Manifest,
    _lock: Lock,
}

impl RunDirectory {
    /// Makes the directory of a new run, or takes up that of an interrupted one.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a directory that holds another run or cannot be written, and for a run to resume
    /// whose configuration differs.
    pub fn open(args: &RunArgs, config: &Config, engine: &dyn Engine) -> Result<Self, Failure> {
        let root = match (&args.out, args.resume) {
            (Some(out), _) => out.clone(),
            (None, true) => return Err(Failure::mistake("--resume needs --out DIR, the run to go on with")),
            (None, false) => free_directory(&config.name),
        };
        let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
        if args.resume {
            Self::check_same(&root, &text)?;
        } else if fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some()) {
            let what = if root.join(CONFIG).exists() { "holds another run" } else { "is not empty" };
            let message = format!(
                "--out {}: the directory {what}; name another, or go on with that run by --resume",
                root.display()
            );
            return Err(Failure::mistake(message));
        }
        let manifest = Manifest {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("CLDIFF_COMMIT").into(),
            backend: engine.backend().into(),
            device: engine.device(),
            seeds: config.seeds.clone(),
            start: now(),
            end: None,
        };
        let made = || format!("--out {}: the directory cannot be made or written", root.display());
        let made = fs::create_dir_all(root.join("cells")).with_context(made);
        made.map_err(|e| Failure::mistake(format!("{e:#}")))?;
        let directory = Self { _lock: Lock::take(&root)?, root, manifest };
        directory.begin(&text).map_err(|e| Failure::mistake(format!("{e:#}")))?;
        Ok(directory)
    }

    fn check_same(root: &Path, text: &str) -> Result<(), Failure> {
        let path = root.join(CONFIG);
        let old = fs::read_to_string(&path).map_err(|e| {
            Failure::mistake(format!(
                "--resume: there is no run in {}: cannot read {}: {e}",
                root.display(),
                path.display()
            ))
        })?;
        match old.lines().zip(text.lines()).find(|(old, new)| old != new) {
            None if old.lines().count() == text.lines().count() => Ok(()),
            None => {
                Err(Failure::mistake(format!("--resume: the run in {} has other settings", root.display())))
            }
            Some((old, new)) => Err(Failure::mistake(format!(
                "--resume: the run in {} has other settings: `{old}` there, `{new}` here",
                root.display()
            ))),
        }
    }

    fn begin(&self, config: &str) -> Result<()> {
        let root = &self.root;
        let made = || format!("--out {}: the directory cannot be made or written", root.display());
        write_whole(&root.join(CONFIG), config.as_bytes()).with_context(made)?;
        write_manifest(root, &self.manifest).with_context(made)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a cell.
    pub fn cell(&self, label: &str, seed: u64) -> PathBuf {
        self.root.join("cells").join(format!("{label}-{seed}"))
    }

    /// Where the picture of real images goes.
    pub fn real_images(&self) -> PathBuf {
        self.root.join(REAL)
    }

    /// Writes the results, and the end into the manifest.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&self, results: &Results) -> Result<()> {
        write_whole(&self.root.join(RESULTS), results.to_json()?.as_bytes())?;
        write_manifest(&self.root, &Manifest { end: Some(now()), ..self.manifest.clone() })
    }
}

fn write_manifest(root: &Path, manifest: &Manifest) -> Result<()> {
    let text = serde_json::to_string_pretty(manifest)? + "\n";
    write_whole(&root.join(MANIFEST), text.as_bytes())
}

/// Writes a file so that a reader sees all of it or none.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The result of a cell that was finished earlier.
pub fn finished_cell(dir: &Path) -> Option<CellResult> {
    let text = fs::read_to_string(dir.join("result.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Everything that a report needs from a run directory.
///
/// # Errors
/// If the directory holds no finished run.
pub fn load(root: &Path) -> Result<ReportInput> {
    let results = Results::load(&root.join(RESULTS))
        .with_context(|| format!("{} holds no finished run", root.display()))?;
    let read =
        |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"));
    let manifest: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&read(MANIFEST)?)?;
    let plain = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let tasks = results.stream.tasks.len();
    let mut grids = BTreeMap::new();
    for cell in &results.cells {
        let samples = root.join("cells").join(format!("{}-{}", cell.label, cell.seed)).join("samples");
        let pictures = (0..tasks).filter_map(|k| fs::read(samples.join(picture_name(k))).ok()).collect();
        grids.insert((cell.label.clone(), cell.seed), pictures);
    }
    Ok(ReportInput {
        config_toml: read(CONFIG)?,
        manifest: manifest.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        grids,
        real_grid: fs::read(root.join(REAL)).ok(),
        results,
    })
}

/// The file of the samples after task `k` (from 0).
pub fn picture_name(k: usize) -> String {
    format!("after-task-{}.png", k + 1)
}

fn free_directory(name: &str) -> PathBuf {
    let runs = Path::new("runs");
    let free = |dir: &PathBuf| !dir.exists();
    let numbered = (2..).map(|i| runs.join(format!("{name}-{i}")));
    std::iter::once(runs.join(name)).chain(numbered).find(free).unwrap_or_else(|| runs.join(name))
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
