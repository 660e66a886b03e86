//! All cells of a run, one after another or several side by side. A cell that fails is noted, and the others go on.

use std::{
    io,
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use cl_metrics::sample::shares::requested_classes;
use cl_strategies::StrategyError;
use cldiff_engine::{CellSpec, Engine, EngineError, Reference, Workload};
use data_streams::{ImageDataset, Stream};
use ddpm_core::CoreError;

use super::{
    board::Board,
    interrupt,
    jobs::side_by_side,
    numbers::cell_result,
    observer::{Observer, Rate, StateKeeper},
    reason::reason,
    title::Title,
};
use crate::{
    config::Config,
    files::{cell_directory::CellDirectory, grid, run_directory::RunDirectory},
    results::{CellResult, FailedCell},
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

/// Runs the cells of a benchmark.
pub struct Runner<'a> {
    /// Cells that are computed at a time have one each.
    pub workers: Vec<Worker<'a>>,
    /// The data.
    pub stream: &'a Stream,
    /// The configuration.
    pub config: &'a Config,
    /// Where everything goes.
    pub directory: &'a RunDirectory,
    /// What is shown meanwhile.
    pub progress: &'a Progress,
    /// Whether cells write event files for TensorBoard.
    pub tensorboard: bool,
    /// Set when the run cannot go on, for the cells that are going on.
    pub stop: AtomicBool,
}

/// What became of the cells.
#[derive(Debug, Default)]
pub struct Cells {
    /// Results, in the order of the configuration.
    pub finished: Vec<CellResult>,
    /// Those that failed.
    pub failed: Vec<FailedCell>,
}

/// Why a cell has no result.
enum Trouble {
    /// It has failed, and the next one has nothing to do with that.
    Cell(String),
    /// The run cannot go on.
    Run(Failure),
}

impl Runner<'_> {
    /// Runs every cell that is not finished yet; those that failed are tried again.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] and [`Failure::Other`] with the command to go on: if the run is asked to stop, or files
    /// cannot be written.
    pub fn run(&self) -> Result<Cells, Failure> {
        interrupt::listen();
        self.save_real().map_err(|error| self.cannot_write(&error))?;
        let cells = self.config.cells();
        let finished: Vec<_> = cells.iter().map(|spec| self.cell_directory(spec).finished()).collect();
        let open = cells.iter().zip(&finished).filter(|(_, result)| result.is_none());
        self.progress.set_total(open.map(|(cell, _)| Workload::of(cell, self.stream).0).sum());
        let outcomes = side_by_side(self.workers.len(), cells.len(), |worker, i| {
            let outcome = match &finished[i] {
                Some(result) => {
                    self.leave_alone(&cells[i]);
                    Ok(result.clone())
                }
                None => self.run_cell(self.workers[worker], &cells[i], Title::of(&cells, i)),
            };
            if matches!(outcome, Err(Trouble::Run(_))) {
                self.stop.store(true, Ordering::SeqCst);
                return ControlFlow::Break(outcome);
            }
            ControlFlow::Continue(outcome)
        });
        let no_threads = |error| anyhow::anyhow!("the threads of the cells cannot be started: {error}");
        let outcomes = outcomes.map_err(|error| Failure::Other(no_threads(error)))?;
        self.progress.finish();
        collect(&cells, outcomes)
    }

    fn cell_directory(&self, spec: &CellSpec) -> CellDirectory {
        self.directory.cell(&spec.strategy.label(), spec.seed)
    }

    /// A cell that an earlier session finished.
    fn leave_alone(&self, spec: &CellSpec) {
        let (label, seed) = (spec.strategy.label(), spec.seed);
        self.progress.say(&format!("{label} (seed {seed}): finished already"));
        // A process that was killed may have left states.
        self.cell_directory(spec).states(self.config.checkpoints.keep).clear();
    }

    fn run_cell(&self, worker: Worker<'_>, spec: &CellSpec, title: Title) -> Result<CellResult, Trouble> {
        let directory = self.cell_directory(spec);
        if let Some(reason) = directory.failed() {
            self.progress.say(&format!("{title}  failed last time and is tried again: {reason}"));
        }
        let attempt = panics::catch(|| self.attempt(worker, spec, &directory, title));
        let trouble = match attempt {
            Ok(Ok(result)) => {
                directory.states(self.config.checkpoints.keep).clear();
                return Ok(result);
            }
            Ok(Err(error)) => self.trouble(error, &directory),
            Err(panic) => {
                Trouble::Cell(short_of_memory::cause().unwrap_or_else(|| format!("internal error: {panic}")))
            }
        };
        let trouble = match trouble {
            Trouble::Cell(said) => Trouble::Cell(reason(&said, spec)),
            of_the_run @ Trouble::Run(_) => of_the_run,
        };
        if let Trouble::Cell(reason) = &trouble {
            let (label, seed) = (spec.strategy.label(), spec.seed);
            self.progress.say(&format!("{label} (seed {seed}) failed: {reason}"));
            directory.fail(reason).map_err(|error| Trouble::Run(self.cannot_write(&error)))?;
        }
        Err(trouble)
    }

    fn attempt(
        &self,
        worker: Worker<'_>,
        spec: &CellSpec,
        directory: &CellDirectory,
        title: Title,
    ) -> Result<CellResult, EngineError> {
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
        directory.finish(&result)?;
        Ok(result)
    }

    fn trouble(&self, error: EngineError, directory: &CellDirectory) -> Trouble {
        match error {
            // Trying again would find the same state.
            EngineError::Strategy(error @ StrategyError::State { .. }) => {
                let place = directory.states_place();
                Trouble::Cell(format!("{error}; remove {} to begin the cell anew", place.display()))
            }
            EngineError::Interrupted => {
                Trouble::Run(Failure::Interrupted(format!("interrupted; {}", self.directory.how_to_resume())))
            }
            EngineError::Output(error) => Trouble::Run(self.cannot_write(&error)),
            EngineError::Strategy(error @ StrategyError::Checkpoint { .. }) => {
                Trouble::Run(self.cannot_write(&error))
            }
            EngineError::Core(error @ CoreError::Io { .. }) => Trouble::Run(self.cannot_write(&error)),
            other => Trouble::Cell(other.to_string()),
        }
    }

    /// A full disk, or one that may not be written any more: the next cell would fare no better.
    fn cannot_write(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Other(anyhow::anyhow!("{error}\n{}", self.directory.how_to_resume()))
    }

    /// Real images of every task, for the eye to compare with.
    fn save_real(&self) -> io::Result<()> {
        let columns = self.config.evaluation.grid_columns;
        let rows: Vec<ImageDataset> =
            self.stream.experiences().iter().map(|e| in_turn(&e.eval, columns)).collect();
        let picture = grid::draw(&rows, self.stream.len(), columns, self.stream.shape());
        grid::save(&picture, &self.directory.real_images())
    }
}

