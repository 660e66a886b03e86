//! All cells of a run, one after another. A cell that fails is noted, and the others go on.

use std::io;

use cl_strategies::StrategyError;
use cldiff_engine::{CellSpec, Engine, EngineError, Reference, Workload};
use data_streams::{ImageDataset, Stream};
use ddpm_core::CoreError;

use super::{
    cell_directory::CellDirectory,
    directory::RunDirectory,
    grid, interrupt,
    numbers::cell_result,
    observer::{Observer, Rate, StateKeeper},
    progress::Progress,
};
use crate::{
    config::Config,
    failure::Failure,
    panics,
    results::{CellResult, FailedCell},
};

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
    /// Where everything goes.
    pub directory: &'a RunDirectory,
    /// What is shown meanwhile.
    pub progress: &'a Progress,
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
        let open = |spec: &&CellSpec| self.cell_directory(spec).finished().is_none();
        self.progress
            .set_total(cells.iter().filter(open).map(|cell| Workload::of(cell, self.stream).0).sum());
        let mut all = Cells::default();
        for (i, spec) in cells.iter().enumerate() {
            let (label, seed) = (spec.strategy.label(), spec.seed);
            let title = format!("[{}/{}] {label}", i + 1, cells.len());
            match self.run_cell(spec, title) {
                Ok(result) => all.finished.push(result),
                Err(Trouble::Run(failure)) => return Err(failure),
                Err(Trouble::Cell(reason)) => {
                    let failed = FailedCell { strategy: spec.strategy.name(), label, seed, reason };
                    self.progress.say(&format!("{failed}"));
                    all.failed.push(failed);
                }
            }
        }
        self.progress.finish();
        Ok(all)
    }

    fn cell_directory(&self, spec: &CellSpec) -> CellDirectory {
        self.directory.cell(&spec.strategy.label(), spec.seed)
    }

    fn run_cell(&self, spec: &CellSpec, title: String) -> Result<CellResult, Trouble> {
        let directory = self.cell_directory(spec);
        let states = directory.states(self.config.checkpoints.keep);
        if let Some(result) = directory.finished() {
            let (label, seed) = (spec.strategy.label(), spec.seed);
            self.progress.say(&format!("{label} (seed {seed}): finished already"));
            // A process that was killed may have left them.
            states.clear();
            return Ok(result);
        }
        if let Some(reason) = directory.failed() {
            self.progress.say(&format!("{title}  failed last time and is tried again: {reason}"));
        }
        let attempt = panics::catch(|| self.attempt(spec, &directory, title));
        let trouble = match attempt {
            Ok(Ok(result)) => {
                states.clear();
                return Ok(result);
            }
            Ok(Err(error)) => self.trouble(error),
            Err(panic) => Trouble::Cell(format!("internal error: {panic}")),
        };
        if let Trouble::Cell(reason) = &trouble {
            directory.fail(reason).map_err(|error| Trouble::Run(self.cannot_write(&error)))?;
        }
        Err(trouble)
    }

    fn attempt(
        &self,
        spec: &CellSpec,
        directory: &CellDirectory,
        title: String,
    ) -> Result<CellResult, EngineError> {
        let states = directory.states(self.config.checkpoints.keep);
        let (state, damaged) = states.newest();
        for error in damaged {
            self.progress.say(&format!("{title}  a damaged state is left out: {error}"));
        }
        let mut log = directory.open_log()?;
        if state.is_none() {
            log.begun()?;
        }
        let mut observer = Observer {
            directory,
            log,
            states: StateKeeper::new(self.config.checkpoints, states),
            progress: self.progress,
            title,
            stream: self.stream,
            columns: spec.evaluation.grid_columns,
            work: Workload::of(spec, self.stream).0,
            rate: Rate::new(),
        };
        let outcome = self.engine.run_cell(spec, self.stream, self.reference, state, &mut observer)?;
        let result = cell_result(spec, &outcome.evaluations, &outcome.cost);
        directory.finish(&result)?;
        Ok(result)
    }

    fn trouble(&self, error: EngineError) -> Trouble {
        match error {
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
            self.stream.experiences().iter().map(|e| alternating(&e.eval, &e.classes, columns)).collect();
        let picture = grid::draw(&rows, self.stream.len(), columns, self.stream.shape());
        grid::save(&picture, &self.directory.real_images())
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
