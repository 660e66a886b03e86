//! The cells of a run, one after another or several side by side, shared with whatever other processes make cells of the same
//! run. A cell that fails is noted, and the others go on.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::SystemTime,
};

use cl_strategies::StrategyError;
use cldiff_engine::{CellSpec, Engine, EngineError, Reference, Workload};
use data_streams::Stream;
use ddpm_core::CoreError;

use super::{
    board::Board,
    interrupt::{self, InCells},
    jobs::side_by_side,
    numbers::cell_result,
    observer::{Observer, Rate, StateKeeper},
    reason::{cannot_write, in_terms_of_tasks, reason},
    title::Title,
};
use crate::{
    config::Config,
    files::{
        cell_directory::CellDirectory,
        claim::{Claim, Take},
        run_directory::{LOOK, RunDirectory},
    },
    ui::{failure::Failure, panics, progress::Progress, short_of_memory},
};

/// Where cells are computed, and what their samples are measured against there.
#[derive(Clone, Copy)]
pub struct Worker<'a> {
    /// Backend and device.
    pub engine: &'a dyn Engine,
    /// The features of real images.
    pub reference: &'a Reference,
}

/// Runs cells of a benchmark.
pub struct Runner<'a> {
    /// Cells that are computed at a time have one each.
    pub workers: Vec<Worker<'a>>,
    /// The data.
    pub stream: &'a Stream,
    /// The configuration.
    pub config: &'a Config,
    /// Where everything goes.
    pub directory: &'a RunDirectory,
    /// The progress that is shown meanwhile.
    pub progress: &'a Progress,
    /// Whether cells write event files for TensorBoard.
    pub tensorboard: bool,
    /// Whether cells that other processes make are waited for; else the first of them ends the run of these.
    pub waits: bool,
    /// Set when the run cannot go on, for the cells that are going on.
    pub stop: AtomicBool,
}

/// The outcome of a cell.
#[derive(Debug)]
enum Outcome {
    /// It has a result.
    Finished,
    /// It has failed, and the next one has nothing to do with that.
    Failed(String),
    /// Another process makes it, which is known to live or not.
    Elsewhere { owner: String, lives: bool },
    /// The run cannot go on.
    Stop(Failure),
}

/// A cell that is to be made.
struct Open<'a> {
    spec: &'a CellSpec,
    directory: CellDirectory,
    title: Title,
    /// When it failed last, before this process began.
    failed: Option<SystemTime>,
}

