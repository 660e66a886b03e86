//! The run directory while its run goes on: who may write to it, and what is written.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use cl_strategies::{
    Checkpoints,
    durable::{part_of, sha256, write_whole},
};
use cldiff_engine::{Backend, CellSpec};
use data_streams::Stream;
use toml::Table;

use super::{
    cell_directory::CellDirectory,
    claim::{Claim, Take},
    finished_run::{CONFIG, REAL, REFERENCE, RESULTS, config_of, reference, whole_results},
    lease::{Lease, Watch},
    machine,
    manifest::{self, Ending, Manifest, Session, data_hashes},
    parts::{self, Writers},
};
use crate::{
    args::RunArgs,
    config::{Config, other_settings},
    results::Results,
    ui::{failure::Failure, progress::Progress},
};

/// The directory within a run of everything that its cells share.
const PREPARED: &str = "prepared";
/// The scripts of `cldiff submit slurm`, which are there before the run.
pub const SLURM: &str = "slurm";

/// From one look at what another process does to the next.
pub const LOOK: Duration = Duration::from_millis(300);

/// Settings that may change from session to session of one run: they change no result.
const FREE: [&str; 1] = ["checkpoints"];

/// Where a run goes.
#[derive(Debug, Clone)]
pub struct Place {
    /// The run directory.
    pub root: PathBuf,
    /// The directory that the same command with `--resume` has to name.
    pub asked: PathBuf,
    /// Whether a run that is there is gone on with.
    pub resume: bool,
    /// How to go on, where another command than `run` makes it.
    part: Option<&'static str>,
}

impl Place {
    /// As the arguments of a run have it.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for `--resume` without a directory.
    pub fn of(args: &RunArgs, name: &str) -> Result<Self, Failure> {
        let root = match (&args.out, args.resume) {
            (Some(out), _) => out.clone(),
            (None, true) => return Err(Failure::mistake("--resume needs --out DIR, the run to go on with")),
            (None, false) => free_directory(name),
        };
        let asked = args.within.clone().unwrap_or_else(|| root.clone());
        Ok(Self { root, asked, resume: args.resume, part: args.part })
    }

    /// The advice on how to go on.
    pub fn how_to_resume(&self) -> String {
        how_to_resume(&self.asked, self.part)
    }
}

fn how_to_resume(asked: &Path, part: Option<&str>) -> String {
    let again = || format!("go on with the same command and --resume --out {}", asked.display());
    format!("nothing is lost: {}", part.map_or_else(again, str::to_owned))
}

/// The directory of a run that this process works on.
#[derive(Debug)]
pub struct RunDirectory {
    root: PathBuf,
    /// The directory that `--out` names: of the run, or of the sweep that it belongs to.
    asked: PathBuf,
    /// How to go on, where another command than `run` makes it.
    part: Option<&'static str>,
    /// None for a process that makes some cells of a run.
    session: Option<Session>,
    watch: Watch,
}

impl RunDirectory {
    /// Makes the directory of a new run, or takes up that of an interrupted one; `manifest` makes the manifest of a new
    /// one from the configuration's text. With `--resume` a run that is not there is a new one. Nobody else prepares or
    /// merges the run while the claim lives.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for a directory that holds another run or cannot be written, and for a run to resume
    /// that another program made, with other settings or on other data.
    pub fn open(
        place: &Place,
        config: &Config,
        manifest: impl FnOnce(&str) -> Manifest,
        progress: &Progress,
    ) -> Result<(Self, Claim), Failure> {
        let root = place.root.clone();
        let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
        if place.resume {
            check_resumable(&root, &text)?;
        } else {
            check_free(&root)?;
        }
        let unusable = |error: io::Error| {
            let place = format!("--out {}: the directory cannot be made or written", root.display());
            Failure::of_files(anyhow::Error::new(error).context(place))
        };
        fs::create_dir_all(root.join("cells")).map_err(unusable)?;
        let (asked, watch) = (place.asked.clone(), Watch::default());
        let mut directory = Self { asked, root: root.clone(), part: place.part, session: None, watch };
        let claim = directory.claim(progress)?;
        let mut manifest = manifest(&text);
        if Manifest::is_in(&root) {
            if !place.resume {
                // Another process was quicker.
                return Err(taken(&root, "holds another run"));
            }
            manifest = taken_up(&root, &text, &manifest)?;
        } else {
            if place.resume {
                check_hardly_begun(&root, &text)?;
            }
            write_whole(&root.join(CONFIG), text.as_bytes()).map_err(unusable)?;
        }
        directory.session = Some(manifest.begin_session(|session| lives(&root, session)));
        manifest.save(&root).map_err(unusable)?;
        Ok((directory, claim))
    }

