//! `--sweep`: a run for each combination of values, each whole in a directory of its own below `--out`, then their
//! comparison.

use std::path::{Path, PathBuf};

use super::{build_stream, one};
use crate::{
    args::RunArgs,
    config::{Sweep, load},
    files::{
        manifest::Manifest,
        run_directory::{check_free, free_directory},
    },
    report::{comparison::Comparison, read},
    ui::{failure::Failure, progress::Progress},
};

/// A run's name is no longer, in bytes.
const LONGEST_NAME: usize = 100;

/// Runs every combination; one whose cells fail keeps no other from being run.
///
/// # Errors
/// [`Failure::Mistake`] for a sweep, a value or an output directory that cannot work, before anything is written;
/// [`Failure::Interrupted`] and [`Failure::Other`] (a full disk, for example) as soon as a run ends so; [`Failure::Cells`] for
/// cells that failed, after all runs.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let sweeps = Sweep::all(&args.sweeps)?;
    let name = load(&args.setting)?.config.name;
    if args.resume && args.out.is_none() {
        return Err(Failure::mistake("--resume needs --out DIR, the directory of the sweep to go on with"));
    }
    let out = args.out.clone().unwrap_or_else(|| free_directory(&name));
    let combinations = Sweep::combinations(&sweeps)?;
    let runs: Vec<RunArgs> = combinations
        .into_iter()
        .map(|(assignments, directory)| part(args, assignments, &name, &out, &directory))
        .collect();
    runs.iter().try_for_each(check)?;
    let failed = run_all(&runs, args.quiet)?;
    compare(&runs, &out)?;
    match &failed[..] {
        [] => Ok(()),
        failed => Err(Failure::Cells(format!(
            "{} of {} runs have cells that failed:{}\nThe same command with --resume --out {} tries these again",
            failed.len(),
            runs.len(),
            failed.iter().map(|dir| format!("\n  {}", dir.display())).collect::<String>(),
            out.display()
        ))),
    }
}

/// The arguments of one run. It is named by its values, where that is no longer than a name can be: this name takes the place
/// of one that `--set` gives, which it begins with.
fn part(args: &RunArgs, mut assignments: Vec<String>, name: &str, out: &Path, directory: &str) -> RunArgs {
    let own_name = format!("{name} {directory}");
    let mut run = args.clone();
    if own_name.len() <= LONGEST_NAME {
        let is_name = |set: &String| set.split_once('=').is_some_and(|(key, _)| key.trim() == "name");
        run.setting.changes.overrides.retain(|set| !is_name(set));
        assignments.push(format!("name={own_name}"));
    }
    run.setting.changes.swept = assignments;
    run.sweeps = Vec::new();
    run.out = Some(out.join(directory));
    run.within = Some(out.to_owned());
    run
}

/// Checks a run as far as can be done before it begins.
fn check(run: &RunArgs) -> Result<(), Failure> {
    if let Some(sweep) = run.within.as_deref().filter(|sweep| Manifest::is_in(sweep)) {
        let place = sweep.display();
        return Err(Failure::mistake(format!(
            "--out {place}: the directory holds a run; name another for the sweep"
        )));
    }
    let mut loaded = load(&run.setting)?;
    let stream = build_stream(&loaded, run)?;
    loaded.resolve(&stream)?;
    match &run.out {
        Some(out) if !run.resume => check_free(out),
        _ => Ok(()),
    }
}

/// Runs one after another. The directories of those with cells that failed.
fn run_all(runs: &[RunArgs], quiet: bool) -> Result<Vec<PathBuf>, Failure> {
    let mut failed = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let directory = run.out.clone().unwrap_or_default();
        Progress::new(quiet).say(&format!("run {} of {}: {}", i + 1, runs.len(), directory.display()));
        match one(run) {
            Ok(()) => {}
            // The results of the other cells are written, and the disk is not to blame.
            Err(failure @ Failure::Cells(_)) => {
                let _ = failure.tell();
                failed.push(directory);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(failed)
}

/// Compares the runs that have results.
fn compare(runs: &[RunArgs], out: &Path) -> Result<(), Failure> {
    let directories: Vec<PathBuf> = runs.iter().filter_map(|run| run.out.clone()).collect();
    let mut inputs = read(&directories)?;
    inputs.retain(|input| !input.results.cells.is_empty());
    let comparison = Comparison::of(&inputs)?;
    if comparison.is_empty() {
        return Ok(());
    }
    println!();
    comparison.show(&[], &out.join("comparison.html"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SettingArgs;

    #[test]
    fn a_part_has_the_name_that_was_set_and_its_values() {
        let mut args = RunArgs::of_config();
        args.setting = SettingArgs::of_config(Path::new("smoke"));
        let set = |name: &str| vec!["training.log_every=5".to_owned(), format!("name={name}")];
        let named = |args: &RunArgs, name: &str| {
            let part =
                part(args, vec!["training.batch_size=8".into()], name, Path::new("out"), "batch_size=8");
            assert_eq!(part.out.as_deref(), Some(Path::new("out/batch_size=8")));
            let config = load(&part.setting).unwrap().config;
            assert_eq!((config.training.batch_size, config.training.log_every), (8, 5));
            config.name
        };
        args.setting.changes.overrides = set("mine");
        assert_eq!(named(&args, "mine"), "mine batch_size=8");
        // 88 letters, a space and the 12 of the values are more than 100: the name stays as it was set.
        let long = "a".repeat(88);
        args.setting.changes.overrides = set(&long);
        assert_eq!(named(&args, &long), long);
    }
}