impl Runner<'_> {
    /// Makes every one of some cells (by their numbers) that is not finished yet; those that failed before this process
    /// began are tried again. The labels, seeds and reasons of those that fail.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] and [`Failure::Other`] with the command to go on: if the run is asked to stop, files
    /// cannot be written, or another process makes a cell that is not waited for.
    pub fn run(&self, which: &[usize]) -> Result<Vec<String>, Failure> {
        let in_cells = InCells::begin();
        let cells = self.config.cells();
        let mut open = Vec::new();
        for &i in which {
            let spec = &cells[i];
            let directory = self.directory.cell(&spec.strategy.label(), spec.seed);
            if directory.finished().is_some() {
                self.leave_alone(spec, &directory);
                continue;
            }
            let failed = directory.failed_at();
            open.push(Open { spec, directory, title: Title::of(&cells, i), failed });
        }
        self.progress.set_total(open.iter().map(|cell| Workload::of(cell.spec, self.stream).0).sum());
        let failed = self.make_all(open)?;
        self.progress.finish();
        drop(in_cells);
        Ok(failed)
    }

    /// Makes cells until every one of them has an end, wherever it was made.
    fn make_all(&self, mut open: Vec<Open<'_>>) -> Result<Vec<String>, Failure> {
        let (mut failed, mut told) = (Vec::new(), false);
        while !open.is_empty() {
            let outcomes = self.make(&open)?;
            let mut elsewhere = Vec::new();
            let mut others = Vec::new();
            for (cell, outcome) in open.into_iter().zip(outcomes) {
                let (label, seed) = (cell.spec.strategy.label(), cell.spec.seed);
                match outcome {
                    Some(Outcome::Failed(reason)) => {
                        failed.push(format!("{label} (seed {seed}) failed: {reason}"));
                    }
                    Some(Outcome::Elsewhere { owner, lives }) => {
                        if !self.waits && lives {
                            return Err(Failure::Other(anyhow::anyhow!(
                                "{label} (seed {seed}): {owner} is making this cell; nothing was changed"
                            )));
                        }
                        others.push(format!("{label} (seed {seed}) by {owner}"));
                        elsewhere.push(cell);
                    }
                    Some(Outcome::Finished | Outcome::Stop(_)) | None => {}
                }
            }
            open = elsewhere;
            if open.is_empty() {
                break;
            }
            if !told {
                self.progress.say(&format!("waiting for cells of other processes: {}", others.join("; ")));
                told = true;
            }
            self.pause()?;
        }
        Ok(failed)
    }

    /// Lets other processes work for a moment.
    fn pause(&self) -> Result<(), Failure> {
        thread::sleep(LOOK);
        if interrupt::asked() { Err(self.interrupted()) } else { Ok(()) }
    }

    /// Makes each cell that is free.
    ///
    /// # Errors
    /// Why the run cannot go on. A cell that was stopped for the sake of another says less than that one.
    fn make(&self, open: &[Open<'_>]) -> Result<Vec<Option<Outcome>>, Failure> {
        let outcomes = side_by_side(self.workers.len().min(open.len()), open.len(), |worker, i| {
            let outcome = self.run_cell(self.workers[worker], &open[i]);
            if matches!(outcome, Outcome::Stop(_)) {
                self.stop.store(true, Ordering::SeqCst);
                return ControlFlow::Break(outcome);
            }
            ControlFlow::Continue(outcome)
        });
        let no_threads = |error| anyhow::anyhow!("the threads of the cells cannot be started: {error}");
        let mut outcomes = outcomes.map_err(|error| Failure::Other(no_threads(error)))?;
        let mut interrupted = None;
        for outcome in &mut outcomes {
            match outcome.take() {
                Some(Outcome::Stop(failure @ Failure::Interrupted(_))) => {
                    interrupted.get_or_insert(failure);
                }
                Some(Outcome::Stop(failure)) => return Err(failure),
                other => *outcome = other,
            }
        }
        interrupted.map_or(Ok(outcomes), Err)
    }

    /// A cell that an earlier session finished.
    fn leave_alone(&self, spec: &CellSpec, directory: &CellDirectory) {
        let (label, seed) = (spec.strategy.label(), spec.seed);
        self.progress.say(&format!("{label} (seed {seed}): finished already"));
        // A process that was killed may have left states. The cell needs no claim for that: its lease may be that of a dead
        // process as well, and an owner that still lives is about to clear the states itself.
        directory.states(self.config.checkpoints.keep).clear();
    }

    fn run_cell(&self, worker: Worker<'_>, cell: &Open<'_>) -> Outcome {
        let claim = match self.directory.take(&cell.directory) {
            Ok(Take::Mine(claim)) => claim,
            Ok(Take::Others { owner, lives }) => return Outcome::Elsewhere { owner, lives },
            Err(error) => return Outcome::Stop(self.cannot_write(&error)),
        };
        if let Some(outcome) = self.made_elsewhere(cell) {
            return outcome;
        }
        cell.directory.tidy();
        let Open { spec, directory, title, .. } = cell;
        if let Some(reason) = directory.failed() {
            self.progress.say(&format!("{title}  failed last time and is tried again: {reason}"));
        }
        let attempt = panics::catch(|| self.attempt(worker, spec, directory, title.clone(), &claim));
        let outcome = match attempt {
            Ok(Ok(())) => {
                directory.states(self.config.checkpoints.keep).clear();
                return Outcome::Finished;
            }
            Ok(Err(error)) => self.outcome(error, directory),
            Err(panic) => Outcome::Failed(
                short_of_memory::cause().unwrap_or_else(|| format!("internal error: {panic}")),
            ),
        };
        if let Some(owner) = claim.lost() {
            self.progress.say(&format!("{title}  {owner} has taken this cell over: it is left to that one"));
            return Outcome::Elsewhere { owner, lives: true };
        }
        let Outcome::Failed(said) = outcome else { return outcome };
        let reason = reason(&said, spec);
        let (label, seed) = (spec.strategy.label(), spec.seed);
        self.progress.say(&format!("{label} (seed {seed}) failed: {reason}"));
        match directory.fail(&reason) {
            Ok(()) => Outcome::Failed(reason),
            Err(error) => Outcome::Stop(self.cannot_write(&error)),
        }
    }

    /// The outcome of a cell that another process had a moment ago; none if it is still to be made.
    fn made_elsewhere(&self, cell: &Open<'_>) -> Option<Outcome> {
        let outcome = if cell.directory.has_result() && cell.directory.finished().is_some() {
            Outcome::Finished
        } else if cell.directory.failed_at() != cell.failed {
            Outcome::Failed(cell.directory.failed()?)
        } else {
            return None;
        };
        self.progress.skip(Workload::of(cell.spec, self.stream).0);
        Some(outcome)
    }

    fn attempt(
        &self,
        worker: Worker<'_>,
        spec: &CellSpec,
        directory: &CellDirectory,
        title: Title,
        claim: &Claim,
    ) -> Result<(), EngineError> {
        let states = directory.states(self.config.checkpoints.keep);
        let (state, damaged) = states.newest();
        for error in damaged {
            self.progress.say(&format!("{title}  a damaged state is left out: {error}"));
        }
        let mut log = directory.open_log()?;
        let mut board = self.tensorboard.then(|| Board::new(directory, spec, self.stream));
        if state.is_none() {
            log.begun()?;
            board.as_mut().map_or(Ok(()), Board::begun)?;
        }
        if worker.engine.warms_up() {
            self.progress.advance(0, || format!("{title}  warming up: kernels are compiled and tuned"));
        }
        let mut observer = Observer {
            directory,
            claim,
            log,
            board,
            states: StateKeeper::new(self.config.checkpoints, states),
            progress: self.progress,
            title,
            stream: self.stream,
            columns: spec.evaluation.grid_columns,
            work: Workload::of(spec, self.stream).0,
            stop: &self.stop,
            rate: Rate::new(),
            loss: None,
        };
        let outcome = worker.engine.run_cell(spec, self.stream, worker.reference, state, &mut observer)?;
        let result = cell_result(spec, &outcome.evaluations, &outcome.cost);
        claim.check()?;
        Ok(directory.finish(&result)?)
    }

    fn outcome(&self, error: EngineError, directory: &CellDirectory) -> Outcome {
        match error {
            // Trying again would find the same state.
            EngineError::Strategy(error @ StrategyError::State { .. }) => {
                let place = directory.states_place();
                Outcome::Failed(format!("{error}; remove {} to begin the cell anew", place.display()))
            }
            EngineError::Interrupted => Outcome::Stop(self.interrupted()),
            EngineError::Output(error) => Outcome::Stop(self.cannot_write(&error)),
            EngineError::Strategy(error @ StrategyError::Checkpoint { .. }) => {
                Outcome::Stop(self.cannot_write(&error))
            }
            EngineError::Core(error @ CoreError::Io { .. }) => Outcome::Stop(self.cannot_write(&error)),
            other => Outcome::Failed(in_terms_of_tasks(&other)),
        }
    }

    fn interrupted(&self) -> Failure {
        Failure::Interrupted(format!("interrupted; {}", self.directory.how_to_resume()))
    }

    /// A full disk, or one that may not be written any more: the next cell would fare no better.
    fn cannot_write(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Other(cannot_write(error, &self.directory.how_to_resume()))
    }
}