    /// The directory of a run that is there, for cells alone or for its merging.
    pub fn of(root: &Path) -> Self {
        let watch = Watch::default();
        Self { root: root.to_owned(), asked: root.to_owned(), part: None, session: None, watch }
    }

    /// Begins the session of a process that merges the run.
    ///
    /// # Errors
    /// If the manifest cannot be read or written.
    pub fn begin(&mut self) -> Result<()> {
        self.part = Some("the same command goes on");
        let mut manifest = Manifest::load(&self.root)?;
        self.session = Some(manifest.begin_session(|session| lives(&self.root, session)));
        Ok(manifest.save(&self.root)?)
    }

    /// Waits until nobody else prepares or merges this run.
    ///
    /// # Errors
    /// [`Failure::Mistake`] if the directory cannot be written; [`Failure::Interrupted`] if the wait is.
    pub fn claim(&self, progress: &Progress) -> Result<Claim, Failure> {
        let mut told = false;
        loop {
            let refused = |error: io::Error| {
                Failure::of_files(anyhow::Error::new(error).context(format!("--out {}", self.root.display())))
            };
            match Claim::take(&self.root, &self.watch).map_err(refused)? {
                Take::Mine(claim) => {
                    parts::remove(&self.root, &self.root, Writers::Any);
                    return Ok(claim);
                }
                Take::Others { owner, .. } if !told => {
                    progress.say(&format!("waiting for {owner}, which is at work on the whole run"));
                    told = true;
                }
                Take::Others { .. } => {}
            }
            thread::sleep(LOOK);
        }
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
        let Some(manifest) = this_run(root, args, config, stream)? else { return Ok(None) };
        if manifest.last_ending() != Ending::Finished {
            return Ok(None);
        }
        let Ok(Some(results)) = whole_results(root, &manifest) else { return Ok(None) };
        let is_done = |cell: &CellSpec| {
            let (label, seed) = (cell.strategy.label(), cell.seed);
            results.cells.iter().any(|known| known.label == label && known.seed == seed)
                && CellDirectory::of(root, &label, seed).finished().is_some()
        };
        let all = config.cells().iter().all(is_done);
        Ok(all.then(|| (root.clone(), results)))
    }

    /// Whether the run is there with all that its cells share: nothing is left to prepare then.
    ///
    /// # Errors
    /// [`Failure::Mistake`] if it is one of other settings.
    pub fn is_prepared(
        args: &RunArgs,
        config: &Config,
        stream: &Stream,
        place: &Place,
    ) -> Result<bool, Failure> {
        let root = &place.root;
        if !Manifest::is_in(root) || this_run(root, args, config, stream)?.is_none() {
            return Ok(false);
        }
        let directory = Self::of(root);
        let has_reference = reference(root).is_ok_and(|reference| reference.is_some());
        let has_state = directory.prepared().newest().0.is_some();
        Ok(has_reference && has_state && directory.real_images().exists())
    }

