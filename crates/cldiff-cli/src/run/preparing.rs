//! Prepares everything that the cells of a run share: the classifier, the features of real images and the floors. They are
//! made once and kept in the run's directory, so that processes on other machines measure against the same.

use std::collections::BTreeMap;

use cl_metrics::sample::shares::requested_classes;
use cl_strategies::StrategyError;
use cldiff_engine::{EngineError, Floors, Reference, ReferenceSummary, Shared};
use data_streams::{ImageDataset, Stream};
use directories::ProjectDirs;

use super::{Benchmark, build_stream, interrupt, open_all, opening, reason::cannot_write};
use crate::{
    args::RunArgs,
    config::{Config, load},
    files::{
        grid,
        manifest::Manifest,
        run_directory::{Place, RunDirectory},
    },
    quantities::summaries::summarise,
    results::{Results, SCHEMA, StreamInfo, TaskInfo},
    ui::{failure::Failure, progress::Progress},
};

/// `cldiff prepare`.
///
/// # Errors
/// As those of a run.
pub(super) fn alone(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = load(&args.setting)?;
    let place = Place::of(args, &loaded.config.name)?;
    let (root, again) = (place.root.display(), "nothing is lost: the same command goes on");
    interrupt::listen(format!("interrupted; {again}"));
    let progress = Progress::new(args.quiet);
    let slow = progress.say_if_slow(format!("{}; the data are read first", opening::cells(&loaded.config)));
    let stream = build_stream(&loaded, args)?;
    loaded.resolve(&stream)?;
    let cells = loaded.config.cells().len();
    let told = format!("cells 0 to {} are made by cldiff run --out {root} --cell I", cells - 1);
    if RunDirectory::is_prepared(args, &loaded.config, &stream, &place)? {
        drop(slow);
        progress.say(&format!("prepared already: {told}"));
        return Ok(());
    }
    let engines = open_all(args, loaded.config.precision)?;
    let config = &loaded.config;
    let manifest = |text: &str| Manifest::new(config, text, &stream, &engines);
    let (directory, claim) = RunDirectory::open(&place, config, manifest, &progress)?;
    drop(slow);
    opening::say(&progress, config, &stream, &engines, &directory);
    let benchmark = Benchmark { args, engines: &engines, stream: &stream, loaded: &loaded };
    let prepared = prepare(&benchmark, &directory, &progress);
    let ended = prepared.and_then(|_| Ok(directory.end()?));
    drop(claim);
    if let Err(failure) = ended {
        directory.leave(&failure);
        return Err(failure);
    }
    progress.say(&format!("prepared: {told}"));
    progress.finish();
    Ok(())
}

/// Makes the references that the cells on each device are measured against, and leaves them in the run's directory.
pub(super) fn prepare(
    benchmark: &Benchmark<'_>,
    directory: &RunDirectory,
    progress: &Progress,
) -> Result<Vec<Reference>, Failure> {
    progress.begin("training the classifier in whose features FID is measured, unless the cache has it");
    let references = references(benchmark, directory, Kept::OrMade)?;
    directory.tidy_prepared();
    let summary = references[0].summary();
    progress.say(&format!("features: {}; the classifier is {}", summary.features, summary.judge));
    if let Some(warning) = summary.judge.warning() {
        tracing::warn!("{warning}");
    }
    let (config, stream) = (&benchmark.loaded.config, benchmark.stream);
    directory.keep_reference(&without_cells(config, stream, summary))?;
    let failure = |error: std::io::Error| Failure::Other(cannot_write(&error, &directory.how_to_resume()));
    save_real(config, stream, directory).map_err(failure)?;
    Ok(references)
}

/// Whether what is not kept is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// By whom prepares the run.
    OrMade,
    /// Cells alone prepare nothing.
    Only,
}

/// The references that the cells on each device are measured against, from the run's directory.
pub(super) fn references(
    benchmark: &Benchmark<'_>,
    directory: &RunDirectory,
    kept: Kept,
) -> Result<Vec<Reference>, Failure> {
    let cache = ProjectDirs::from("", "", "cldiff").map(|dirs| dirs.cache_dir().to_owned());
    let (states, own) = (directory.prepared(), directory.prepared_place());
    let evaluation = &benchmark.loaded.config.evaluation;
    let mut references = Vec::new();
    for engine in benchmark.engines {
        let (state, damaged) = states.newest();
        for error in damaged {
            tracing::warn!("what the cells share is made again: {error}");
        }
        let is_kept = state.is_some();
        if !is_kept && kept == Kept::Only {
            return Err(Failure::Other(anyhow::anyhow!(
                "{}: what the cells share is not there or damaged; cldiff prepare makes it",
                own.display()
            )));
        }
        let shared = Shared { cache: cache.as_deref(), own: Some(&own), state };
        let reference = engine
            .prepare(benchmark.stream, evaluation, shared)
            .map_err(|error| refused(error, directory))?;
        if !is_kept {
            let failure = |error| Failure::Other(cannot_write(&error, &directory.how_to_resume()));
            states.save(&reference.state()).map_err(failure)?;
        }
        references.push(reference);
    }
    Ok(references)
}

fn refused(error: EngineError, directory: &RunDirectory) -> Failure {
    match error {
        EngineError::Metric(_) => Failure::mistake(error),
        // The state of other images, features or of another classifier.
        EngineError::Strategy(StrategyError::State { .. }) => {
            let place = directory.prepared_place();
            Failure::mistake(format!("{}: {error}; remove it and prepare the run anew", place.display()))
        }
        other => Failure::Other(other.into()),
    }
}

/// The results before any cell has one: what all of them are measured against.
fn without_cells(config: &Config, stream: &Stream, summary: &ReferenceSummary) -> Results {
    Results {
        schema: SCHEMA,
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

/// Real images of every task, for the eye to compare with.
fn save_real(config: &Config, stream: &Stream, directory: &RunDirectory) -> std::io::Result<()> {
    let columns = config.evaluation.grid_columns;
    let rows: Vec<ImageDataset> = stream.experiences().iter().map(|e| in_turn(&e.eval, columns)).collect();
    let picture = grid::draw(&rows, stream.len(), columns, stream.shape())?;
    grid::save(&picture, &directory.real_images())
}

/// Images of the classes in turn, as samples are requested; fewer, where a class has no more of them.
fn in_turn(data: &ImageDataset, n: usize) -> ImageDataset {
    // As many as there are have every class in its number: all of them.
    let n = n.min(data.len());
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); data.class_names().len()];
    (0..data.len()).rev().for_each(|i| members[data.label(i)].push(i));
    let picked = requested_classes(data, n).into_iter().filter_map(|class| members[class].pop());
    data.select(&picked.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;

    #[test]
    fn real_images_come_in_turn_and_no_more_than_there_are() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let data = ImageDataset::new("few", shape, names, vec![10, 11, 12, 13], vec![0, 0, 1, 0]).unwrap();
        let pixels = |n: usize| {
            let picked = in_turn(&data, n);
            (0..picked.len()).map(|i| picked.pixels_of(i)[0]).collect::<Vec<u8>>()
        };
        assert_eq!(pixels(3), [10, 12, 11]);
        assert_eq!(pixels(4), [10, 12, 11, 13]);
        assert_eq!(pixels(usize::MAX), pixels(4));
    }
}
