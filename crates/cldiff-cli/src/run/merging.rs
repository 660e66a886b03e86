//! Results and report of the cells of a run that are there, from their files: whoever made them, wherever, in whatever order.

use std::path::Path;

use crate::{
    args::SettingArgs,
    config::{Config, load},
    files::{finished_run, run_directory::RunDirectory},
    quantities::references,
    report,
    results::{FailedCell, Results},
    ui::{failure::Failure, progress::Progress},
};

/// The outcome of a merge.
#[derive(Debug)]
pub(super) struct Merged {
    results: Results,
    /// Cells that have neither a result nor failed, with how far they are.
    missing: Vec<String>,
}

/// `cldiff merge`.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no prepared run; [`Failure::Other`] that names the cells without a result.
pub(super) fn alone(root: &Path) -> Result<(), Failure> {
    finished_run::config(root).map_err(|error| Failure::mistake(format!("{error:#}")))?;
    let config = load(&SettingArgs::of_config(&root.join(finished_run::CONFIG)))?.config;
    let mut directory = RunDirectory::of(root);
    let claim = directory.claim(&Progress::new(true))?;
    directory.begin()?;
    let merged = merge(&directory, &config);
    if merged.is_err() {
        directory.end()?;
    }
    drop(claim);
    shown(&directory, merged?, true)
}

/// Collects the cells' results and writes those of the run. The run must be this process's to merge.
///
/// # Errors
/// [`Failure::Mistake`] for a run that was not prepared; [`Failure::Other`] if a file cannot be written.
pub(super) fn merge(directory: &RunDirectory, config: &Config) -> Result<Merged, Failure> {
    let root = directory.root();
    let told = |error: anyhow::Error| Failure::mistake(format!("{error:#}"));
    let reference = finished_run::reference(root).map_err(told)?;
    let Some(reference) = reference else {
        let message = format!("{}: the run is not prepared; cldiff prepare does that", root.display());
        return Err(Failure::mistake(message));
    };
    let (mut finished, mut failed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for spec in config.cells() {
        let (label, seed) = (spec.strategy.label(), spec.seed);
        let cell = directory.cell(&label, seed);
        if let Some(result) = cell.finished() {
            finished.push(result);
        } else if let Some(reason) = cell.failed() {
            failed.push(FailedCell::new(spec.strategy.name(), label, seed, reason));
        } else {
            missing.push(cell.told(&label, seed, reference.stream.tasks.len()));
        }
    }
    references::compare(&mut finished);
    let results = Results { cells: finished, failed, ..reference };
    directory.finish(&results)?;
    Ok(Merged { results, missing })
}

/// Writes the report, and shows it if asked to.
///
/// # Errors
/// [`Failure::Other`] that names cells which failed or are missing.
pub(super) fn shown(directory: &RunDirectory, merged: Merged, show: bool) -> Result<(), Failure> {
    let Merged { results, missing } = merged;
    if !results.cells.is_empty() {
        report::write_of(directory.root())?;
        if show {
            report::of_whole_run(directory.root(), &results)?;
        }
    }
    let (finished, failed) = (results.cells.len(), &results.failed);
    let all = finished + failed.len() + missing.len();
    let lines =
        |of: &mut dyn Iterator<Item = String>| of.map(|line| format!("\n  {line}")).collect::<String>();
    let reasons = lines(&mut failed.iter().map(ToString::to_string));
    let others = if finished > 0 { "The results of the others are written. " } else { "" };
    let out = directory.asked().display();
    if !missing.is_empty() {
        let missing = lines(&mut missing.into_iter());
        return Err(Failure::Other(anyhow::anyhow!(
            "{} of {all} cells have no result:{reasons}{missing}\n{others}cldiff run --out {out} --cell I makes a cell, \
             and cldiff merge {out} takes it up",
            all - finished
        )));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Other(anyhow::anyhow!(
        "{} of {all} cells failed:{reasons}\n{others}The same command with --resume --out {out} tries the failed ones again",
        failed.len(),
    )))
}
