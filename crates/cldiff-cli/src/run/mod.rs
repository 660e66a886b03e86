//! `cldiff run`, and its parts as commands of their own: `prepare`, cells by `run --cell`, `merge`.

mod board;
mod cells;
mod chosen;
pub mod interrupt;
mod jobs;
mod merging;
mod numbers;
mod observer;
mod opening;
mod preparing;
mod readings;
mod reason;
mod samples;
mod sweep;
mod title;

use std::sync::atomic::AtomicBool;

use cldiff_engine::{Backend, Engine, PrecisionConfig, Reference};
use data_streams::Stream;

use self::cells::{Runner, Worker};
use crate::{
    args::{ComputeArgs, MergeArgs, PrepareArgs, RunArgs},
    config::{Loaded, load},
    files::{
        claim::Claim,
        manifest::Manifest,
        run_directory::{Place, RunDirectory},
    },
    report,
    threads::cells_at_a_time,
    ui::{failure::Failure, progress::Progress},
};

/// Runs a benchmark, or one for each value of a sweep, or some cells of a prepared one. The results of a run that is a part
/// of what another command makes are not shown.
///
/// # Errors
/// [`Failure::Mistake`] for arguments, configuration or data that cannot work, before anything is written;
/// [`Failure::Cells`] if cells failed, after the results of the others are written; [`Failure::Other`] if a file cannot be
/// written.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    match (&args.cell, args.sweeps.is_empty()) {
        (Some(cells), _) => chosen::run(args, cells),
        (None, true) => one(args),
        (None, false) => sweep::run(args),
    }
}

/// Makes what the cells of a run share, once. A run that is prepared is left as it is.
///
/// # Errors
/// As [`run`].
pub fn prepare(args: PrepareArgs) -> Result<(), Failure> {
    preparing::alone(&of_prepare(args))
}

/// The arguments of a run that `cldiff prepare` prepares.
fn of_prepare(args: PrepareArgs) -> RunArgs {
    let PrepareArgs { setting, backend, device, out, quiet } = args;
    RunArgs {
        setting: setting.into(),
        compute: ComputeArgs { backend, device, ..ComputeArgs::default() },
        out: Some(out),
        quiet,
        // A run that is there is looked at, and what is missing in it is made.
        resume: true,
        // The command has no `--resume` that its advice could name.
        part: Some("the same command goes on"),
        ..RunArgs::of_config()
    }
}

/// Makes results and report of the cells that are there.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no prepared run; [`Failure::Cells`] that names the cells without a result.
pub fn merge(args: &MergeArgs) -> Result<(), Failure> {
    merging::alone(&args.run)
}

/// Runs the benchmark of one configuration.
fn one(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = load(&args.setting)?;
    let place = Place::of(args, &loaded.config.name)?;
    interrupt::listen(format!("interrupted; {}", place.how_to_resume()));
    let progress = Progress::new(args.quiet);
    let slow = progress.say_if_slow(format!("{}; the data are read first", opening::cells(&loaded.config)));
    let stream = build_stream(&loaded, args)?;
    loaded.resolve(&stream)?;
    if let Some((root, results)) = RunDirectory::done(args, &loaded.config, &stream)? {
        let cells = results.cells.len();
        drop(slow);
        progress.say(&format!("all cells are done ({cells} of {cells}): nothing is left to compute"));
        progress.finish();
        return if args.part.is_some() { Ok(()) } else { report::of_whole_run(&root, &results) };
    }
    let engines = open_all(args, loaded.config.precision)?;
    let config = &loaded.config;
    let manifest = |text: &str| Manifest::new(config, text, &stream, &engines);
    let (directory, claim) = RunDirectory::open(&place, config, manifest, &progress)?;
    drop(slow);
    opening::say(&progress, config, &stream, &engines, &directory);
    let benchmark = Benchmark { args, engines: &engines, stream: &stream, loaded: &loaded };
    if let Err(failure) = benchmark.made(&directory, claim, &progress) {
        directory.leave(&failure);
        return Err(failure);
    }
    let claim = directory.claim(&progress)?;
    let merged = merging::merge(&directory, config);
    drop(claim);
    merging::shown(&directory, merged?, args.part.is_none())
}

