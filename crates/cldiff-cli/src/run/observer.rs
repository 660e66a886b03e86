//! Writes down what a cell tells while it runs, and keeps states to go on from.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use cl_metrics::{likelihood::TimestepProfile, sample::SampleMetric};
use cl_strategies::Checkpoints;
use cldiff_engine::{
    CellObserver, EngineError, Evaluation, MakeState, Measured, Moment, Phase, SaveModel, TaskValues, Tick,
};
use data_streams::Stream;
use serde_json::json;

use super::{
    board::Board,
    interrupt::{self, Writing},
    samples::SampleNumbers,
    title::Title,
};
use crate::{
    config::CheckpointsConfig,
    files::{
        cell_directory::{CellDirectory, EventLog},
        claim::Claim,
        grid,
    },
    ui::progress::Progress,
};

/// The observer of one cell.
pub struct Observer<'a> {
    pub directory: &'a CellDirectory,
    /// Lost to another process, the cell stops and writes nothing more.
    pub claim: &'a Claim,
    pub log: EventLog,
    /// None without event files.
    pub board: Option<Board>,
    pub states: StateKeeper,
    pub progress: &'a Progress,
    pub title: Title,
    pub stream: &'a Stream,
    /// Images in a row of a picture.
    pub columns: usize,
    /// The work of the whole cell.
    pub work: u64,
    /// Whether the run cannot go on for the sake of another cell.
    pub stop: &'a AtomicBool,
    pub rate: Rate,
    /// The last that was read.
    pub loss: Option<f64>,
}

impl CellObserver for Observer<'_> {
    fn tick(&mut self, tick: Tick) -> ControlFlow<()> {
        let per_second = self.rate.add(tick.phase, tick.images);
        self.loss = if tick.phase == Phase::Train { tick.loss.or(self.loss) } else { None };
        self.progress
            .advance(tick.work, || self.title.progress(&tick, self.stream.len(), self.loss, per_second));
        if let Some(loss) = tick.loss {
            let line = json!({"event": "train", "task": tick.experience, "step": tick.step, "loss": loss});
            // A full disk shows where the results are written; a lost line of the log does not end a run.
            let _ = self.log.add(&line);
            if let Some(board) = &mut self.board {
                let _ = board.loss(tick.experience, tick.step, loss);
            }
        }
        let stop = interrupt::asked() || self.stop.load(Ordering::SeqCst) || self.claim.lost().is_some();
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn resumed(&mut self, experience: usize, steps: usize) -> Result<(), EngineError> {
        self.log.resumed(experience, steps)?;
        self.board.as_mut().map_or(Ok(()), |board| board.resumed(experience, steps))?;
        // About; tasks differ.
        self.progress.skip(self.work * experience as u64 / self.stream.len() as u64);
        self.progress.say(&format!("{}  goes on in task {}, step {}", self.title, experience + 1, steps + 1));
        Ok(())
    }

    fn state(&mut self, moment: Moment, make: &MakeState<'_>) -> Result<(), EngineError> {
        self.states.at(moment, self.claim, make)
    }

    fn evaluated(&mut self, evaluation: &Evaluation, save: &SaveModel<'_>) -> Result<(), EngineError> {
        let k = evaluation.experience;
        self.claim.check()?;
        self.directory.save_model(k, save)?;
        let picture = grid::draw(&evaluation.pictures, self.stream.len(), self.columns, self.stream.shape())?;
        grid::save(&picture, &self.directory.picture(k))?;
        let bpd: Vec<f64> = evaluation.profiles.iter().map(TimestepProfile::bits_per_dimension).collect();
        let mut line = json!({"event": "evaluation", "task": k, "bpd": bpd});
        for (metric, values) in &evaluation.metrics {
            let tasks: Vec<_> = (0..values.tasks.len()).map(|j| values.on(j)).collect();
            line[metric.name()] = json!(tasks);
            line[format!("{}_pooled", metric.name())] = json!(pooled(values));
        }
        let missing = SampleNumbers::missing_of(evaluation);
        if !missing.is_empty() {
            line["missing"] = json!(missing);
        }
        self.log.add(&line)?;
        self.board.as_mut().map_or(Ok(()), |board| board.evaluated(evaluation, &line, &picture))?;
        let fid = evaluation.metrics.get(&SampleMetric::FID);
        self.progress.say(&format!(
            "{}  after task {}/{}: FID over tasks seen {}, on task 1 {}",
            self.title,
            k + 1,
            self.stream.len(),
            fid.and_then(pooled).map_or("-".into(), |v| format!("{v:.2}")),
            first_task(fid),
        ));
        Ok(())
    }
}

/// The value on the first task, or the reason why there is none.
fn first_task(values: Option<&TaskValues>) -> String {
    match values.and_then(|values| values.tasks.first()?.as_ref()).map(|measured| &measured.outcome) {
        Some(Ok(estimate)) => format!("{:.2}", estimate.value),
        Some(Err(reason)) => format!("- ({reason})"),
        None => "-".into(),
    }
}

fn pooled(values: &TaskValues) -> Option<f64> {
    values.pooled.as_ref().and_then(Measured::value)
}

/// Decides at which moments a state is kept.
#[derive(Debug)]
pub struct StateKeeper {
    config: CheckpointsConfig,
    states: Checkpoints,
    /// Steps since the last.
    steps: usize,
    last: Instant,
    /// The duration of the last one.
    took: Duration,
}

impl StateKeeper {
    /// In a directory of states, as a configuration has it.
    pub fn new(config: CheckpointsConfig, states: Checkpoints) -> Self {
        Self { config, states, steps: 0, last: Instant::now(), took: Duration::ZERO }
    }

    fn at(&mut self, moment: Moment, claim: &Claim, make: &MakeState<'_>) -> Result<(), EngineError> {
        self.steps += usize::from(moment == Moment::Step);
        if moment == Moment::Step && !self.is_time() {
            return Ok(());
        }
        let start = Instant::now();
        claim.check()?;
        let writing = Writing::begin();
        self.states.save(&make()?)?;
        drop(writing);
        (self.steps, self.last, self.took) = (0, Instant::now(), start.elapsed());
        Ok(())
    }

    fn is_time(&self) -> bool {
        let CheckpointsConfig { every_steps, most_time, .. } = self.config;
        let worth =
            self.last.elapsed().as_secs_f64() * most_time >= self.took.as_secs_f64() * (1.0 - most_time);
        every_steps > 0 && self.steps >= every_steps && worth
    }
}

/// Images a second in the current phase, over a window of some seconds.
#[derive(Debug)]
pub struct Rate {
    phase: Option<Phase>,
    since: Instant,
    images: u64,
    shown: f64,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(5);

    pub fn new() -> Self {
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
