//! The run directory: what is in it, who may write to it, and what it says afterwards.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use cl_strategies::durable::{sha256, write_whole};
use toml::Table;

use super::{
    cell_directory::CellDirectory,
    lock::Lock,
    manifest::{Ending, Manifest},
};
use crate::{
    args::RunArgs,
    config::{Config, first_difference},
    failure::Failure,
    report::ReportInput,
    results::Results,
};

const CONFIG: &str = "config.toml";
const RESULTS: &str = "results.json";
const REAL: &str = "real.png";

/// Settings that may change from session to session of one run: they change no result.
const FREE: [&str; 1] = ["checkpoints"];

/// A run directory that belongs to this run.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    manifest: Manifest,
    _lock: Lock,
}

impl RunDirectory {
    /// Makes the directory of a new run, or takes up that of an interrupted one; `manifest` makes the manifest of a new
    /// one from the configuration's text.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a directory that holds another run or cannot be written, and for a run to resume
    /// that another program made, with other settings or on other data.
    pub fn open(
        args: &RunArgs,
        config: &Config,
        manifest: impl FnOnce(&str) -> Manifest,
    ) -> Result<Self, Failure> {
        let root = match (&args.out, args.resume) {
            (Some(out), _) => out.clone(),
            (None, true) => return Err(Failure::mistake("--resume needs --out DIR, the run to go on with")),
            (None, false) => free_directory(&config.name),
        };
        let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
        if args.resume && !root.is_dir() {
            return Err(Failure::mistake(format!("--resume: there is no run in {}", root.display())));
        }
        if !args.resume {
            check_free(&root)?;
        }
        let unusable = |error: io::Error| {
            Failure::mistake(format!(
                "--out {}: the directory cannot be made or written: {error}",
                root.display()
            ))
        };
        fs::create_dir_all(root.join("cells")).map_err(unusable)?;
        let lock = Lock::take(&root)?;
        let mut manifest = manifest(&text);
        if args.resume && Manifest::is_in(&root) {
            manifest = taken_up(&root, &text, &manifest)?;
        } else {
            if args.resume {
                check_hardly_begun(&root, &text)?;
            }
            write_whole(&root.join(CONFIG), text.as_bytes()).map_err(unusable)?;
        }
        manifest.begin_session();
        manifest.save(&root).map_err(unusable)?;
        Ok(Self { _lock: lock, root, manifest })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a cell.
    pub fn cell(&self, label: &str, seed: u64) -> CellDirectory {
        CellDirectory::of(&self.root, label, seed)
    }

    /// Where the picture of real images goes.
    pub fn real_images(&self) -> PathBuf {
        self.root.join(REAL)
    }

    /// What to do to go on.
    pub fn how_to_resume(&self) -> String {
        format!("nothing is lost: go on with the same command and --resume --out {}", self.root.display())
    }

    /// Writes the results, and their hash into the manifest.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&mut self, results: &Results) -> Result<()> {
        let text = results.to_json()?;
        write_whole(&self.root.join(RESULTS), text.as_bytes())?;
        self.manifest.results_sha256 = Some(sha256(text.as_bytes()));
        self.manifest.end_session(Ending::Finished);
        Ok(self.manifest.save(&self.root)?)
    }

    /// Notes why the process ends before the run does, as far as the disk allows.
    pub fn leave(&mut self, failure: &Failure) {
        let interrupted = matches!(failure, Failure::Interrupted(_));
        self.manifest.end_session(if interrupted { Ending::Interrupted } else { Ending::Failed });
        if let Err(error) = self.manifest.save(&self.root) {
            tracing::debug!("{error}");
        }
    }
}

/// Refuses a directory with something in it.
fn check_free(root: &Path) -> Result<(), Failure> {
    if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
        let what = if root.join(CONFIG).exists() { "holds another run" } else { "is not empty" };
        let message = format!(
            "--out {}: the directory {what}; name another, or go on with that run by --resume",
            root.display()
        );
        return Err(Failure::mistake(message));
    }
    Ok(())
}

