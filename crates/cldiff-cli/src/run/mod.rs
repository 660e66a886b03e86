//! `cldiff run` and `cldiff report`.

mod cells;
mod directory;
pub(crate) mod grid;
mod interrupt;
mod lock;
pub(crate) mod numbers;
pub(crate) mod progress;
mod table;

use std::path::{Path, PathBuf};

use cldiff_engine::{Engine, EngineError, Reference};
use data_streams::Stream;
use directories::ProjectDirs;

use self::{cells::Runner, directory::RunDirectory, progress::Progress};
use crate::{
    args::RunArgs,
    config::{Loaded, load},
    failure::Failure,
    report::{self, ReportInput},
    results::{Results, StreamInfo, TaskInfo},
};

/// Runs a benchmark.
///
/// # Errors
/// [`Failure::Mistake`] for arguments, configuration or data that cannot work, before anything is written.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = load(args)?;
    let stream = build_stream(&loaded, args)?;
    loaded.resolve(&stream)?;
    let engine = cldiff_engine::open(args.backend.into(), args.device).map_err(Failure::mistake)?;
    let directory = RunDirectory::open(args, &loaded.config, &*engine)?;
    let progress = Progress::new(args.quiet);
    progress.say(&format!("{} on {} ({})", loaded.config.name, engine.backend(), engine.device()));
    let reference = prepare(&*engine, &stream, &loaded, &progress)?;
    let runner = Runner { engine: &*engine, stream: &stream, reference: &reference, config: &loaded.config };
    let mut cells = runner.run(&directory, &progress)?;
    numbers::add_plasticity(&mut cells);
    let results = Results {
        schema: crate::results::SCHEMA,
        name: loaded.config.name.clone(),
        features: reference.summary().features.clone(),
        samples_per_task: loaded.config.evaluation.samples_per_task,
        stream: stream_info(&stream),
        floor: reference.summary().floor.clone(),
        cells,
    };
    directory.finish(&results)?;
    let report = directory.root().join("report.html");
    write_report(&[directory.root().to_owned()], &report)?;
    println!("{}", table::render(&results));
    println!("\nreport: {}", report.display());
    Ok(())
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