/// All that cells are computed from.
struct Benchmark<'a> {
    args: &'a RunArgs,
    engines: &'a [Box<dyn Engine>],
    stream: &'a Stream,
    loaded: &'a Loaded,
}

impl Benchmark<'_> {
    /// Prepares the run, and makes its cells.
    fn made(&self, directory: &RunDirectory, claim: Claim, progress: &Progress) -> Result<(), Failure> {
        let references = preparing::prepare(self, directory, progress)?;
        drop(claim);
        let all: Vec<usize> = (0..self.loaded.config.cells().len()).collect();
        // The files of the cells say which of them failed.
        self.runner(&references, directory, progress, true).run(&all).map(|_| ())
    }

    fn runner<'a>(
        &'a self,
        references: &'a [Reference],
        directory: &'a RunDirectory,
        progress: &'a Progress,
        waits: bool,
    ) -> Runner<'a> {
        let config = &self.loaded.config;
        let of_each = self.engines.iter().zip(references);
        let of_each = of_each.map(|(engine, reference)| Worker { engine: &**engine, reference });
        let is_gpu = Backend::named(self.engines[0].backend()).is_some_and(|backend| backend.is_gpu);
        let jobs = cells_at_a_time(self.args.compute.jobs.unwrap_or(self.engines.len()), is_gpu);
        Runner {
            workers: of_each.cycle().take(jobs.min(config.cells().len())).collect(),
            stream: self.stream,
            config,
            directory,
            progress,
            tensorboard: self.args.tensorboard,
            waits,
            stop: AtomicBool::new(false),
        }
    }
}

fn build_stream(loaded: &Loaded, args: &RunArgs) -> Result<Stream, Failure> {
    let place = args.setting.changes.data_dir.as_deref();
    loaded.stream(place).map_err(|error| loaded.data_mistake(&error))
}

/// The backend on each device that is asked for.
fn open_all(args: &RunArgs, precision: PrecisionConfig) -> Result<Vec<Box<dyn Engine>>, Failure> {
    open_named(args, args.compute.backend.name(), precision)
}

/// A backend on each device that is asked for.
fn open_named(
    args: &RunArgs,
    backend: &str,
    precision: PrecisionConfig,
) -> Result<Vec<Box<dyn Engine>>, Failure> {
    if args.compute.jobs == Some(0) {
        return Err(Failure::mistake("--jobs 0: expected at least 1"));
    }
    let ComputeArgs { device, devices, .. } = &args.compute;
    let devices = if devices.is_empty() { vec![*device] } else { devices.clone() };
    if let Some(twice) = (1..devices.len()).find(|&i| devices[..i].contains(&devices[i])) {
        let device = devices[twice];
        return Err(Failure::mistake(format!(
            "--devices: device {device} occurs twice; --jobs N computes several cells at a time on one device"
        )));
    }
    let open = |&device: &usize| {
        let engine = cldiff_engine::open(backend, device).map_err(|error| Failure::of_backend(&error))?;
        engine.check_precision(precision).map_err(|error| Failure::of_backend(&error))?;
        Ok(engine)
    };
    devices.iter().map(open).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn the_advice_of_prepare_names_no_option_that_it_has_not() {
        let cli = Cli::try_parse_from(["cldiff", "prepare", "smoke", "--out", "p"]).unwrap();
        let Some(Command::Prepare(args)) = cli.command else { panic!("another command") };
        let place = Place::of(&of_prepare(args), "smoke").unwrap();
        assert!(place.resume);
        assert_eq!(place.how_to_resume(), "nothing is lost: the same command goes on");
    }
}