    /// Writes what all cells are measured against, from which a report can be made before the run ends.
    ///
    /// # Errors
    /// [`Failure::Other`] with the command to go on, if a file cannot be written.
    pub fn keep_reference(&self, reference: &Results) -> Result<(), Failure> {
        let written = reference.to_json().and_then(|text| {
            let mut manifest = Manifest::load(&self.root)?;
            let hash = Some(sha256(text.as_bytes()));
            let is_there = fs::read(self.root.join(REFERENCE)).is_ok_and(|bytes| bytes == text.as_bytes());
            if is_there && manifest.reference_sha256 == hash {
                return Ok(());
            }
            write_whole(&self.root.join(REFERENCE), text.as_bytes())?;
            manifest.reference_sha256 = hash;
            Ok(manifest.save(&self.root)?)
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

    /// The advice on how to go on.
    pub fn how_to_resume(&self) -> String {
        how_to_resume(&self.asked, self.part)
    }

    /// Checks that this program may make cells of the run; `here` is what its manifest would be.
    ///
    /// # Errors
    /// [`Failure::Mistake`] for another backend, version or other images.
    pub fn check_same_program(&self, there: &Manifest, here: &Manifest) -> Result<(), Failure> {
        if let Some(obstacle) = there.obstacle(here) {
            return Err(Failure::mistake(format!("--cell: the run in {}: {obstacle}", self.root.display())));
        }
        for doubt in there.doubts(here) {
            tracing::warn!("the run in {}: {doubt}; the last digits may differ", self.root.display());
        }
        Ok(())
    }

    /// The references that all cells are measured against, as the process that prepared the run kept them.
    pub fn prepared(&self) -> Checkpoints {
        Checkpoints::new(self.prepared_place(), 1)
    }

    /// Where that is, with the classifier.
    pub fn prepared_place(&self) -> PathBuf {
        self.root.join(PREPARED)
    }

    /// Removes the states and the classifiers (`NAME.tmp-PROCESS`) that killed processes were writing there. Best effort: a
    /// leftover is never read.
    pub fn tidy_prepared(&self) {
        self.prepared().tidy();
        let Ok(entries) = fs::read_dir(self.prepared_place()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().contains(".tmp-") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Takes a cell's directory if no other process has it.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub fn take(&self, cell: &CellDirectory) -> io::Result<Take> {
        Claim::take(cell.root(), &self.watch)
    }

    /// Writes the results, and their hash into the manifest; `is_whole` if no cell is missing.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&self, results: &Results, is_whole: bool) -> Result<()> {
        let text = results.to_json()?;
        write_whole(&self.root.join(RESULTS), text.as_bytes())?;
        let mut manifest = Manifest::load(&self.root)?;
        manifest.finish(sha256(text.as_bytes()), is_whole);
        if let Some(session) = &self.session {
            manifest.end_session(session, Ending::Finished);
        }
        Ok(manifest.save(&self.root)?)
    }

    /// Notes that this process has done its part of a run that goes on.
    ///
    /// # Errors
    /// If the manifest cannot be read or written.
    pub fn end(&self) -> Result<()> {
        self.note(Ending::Finished)
    }

    /// Notes why the process ends before the run does, as far as the disk allows.
    pub fn leave(&self, failure: &Failure) {
        // A process that prepares or merges the run meanwhile is not waited for.
        if let Ok(Take::Mine(_claim)) = Claim::take(&self.root, &self.watch) {
            self.give_up(failure);
        }
    }

    /// As [`leave`](Self::leave), of a process that has claimed the run.
    pub fn give_up(&self, failure: &Failure) {
        let interrupted = matches!(failure, Failure::Interrupted(_));
        let noted = self.note(if interrupted { Ending::Interrupted } else { Ending::Failed });
        if let Err(error) = noted {
            tracing::debug!("{error}");
        }
    }

    fn note(&self, how: Ending) -> Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let mut manifest = Manifest::load(&self.root)?;
        manifest.end_session(session, how);
        Ok(manifest.save(&self.root)?)
    }
}

/// The manifest of a run, if it is the one of these arguments and images, made by this version. Other faults of it are
/// reported where it is taken up.
///
/// # Errors
/// [`Failure::Mistake`] if it is one of other settings.
fn this_run(
    root: &Path,
    args: &RunArgs,
    config: &Config,
    stream: &Stream,
) -> Result<Option<Manifest>, Failure> {
    let Ok(manifest) = Manifest::load(root) else { return Ok(None) };
    let asked_for = [Backend::AUTO, manifest.backend.as_str()].contains(&args.compute.backend.name());
    let is_this = asked_for && manifest.is_of_this_version() && manifest.data_sha256 == data_hashes(stream);
    let (true, Ok(old)) = (is_this, config_of(root, &manifest)) else { return Ok(None) };
    let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
    check_same(root, &old, &text)?;
    Ok(Some(manifest))
}

/// Whether there is a sign that another process of a run goes on.
fn lives(root: &Path, session: &Session) -> bool {
    let is_mine = session.process == std::process::id();
    if session.host == machine::host()
        && !is_mine
        && let Some(lives) = machine::lives(session.process)
    {
        return lives;
    }
    let cells = fs::read_dir(root.join("cells")).into_iter().flatten().flatten();
    let leases = cells.filter_map(|cell| Lease::read(&cell.path()));
    let is_its = |lease: &Lease| lease.host == session.host && lease.process == session.process;
    !is_mine && leases.into_iter().any(|lease| is_its(&lease))
}

/// Refuses a directory with something in it.
///
/// # Errors
/// [`Failure::Mistake`] that says whether it is another run.
pub fn check_free(root: &Path) -> Result<(), Failure> {
    let is_free = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == SLURM);
    if fs::read_dir(root).is_ok_and(|mut entries| !entries.all(is_free)) {
        return Err(taken(
            root,
            if root.join(CONFIG).exists() { "holds another run" } else { "is not empty" },
        ));
    }
    Ok(())
}

fn taken(root: &Path, what: &str) -> Failure {
    let (root, advice) = (root.display(), "name another, or go on with that run by --resume");
    Failure::mistake(format!("--out {root}: the directory {what}; {advice}"))
}

/// Refuses a directory of something else before anything is written into it.
fn check_resumable(root: &Path, text: &str) -> Result<(), Failure> {
    // Another process may make the run meanwhile: its manifest is there before what it puts beside it.
    let is_run = || Manifest::is_in(root);
    if is_run() {
        Ok(())
    } else {
        check_hardly_begun(root, text).or_else(|refusal| if is_run() { Ok(()) } else { Err(refusal) })
    }
}

/// A process that was killed at once has left no manifest, and nothing else to go on from; anything else without a
/// manifest is not a run.
fn check_hardly_begun(root: &Path, text: &str) -> Result<(), Failure> {
    let config = fs::read_to_string(root.join(CONFIG)).ok();
    if let Some(old) = &config {
        check_same(root, old, text)?;
    }
    let left = ["cells", "lock", SLURM, CONFIG];
    let entries = fs::read_dir(root).into_iter().chain(fs::read_dir(root.join("cells")));
    let mut names = entries.flatten().flatten().map(|entry| entry.file_name());
    let is_left = |name: &OsString| {
        let name = name.to_string_lossy();
        let is_part = part_of(&name).is_some_and(|(whole, _)| [CONFIG, manifest::NAME].contains(&whole));
        is_part || name.starts_with("lease.json") || left.contains(&&*name)
    };
    match names.find(|name| !is_left(name)) {
        None => Ok(()),
        Some(name) => Err(refuse_to_resume(
            root,
            &format!("it has no manifest.json, and so is none of cldiff's, but it holds {}", name.display()),
        )),
    }
}

fn refuse_to_resume(root: &Path, why: &str) -> Failure {
    // Every command that takes up a run has `--out`, and not every one has `--resume`.
    Failure::mistake(format!("--out {}: {why}", root.display()))
}

/// Refuses other settings than those of a run.
fn check_same(root: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let parse = |text: &str| {
        let table = text.parse::<Table>();
        table.map_err(|error| {
            refuse_to_resume(root, &format!("its {CONFIG} is not TOML: {}", error.message()))
        })
    };
    match other_settings(&parse(old)?, &parse(new)?, &FREE) {
        None => Ok(()),
        Some(told) => Err(refuse_to_resume(root, &format!("the run there has other settings: {told}"))),
    }
}

/// The manifest of an interrupted run that this program can go on with; `here` is what a new one would be.
fn taken_up(root: &Path, text: &str, here: &Manifest) -> Result<Manifest, Failure> {
    let refuse = |error: anyhow::Error| refuse_to_resume(root, &format!("{error:#}"));
    let manifest = Manifest::load(root).map_err(refuse)?;
    check_same(root, &config_of(root, &manifest).map_err(refuse)?, text)?;
    if let Some(obstacle) = manifest.obstacle(here) {
        return Err(refuse_to_resume(root, &format!("the run there: {obstacle}")));
    }
    for doubt in manifest.doubts(here) {
        tracing::warn!("the run in {}: {doubt}; the last digits may differ", root.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_killed_at_once_leaves_no_other_run() {
        let run = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(run.path().join(name), "").unwrap();
        fs::create_dir(run.path().join("cells")).unwrap();
        for name in ["lock", "lease.json", "lease.json.12-1f-0", "config.toml.tmp-12-1f-0"] {
            write(name);
        }
        write("manifest.json.tmp-12-1f-0");
        check_hardly_begun(run.path(), "name = 'run'\n").unwrap();
        for name in ["results.json.tmp-12-1f-0", "manifest.json.tmp", "thesis.tex"] {
            write(name);
            let refused = check_hardly_begun(run.path(), "name = 'run'\n");
            assert!(
                matches!(&refused, Err(Failure::Mistake(told)) if told.contains(name)),
                "{name}: {refused:?}"
            );
            fs::remove_file(run.path().join(name)).unwrap();
        }
    }
}
