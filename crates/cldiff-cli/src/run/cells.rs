//! All cells of a run, one after another, with what each leaves behind.

use std::{
    fs::{self, File},
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use cl_metrics::{likelihood::TimestepProfile, sample::SampleMetric};
use cldiff_engine::{
    CellObserver, CellSpec, Engine, EngineError, Evaluation, Phase, Reference, SaveModel, Tick, Workload,
};
use data_streams::{ImageDataset, Stream};
use serde_json::json;

use super::{
    directory::{RunDirectory, finished_cell, picture_name, write_whole},
    grid, interrupt,
    numbers::cell_result,
    progress::{Progress, word},
};
use crate::{config::Config, failure::Failure, results::CellResult};

/// Runs the cells of a benchmark.
pub struct Runner<'a> {
    /// Where to compute.
    pub engine: &'a dyn Engine,
    /// The data.
    pub stream: &'a Stream,
    /// What samples are measured against.
    pub reference: &'a Reference,
    /// The configuration.
    pub config: &'a Config,
}

impl Runner<'_> {
    /// Runs every cell that is not finished yet.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] with the command to go on; [`Failure::Other`] for a cell that fails.
    pub fn run(&self, directory: &RunDirectory, progress: &Progress) -> Result<Vec<CellResult>, Failure> {
        interrupt::listen();
        self.save_real(directory)?;
        let cells = self.config.cells();
        let open =
            |spec: &CellSpec| finished_cell(&directory.cell(&spec.strategy.label(), spec.seed)).is_none();
        progress.set_total(cells.iter().filter(|c| open(c)).map(|c| Workload::of(c, self.stream).0).sum());
        let mut results = Vec::new();
        for (i, spec) in cells.iter().enumerate() {
            let dir = directory.cell(&spec.strategy.label(), spec.seed);
            if let Some(result) = finished_cell(&dir) {
                progress.say(&format!("{} (seed {}): finished already", spec.strategy.label(), spec.seed));
                results.push(result);
                continue;
            }
            let title = format!("[{}/{}] {}", i + 1, cells.len(), spec.strategy.label());
            results.push(self.run_cell(spec, &dir, title, progress).map_err(|e| match e {
                EngineError::Interrupted => Failure::Interrupted(format!(
                    "interrupted; finished cells are kept: go on with the same command and --resume --out {}",
                    directory.root().display()
                )),
                other => Failure::Other(anyhow::Error::new(other).context(format!(
                    "{} (seed {})",
                    spec.strategy.label(),
                    spec.seed
                ))),
            })?);
        }
        progress.finish();
        Ok(results)
    }

    fn run_cell(
        &self,
        spec: &CellSpec,
        dir: &Path,
        title: String,
        progress: &Progress,
    ) -> Result<CellResult, EngineError> {
        // What an interrupted cell left behind is made again.
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => fs::create_dir_all(dir.join("samples"))?,
        }
        let metrics = File::create(dir.join("metrics.jsonl"))?;
        let mut observer = Observer {
            dir: dir.to_owned(),
            metrics,
            progress,
            title,
            stream: self.stream,
            columns: spec.evaluation.grid_columns,
            evaluations: Vec::new(),
            rate: Rate::new(),
        };
        let cost = self.engine.run_cell(spec, self.stream, self.reference, &mut observer)?;
        let result = cell_result(spec, &observer.evaluations, &cost);
        let text = serde_json::to_string_pretty(&result).map_err(std::io::Error::other)?;
        write_whole(&dir.join("result.json"), text.as_bytes()).map_err(std::io::Error::other)?;
        Ok(result)
    }

    /// Real images of every task, for the eye to compare with.
    fn save_real(&self, directory: &RunDirectory) -> Result<()> {
        let columns = self.config.evaluation.grid_columns;
        let rows: Vec<ImageDataset> =
            self.stream.experiences().iter().map(|e| alternating(&e.eval, &e.classes, columns)).collect();
        let picture = grid::draw(&rows, self.stream.len(), columns, self.stream.shape());
        grid::save(&picture, &directory.real_images())
    }
}