/// Results and failures in the order of the cells.
///
/// # Errors
/// Why the run cannot go on. A cell that was stopped for the sake of another says less than that one.
fn collect(cells: &[CellSpec], outcomes: Vec<Option<Result<CellResult, Trouble>>>) -> Result<Cells, Failure> {
    let (mut all, mut stopped) = (Cells::default(), None);
    for (spec, outcome) in cells.iter().zip(outcomes) {
        match outcome {
            Some(Ok(result)) => all.finished.push(result),
            Some(Err(Trouble::Cell(reason))) => {
                let (label, seed) = (spec.strategy.label(), spec.seed);
                all.failed.push(FailedCell { strategy: spec.strategy.name(), label, seed, reason });
            }
            Some(Err(Trouble::Run(failure @ Failure::Interrupted(_)))) => {
                stopped.get_or_insert(failure);
            }
            Some(Err(Trouble::Run(failure))) => return Err(failure),
            // Not begun, since the run was stopped.
            None => {}
        }
    }
    stopped.map_or(Ok(all), Err)
}

/// Images of the classes in turn, as samples are requested; fewer, where a class has no more of them.
fn in_turn(data: &ImageDataset, n: usize) -> ImageDataset {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); data.class_names().len()];
    (0..data.len()).rev().for_each(|i| members[data.label(i)].push(i));
    let picked = requested_classes(data, n).into_iter().filter_map(|class| members[class].pop());
    data.select(&picked.collect::<Vec<_>>())
}