/// A process that was killed at once has left no manifest, and nothing else to go on from; anything else without a
/// manifest is not a run.
fn check_hardly_begun(root: &Path, text: &str) -> Result<(), Failure> {
    let config = fs::read_to_string(root.join(CONFIG)).ok();
    if let Some(old) = &config {
        check_same(root, old, text)?;
    }
    let left = ["cells", "lock", CONFIG, "config.toml.tmp", "manifest.json.tmp"];
    let entries = fs::read_dir(root).into_iter().chain(fs::read_dir(root.join("cells")));
    let mut names = entries.flatten().flatten().map(|entry| entry.file_name());
    match names.find(|name| !left.iter().any(|known| name == known)) {
        None => Ok(()),
        Some(name) => Err(refuse_to_resume(
            root,
            &format!("it has no manifest.json, and so is none of cldiff's, but it holds {}", name.display()),
        )),
    }
}

fn refuse_to_resume(root: &Path, why: &str) -> Failure {
    Failure::mistake(format!("--resume: the run in {}: {why}", root.display()))
}

/// Refuses other settings than those of a run.
fn check_same(root: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let parse = |text: &str| {
        let table = text.parse::<Table>();
        table.map_err(|error| {
            refuse_to_resume(root, &format!("its {CONFIG} is not TOML: {}", error.message()))
        })
    };
    match first_difference(&parse(old)?, &parse(new)?, &FREE) {
        None => Ok(()),
        Some((key, [there, here])) => {
            Err(refuse_to_resume(root, &format!("other settings: `{key}` is {there} there and {here} here")))
        }
    }
}

/// The manifest of an interrupted run that this program can go on with; `here` is what a new one would be.
fn taken_up(root: &Path, text: &str, here: &Manifest) -> Result<Manifest, Failure> {
    let refuse = |error: anyhow::Error| refuse_to_resume(root, &format!("{error:#}"));
    let manifest = Manifest::load(root).map_err(refuse)?;
    check_same(root, &config_of(root, &manifest).map_err(refuse)?, text)?;
    if let Some(obstacle) = manifest.obstacle(here) {
        return Err(refuse_to_resume(root, &obstacle));
    }
    for doubt in manifest.doubts(here) {
        tracing::warn!("--resume: the run in {}: {doubt}; the last digits may differ", root.display());
    }
    Ok(manifest)
}

/// The resolved configuration of a run.
fn config_of(root: &Path, manifest: &Manifest) -> Result<String> {
    unchanged(&root.join(CONFIG), &manifest.config_sha256)
}

/// No configuration and no results are nearly as large.
const MOST_BYTES: u64 = 1 << 30;

/// The text of a file, if it is as its hash says.
fn unchanged(path: &Path, hash: &str) -> Result<String> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() || metadata.len() > MOST_BYTES) {
        bail!("{} is not a regular file of at most {MOST_BYTES} bytes", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if sha256(text.as_bytes()) != hash {
        bail!(
            "{} was changed or damaged since the run wrote it: its SHA-256 is not that of the manifest",
            path.display()
        );
    }
    Ok(text)
}

/// Everything that a report needs from a run directory.
///
/// # Errors
/// If the directory holds no finished run, or one that was changed since.
pub fn load(root: &Path) -> Result<ReportInput> {
    let path = root.join(RESULTS);
    if !path.exists() {
        let why = if Manifest::is_in(root) { ": it was interrupted; go on with it by --resume" } else { "" };
        bail!("{} holds no finished run{why}", root.display());
    }
    let manifest = Manifest::load(root)?;
    let hash = manifest.results_sha256.as_ref();
    let hash =
        hash.with_context(|| format!("{} is older than its results", root.join("manifest.json").display()))?;
    let results = Results::parse(&unchanged(&path, hash)?, &path)?;
    let tasks = results.stream.tasks.len();
    let mut grids = BTreeMap::new();
    for cell in &results.cells {
        let directory = CellDirectory::of(root, &cell.label, cell.seed);
        let pictures = (0..tasks).filter_map(|k| fs::read(directory.picture(k)).ok()).collect();
        grids.insert((cell.label.clone(), cell.seed), pictures);
    }
    Ok(ReportInput {
        config_toml: config_of(root, &manifest)?,
        data_sha256: manifest.data_sha256.clone(),
        manifest: manifest.rows(),
        grids,
        real_grid: fs::read(root.join(REAL)).ok(),
        results,
    })
}

fn free_directory(name: &str) -> PathBuf {
    let runs = Path::new("runs");
    let free = |dir: &PathBuf| !dir.exists();
    let numbered = (2..).map(|i| runs.join(format!("{name}-{i}")));
    std::iter::once(runs.join(name)).chain(numbered).find(free).unwrap_or_else(|| runs.join(name))
}
