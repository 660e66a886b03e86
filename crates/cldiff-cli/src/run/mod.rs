//! `cldiff run`.

mod board;
mod cells;
mod interrupt;
mod jobs;
mod numbers;
mod observer;
mod opening;
mod readings;
mod reason;
mod samples;
mod sweep;
mod title;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use cldiff_engine::{Backend, Engine, EngineError, Floors, PrecisionConfig, Reference, ReferenceSummary};
use data_streams::Stream;
use directories::ProjectDirs;

use self::cells::{Cells, Runner, Worker};
use crate::{
    args::RunArgs,
    config::{Config, Loaded, load},
    files::{manifest::Manifest, run_directory::RunDirectory},
    quantities::{references, summaries::summarise},
    report,
    results::{FailedCell, Results, StreamInfo, TaskInfo},
    threads::cells_at_a_time,
    ui::{failure::Failure, progress::Progress},
};

/// Runs a benchmark, or one for each value of a sweep.
///
/// # Errors
/// [`Failure::Mistake`] for arguments, configuration or data that cannot work, before anything is written;
/// [`Failure::Other`] if cells failed, after the results of the others are written.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    if args.sweeps.is_empty() { one(args) } else { sweep::run(args) }
}

/// Runs the benchmark of one configuration.
fn one(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = load(&args.setting)?;
    let progress = Progress::new(args.quiet);
    let slow = progress.say_if_slow(format!("{}; the data are read first", opening::cells(&loaded.config)));
    let stream = build_stream(&loaded, args)?;
    loaded.resolve(&stream)?;
    if let Some((root, results)) = RunDirectory::done(args, &loaded.config, &stream)? {
        let cells = results.cells.len();
        drop(slow);
        progress.say(&format!("all cells are done ({cells} of {cells}): nothing is left to compute"));
        progress.finish();
        return report::of_whole_run(&root, &results);
    }
    let engines = open_all(args, loaded.config.precision)?;
    let config = &loaded.config;
    let manifest = |text: &str| Manifest::new(config, text, &stream, &engines);
    let mut directory = RunDirectory::open(args, config, manifest)?;
    drop(slow);
    opening::say(&progress, config, &stream, &engines, &directory);
    let (results, failed) = match results(&engines, args, &stream, &loaded, &mut directory, &progress) {
        Ok(both) => both,
        Err(failure) => {
            directory.leave(&failure);
            return Err(failure);
        }
    };
    directory.finish(&results)?;
    if !results.cells.is_empty() {
        report::write_of(directory.root())?;
        report::of_whole_run(directory.root(), &results)?;
    }
    failed.map_or(Ok(()), Err)
}

/// Trains and evaluates all cells. The results, and what to say of cells that failed.
fn results(
    engines: &[Box<dyn Engine>],
    args: &RunArgs,
    stream: &Stream,
    loaded: &Loaded,
    directory: &mut RunDirectory,
    progress: &Progress,
) -> Result<(Results, Option<Failure>), Failure> {
    let references = prepare(engines, stream, loaded, progress)?;
    let config = &loaded.config;
    let reference = without_cells(config, stream, references[0].summary());
    directory.keep_reference(&reference)?;
    let directory = &*directory;
    let of_each = engines.iter().zip(&references);
    let of_each = of_each.map(|(engine, reference)| Worker { engine: &**engine, reference });
    let is_gpu = Backend::named(engines[0].backend()).is_some_and(|backend| backend.is_gpu);
    let jobs = cells_at_a_time(args.jobs.unwrap_or(engines.len()), is_gpu);
    let workers = of_each.cycle().take(jobs.min(config.cells().len())).collect();
    let (tensorboard, stop) = (args.tensorboard, AtomicBool::new(false));
    let runner = Runner { workers, stream, config, directory, progress, tensorboard, stop };
    let Cells { mut finished, failed } = runner.run()?;
    references::compare(&mut finished);
    let told = (!failed.is_empty()).then(|| cells_failed(&failed, finished.len(), directory));
    Ok((Results { cells: finished, failed, ..reference }, told))
}

