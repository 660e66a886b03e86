//! Results and report of the cells of a run that are there, from their files: whoever made them, wherever, in whatever order.

use std::path::Path;

use super::reason::cannot_write;
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
/// [`Failure::Mistake`] for a directory that holds no prepared run, before anything is written; [`Failure::Cells`] that names
/// the cells without a result; [`Failure::Other`] if a file cannot be written.
pub(super) fn alone(root: &Path) -> Result<(), Failure> {
    finished_run::config(root).map_err(Failure::of_files)?;
    let config = load(&SettingArgs::of_config(&root.join(finished_run::CONFIG)))?.config;
    reference(root)?;
    let mut directory = RunDirectory::of(root);
    let claim = directory.claim(&Progress::new(true))?;
    directory.begin()?;
    let merged = merge(&directory, &config);
    drop(claim);
    shown(&directory, merged?, true)
}

/// Collects the cells' results, and writes those of the run and its report. The run must be this process's to merge: no other
/// merges it meanwhile, and no other's session ends between the results and the report.
///
/// # Errors
/// [`Failure::Mistake`] for a run that was not prepared; [`Failure::Other`] if a file cannot be written. Either is noted as the
/// end of the session.
pub(super) fn merge(directory: &RunDirectory, config: &Config) -> Result<Merged, Failure> {
    let merged = collected(directory, config).and_then(|merged| written(directory, merged));
    if let Err(failure) = &merged {
        directory.give_up(failure);
    }
    merged
}

/// The results of the run before any cell has one.
fn reference(root: &Path) -> Result<Results, Failure> {
    let not_prepared = || {
        let message = format!("{}: the run is not prepared; cldiff prepare does that", root.display());
        Failure::mistake(message)
    };
    finished_run::reference(root).map_err(Failure::of_files)?.ok_or_else(not_prepared)
}

fn collected(directory: &RunDirectory, config: &Config) -> Result<Merged, Failure> {
    let reference = reference(directory.root())?;
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
    Ok(Merged { results: Results { cells: finished, failed, ..reference }, missing })
}

/// Writes the results, and the report if a cell has any.
fn written(directory: &RunDirectory, merged: Merged) -> Result<Merged, Failure> {
    let files = || {
        directory.finish(&merged.results, merged.missing.is_empty())?;
        if merged.results.cells.is_empty() { Ok(()) } else { report::write_of(directory.root()) }
    };
    let told = |error: anyhow::Error| {
        Failure::Other(cannot_write(&format!("{error:#}"), &directory.how_to_resume()))
    };
    files().map_err(told)?;
    Ok(merged)
}

/// Shows the results if asked to.
///
/// # Errors
/// [`Failure::Cells`] that names cells which failed or are missing.
pub(super) fn shown(directory: &RunDirectory, merged: Merged, show: bool) -> Result<(), Failure> {
    let Merged { results, missing } = merged;
    if show && !results.cells.is_empty() {
        report::of_whole_run(directory.root(), &results)?;
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
        return Err(Failure::Cells(format!(
            "{} of {all} cells have no result:{reasons}{missing}\n{others}cldiff run --out {out} --cell I makes a cell, \
             and cldiff merge {out} takes it up",
            all - finished
        )));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Cells(format!(
        "{} of {all} cells failed:{reasons}\n{others}The same command with --resume --out {out} tries the failed ones again",
        failed.len(),
    )))
}
