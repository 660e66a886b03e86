//! `cldiff run` and `cldiff report`.

mod cell_directory;
mod cells;
mod directory;
mod events;
pub(crate) mod grid;
mod interrupt;
mod lock;
mod manifest;
pub(crate) mod numbers;
mod observer;
pub(crate) mod progress;
mod table;

use std::path::{Path, PathBuf};

use cldiff_engine::{Engine, EngineError, Reference};
use data_streams::Stream;
use directories::ProjectDirs;

use self::{
    cells::{Cells, Runner},
    directory::RunDirectory,
    manifest::Manifest,
    progress::Progress,
};
use crate::{
    args::RunArgs,
    config::{Loaded, load},
    failure::Failure,
    report::{self, ReportInput},
    results::{FailedCell, Results, StreamInfo, TaskInfo},
};

/// Runs a benchmark.
///
/// # Errors
/// [`Failure::Mistake`] for arguments, configuration or data that cannot work, before anything is written;
/// [`Failure::Other`] if cells failed, after the results of the others are written.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = load(args)?;
    let stream = build_stream(&loaded, args)?;
    loaded.resolve(&stream)?;
    let engine = cldiff_engine::open(args.backend.into(), args.device).map_err(Failure::mistake)?;
    let config = &loaded.config;
    let manifest = |text: &str| Manifest::new(config, text, &stream, &*engine);
    let mut directory = RunDirectory::open(args, config, manifest)?;
    let progress = Progress::new(args.quiet);
    progress.say(&format!("{} on {} ({})", config.name, engine.backend(), engine.device()));
    let (results, failed) = match results(&*engine, &stream, &loaded, &directory, &progress) {
        Ok(both) => both,
        Err(failure) => {
            directory.leave(&failure);
            return Err(failure);
        }
    };
    directory.finish(&results)?;
    if !results.cells.is_empty() {
        let report = directory.root().join("report.html");
        write_report(&[directory.root().to_owned()], &report)?;
        println!("{}", table::render(&results));
        println!("\nreport: {}", report.display());
    }
    failed.map_or(Ok(()), Err)
}

/// Trains and evaluates all cells. The results, and what to say of cells that failed.
fn results(
    engine: &dyn Engine,
    stream: &Stream,
    loaded: &Loaded,
    directory: &RunDirectory,
    progress: &Progress,
) -> Result<(Results, Option<Failure>), Failure> {
    let reference = prepare(engine, stream, loaded, progress)?;
    let config = &loaded.config;
    let runner = Runner { engine, stream, reference: &reference, config, directory, progress };
    let Cells { mut finished, failed } = runner.run()?;
    numbers::add_plasticity(&mut finished);
    let summary = reference.summary();
    let told = (!failed.is_empty()).then(|| cells_failed(&failed, finished.len(), directory));
    let results = Results {
        schema: crate::results::SCHEMA,
        name: config.name.clone(),
        features: summary.features.clone(),
        samples_per_task: config.evaluation.samples_per_task,
        stream: stream_info(stream),
        floor: summary.floor.clone(),
        cells: finished,
        failed,
    };
    Ok((results, told))
}

fn cells_failed(failed: &[FailedCell], finished: usize, directory: &RunDirectory) -> Failure {
    let reasons: Vec<String> = failed.iter().map(|cell| format!("\n  {cell}")).collect();
    let others = if finished > 0 { "The results of the others are written. " } else { "" };
    Failure::Other(anyhow::anyhow!(
        "{} of {} cells failed:{}\n{others}The same command with --resume --out {} tries the failed ones again",
        failed.len(),
        failed.len() + finished,
        reasons.concat(),
        directory.root().display()
    ))
}

/// Makes table and report again from the files of runs.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no finished run, or runs that do not compare.
pub fn report(directories: &[PathBuf], out: Option<&Path>) -> Result<(), Failure> {
    let out = out.map_or_else(|| directories[0].join("report.html"), Path::to_owned);
    for results in write_report(directories, &out)? {
        println!("{}\n", table::render(&results));
    }
    println!("report: {}", out.display());
    Ok(())
}

fn write_report(directories: &[PathBuf], out: &Path) -> Result<Vec<Results>, Failure> {
    let inputs: Vec<ReportInput> = directories
        .iter()
        .map(|dir| directory::load(dir).map_err(|e| Failure::mistake(format!("{e:#}"))))
        .collect::<Result<_, _>>()?;
    report::write(&inputs, out).map_err(|e| Failure::mistake(format!("{e:#}")))?;
    Ok(inputs.into_iter().map(|input| input.results).collect())
}

fn build_stream(loaded: &Loaded, args: &RunArgs) -> Result<Stream, Failure> {
    loaded.stream(args.data_dir.as_deref()).map_err(|error| loaded.data_mistake(&error))
}

fn prepare(
    engine: &dyn Engine,
    stream: &Stream,
    loaded: &Loaded,
    progress: &Progress,
) -> Result<Reference, Failure> {
    progress.say("training the classifier whose features FID is measured in (cached for the next run)");
    let cache = ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().to_owned());
    let reference = engine.prepare(stream, &loaded.config.evaluation, cache.as_deref());
    let reference = reference.map_err(|e| match e {
        EngineError::Metric(_) => Failure::mistake(e),
        other => Failure::Other(other.into()),
    })?;
    progress.say(&format!("features: {}", reference.summary().features));
    Ok(reference)
}

fn stream_info(stream: &Stream) -> StreamInfo {
    let class = |&c: &usize| stream.class_names()[c].clone();
    let tasks = stream
        .experiences()
        .iter()
        .map(|e| TaskInfo {
            name: e.name.clone(),
            classes: e.classes.iter().map(class).collect(),
            train: e.train.len(),
            eval: e.eval.len(),
        })
        .collect();
    StreamInfo { tasks }
}