/// The results before any cell has one: what all of them are measured against.
fn without_cells(config: &Config, stream: &Stream, summary: &ReferenceSummary) -> Results {
    Results {
        schema: crate::results::SCHEMA,
        name: config.name.clone(),
        features: summary.features.clone(),
        samples_per_task: config.evaluation.samples_per_task,
        stream: stream_info(stream),
        judge: Some(summary.judge.into()),
        floor: summary.floors.values.clone(),
        floor_samples: summary.floors.samples.clone(),
        floor_standard_errors: summary.floors.standard_errors.clone(),
        floor_summary: floor_summary(&summary.floors),
        floor_draws_overlap: summary.floors.overlap,
        judge_confusion: summary.judge_confusion.clone(),
        cells: Vec::new(),
        failed: Vec::new(),
    }
}

/// The summaries of training images in place of samples.
fn floor_summary(floors: &Floors) -> BTreeMap<String, Option<f64>> {
    let pooled =
        |metric: &String| Some((metric.clone(), floors.values.get(&format!("{metric}_pooled"))?.clone()));
    let pooled = floors.matrices.keys().filter_map(pooled).collect();
    summarise(&floors.matrices, &pooled, &BTreeMap::new(), &[]).values
}

fn cells_failed(failed: &[FailedCell], finished: usize, directory: &RunDirectory) -> Failure {
    let reasons: Vec<String> = failed.iter().map(|cell| format!("\n  {cell}")).collect();
    let others = if finished > 0 { "The results of the others are written. " } else { "" };
    Failure::Other(anyhow::anyhow!(
        "{} of {} cells failed:{}\n{others}The same command with --resume --out {} tries the failed ones again",
        failed.len(),
        failed.len() + finished,
        reasons.concat(),
        directory.asked().display()
    ))
}

fn build_stream(loaded: &Loaded, args: &RunArgs) -> Result<Stream, Failure> {
    loaded.stream(args.setting.data_dir.as_deref()).map_err(|error| loaded.data_mistake(&error))
}

/// The backend on each device that is asked for.
fn open_all(args: &RunArgs, precision: PrecisionConfig) -> Result<Vec<Box<dyn Engine>>, Failure> {
    if args.jobs == Some(0) {
        return Err(Failure::mistake("--jobs 0: expected at least 1"));
    }
    let devices = if args.devices.is_empty() { vec![args.device] } else { args.devices.clone() };
    if let Some(twice) = (1..devices.len()).find(|&i| devices[..i].contains(&devices[i])) {
        let device = devices[twice];
        return Err(Failure::mistake(format!(
            "--devices: device {device} occurs twice; --jobs N computes several cells at a time on one device"
        )));
    }
    let open = |&device: &usize| {
        let engine =
            cldiff_engine::open(args.backend.name(), device).map_err(|error| Failure::of_backend(&error))?;
        engine.check_precision(precision).map_err(|error| Failure::of_backend(&error))?;
        Ok(engine)
    };
    devices.iter().map(open).collect()
}

/// What the cells on each device are measured against.
fn prepare(
    engines: &[Box<dyn Engine>],
    stream: &Stream,
    loaded: &Loaded,
    progress: &Progress,
) -> Result<Vec<Reference>, Failure> {
    progress.begin("training the classifier in whose features FID is measured (cached for the next run)");
    let cache = ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().to_owned());
    let of = |engine: &dyn Engine| {
        engine.prepare(stream, &loaded.config.evaluation, cache.as_deref()).map_err(|e| match e {
            EngineError::Metric(_) => Failure::mistake(e),
            other => Failure::Other(other.into()),
        })
    };
    let references: Vec<Reference> = engines.iter().map(|engine| of(&**engine)).collect::<Result<_, _>>()?;
    let summary = references[0].summary();
    progress.say(&format!("features: {}; the classifier is {}", summary.features, summary.judge));
    if let Some(warning) = summary.judge.warning() {
        tracing::warn!("{warning}");
    }
    Ok(references)
}

fn stream_info(stream: &Stream) -> StreamInfo {
    let class = |&c: &usize| stream.class_names()[c].clone();
    let tasks = stream
        .experiences()
        .iter()
        .map(|e| TaskInfo {
            name: e.name.clone(),
            classes: e.classes.iter().map(class).collect(),
            removes: e.removes.iter().map(class).collect(),
            train: e.train.len(),
            eval: e.eval.len(),
        })
        .collect();
    StreamInfo { tasks }
}