/// Images of the classes in turn, as samples are requested.
fn alternating(data: &ImageDataset, classes: &[usize], n: usize) -> ImageDataset {
    let mut classes = classes.to_vec();
    classes.sort_unstable();
    let members: Vec<Vec<usize>> =
        classes.iter().map(|&class| (0..data.len()).filter(|&i| data.label(i) == class).collect()).collect();
    let pick = |i: usize| members[i % members.len()].get(i / members.len()).copied();
    data.select(&(0..n).filter_map(pick).collect::<Vec<_>>())
}

/// Writes down what a cell tells.
struct Observer<'a> {
    dir: PathBuf,
    metrics: File,
    progress: &'a Progress,
    title: String,
    stream: &'a Stream,
    columns: usize,
    evaluations: Vec<Evaluation>,
    rate: Rate,
}

impl CellObserver for Observer<'_> {
    fn tick(&mut self, tick: Tick) -> ControlFlow<()> {
        let per_second = self.rate.add(tick.phase, tick.images);
        let tasks = self.stream.len();
        self.progress.advance(tick.work, || {
            format!(
                "{}  task {}/{tasks} {} {per_second:.0} images/s",
                self.title,
                tick.experience + 1,
                word(tick.phase)
            )
        });
        if let Some(loss) = tick.loss {
            let line = json!({"event": "train", "task": tick.experience, "step": tick.step, "loss": loss});
            // A full disk shows where the results are written; a lost line of the log does not end a run.
            let _ = writeln!(self.metrics, "{line}");
        }
        if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn evaluated(&mut self, evaluation: Evaluation, save: &SaveModel<'_>) -> Result<(), EngineError> {
        let k = evaluation.experience;
        save(&self.dir.join("checkpoints").join(format!("after-task-{}", k + 1)))?;
        let picture = grid::draw(&evaluation.pictures, self.stream.len(), self.columns, self.stream.shape());
        grid::save(&picture, &self.dir.join("samples").join(picture_name(k)))
            .map_err(std::io::Error::other)?;
        let bpd: Vec<f64> = evaluation.profiles.iter().map(TimestepProfile::bits_per_dimension).collect();
        let mut line = json!({"event": "evaluation", "task": k, "bpd": bpd});
        for (metric, values) in &evaluation.metrics {
            line[metric.name()] = json!(values.tasks);
            line[format!("{}_pooled", metric.name())] = json!(values.pooled);
        }
        writeln!(self.metrics, "{line}")?;
        let fid = evaluation.metrics.get(&SampleMetric::Fid);
        self.progress.say(&format!(
            "{}  after task {}/{}: FID over tasks seen {}, on task 1 {}",
            self.title,
            k + 1,
            self.stream.len(),
            fid.and_then(|fid| fid.pooled).map_or("-".into(), |v| format!("{v:.2}")),
            fid.and_then(|fid| fid.tasks[0]).map_or("-".into(), |v| format!("{v:.2}")),
        ));
        self.evaluations.push(evaluation);
        Ok(())
    }
}

/// Images a second in the current phase, over a window of some seconds.
struct Rate {
    phase: Option<Phase>,
    since: Instant,
    images: u64,
    shown: f64,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(5);

    fn new() -> Self {
        Self { phase: None, since: Instant::now(), images: 0, shown: 0.0 }
    }

    fn add(&mut self, phase: Phase, images: u64) -> f64 {
        if self.phase != Some(phase) {
            *self = Self { phase: Some(phase), ..Self::new() };
        }
        self.images += images;
        let elapsed = self.since.elapsed();
        if elapsed > Duration::from_millis(500) {
            self.shown = self.images as f64 / elapsed.as_secs_f64();
        }
        if elapsed > Self::WINDOW {
            (self.since, self.images) = (Instant::now(), 0);
        }
        self.shown
    }
}
