//! The run directory while its run goes on: who may write to it, and what is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cl_strategies::durable::{sha256, write_whole};
use cldiff_engine::{Backend, CellSpec};
use data_streams::Stream;
use toml::Table;

use super::{
    cell_directory::CellDirectory,
    finished_run::{CONFIG, REAL, REFERENCE, RESULTS, config_of, whole_results},
    lock::Lock,
    manifest::{Ending, Manifest, data_hashes},
};
use crate::{
    args::RunArgs,
    config::{Config, first_difference},
    results::Results,
    ui::failure::Failure,
};

/// Settings that may change from session to session of one run: they change no result.
const FREE: [&str; 1] = ["checkpoints"];

/// A run directory that belongs to this run.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    /// The directory that `--out` names: of the run, or of the sweep that it belongs to.
    asked: PathBuf,
    manifest: Manifest,
    _lock: Lock,
}

impl RunDirectory {
    /// Makes the directory of a new run, or takes up that of an interrupted one; `manifest` makes the manifest of a new
    /// one from the configuration's text. With `--resume` a run that is not there is a new one.
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
        let asked = args.within.clone().unwrap_or_else(|| root.clone());
        Ok(Self { _lock: lock, root, asked, manifest })
    }

    /// The results of the run to resume, if every cell of it is finished: nothing is left to do then.
    ///
    /// # Errors
    /// [`Failure::Mistake`] if these are results of other settings.
    pub fn done(
        args: &RunArgs,
        config: &Config,
        stream: &Stream,
    ) -> Result<Option<(PathBuf, Results)>, Failure> {
        let Some(root) = args.out.as_ref().filter(|root| args.resume && Manifest::is_in(root)) else {
            return Ok(None);
        };
        // Whatever is wrong with the run is told where it is taken up.
        let Ok(manifest) = Manifest::load(root) else { return Ok(None) };
        let asked_for = [Backend::AUTO, manifest.backend.as_str()].contains(&args.backend.name());
        let is_this =
            asked_for && manifest.is_of_this_version() && manifest.data_sha256 == data_hashes(stream);
        let (true, Ending::Finished, Ok(old)) = (is_this, manifest.last_ending(), config_of(root, &manifest))
        else {
            return Ok(None);
        };
        let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
        check_same(root, &old, &text)?;
        let Ok(Some(results)) = whole_results(root, &manifest) else { return Ok(None) };
        let is_done = |cell: &CellSpec| {
            let (label, seed) = (cell.strategy.label(), cell.seed);
            results.cells.iter().any(|known| known.label == label && known.seed == seed)
                && CellDirectory::of(root, &label, seed).finished().is_some()
        };
        let all = config.cells().iter().all(is_done);
        Ok(all.then(|| (root.clone(), results)))
    }

    /// Writes what all cells are measured against, from which a report can be made before the run ends.
    ///
    /// # Errors
    /// [`Failure::Other`] with the command to go on, if a file cannot be written.
    pub fn keep_reference(&mut self, reference: &Results) -> Result<(), Failure> {
        let written = reference.to_json().and_then(|text| {
            write_whole(&self.root.join(REFERENCE), text.as_bytes())?;
            self.manifest.reference_sha256 = Some(sha256(text.as_bytes()));
            Ok(self.manifest.save(&self.root)?)
        });
        written.map_err(|error| Failure::Other(anyhow::anyhow!("{error:#}\n{}", self.how_to_resume())))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that the same command with `--resume` has to name: the run's, or that of its sweep.
    pub fn asked(&self) -> &Path {
        &self.asked
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
        format!("nothing is lost: go on with the same command and --resume --out {}", self.asked.display())
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
///
/// # Errors
/// [`Failure::Mistake`] that says whether it is another run.
pub fn check_free(root: &Path) -> Result<(), Failure> {
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

/// `runs/NAME`, or the first of `runs/NAME-2`, `-3` and so on that is not there.
pub fn free_directory(name: &str) -> PathBuf {
    let runs = Path::new("runs");
    let free = |dir: &PathBuf| !dir.exists();
    let numbered = (2..).map(|i| runs.join(format!("{name}-{i}")));
    std::iter::once(runs.join(name)).chain(numbered).find(free).unwrap_or_else(|| runs.join(name))
}
