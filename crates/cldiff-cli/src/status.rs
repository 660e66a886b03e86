//! `cldiff status`: which cells of a run are done, running where and how far, failed why, waiting. Reads files alone, so that it
//! can be asked on any machine at any time.

use std::{fmt, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    args::StatusArgs,
    files::{
        cell_directory::CellDirectory,
        finished_run::{self, cells_of},
    },
    ui::{failure::Failure, width::say},
};

/// The progress of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Done,
    Running,
    /// Its process has not been heard of for a while, and may be dead.
    Silent,
    Failed,
    /// Not begun, or to be gone on with.
    Waiting,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        })
    }
}

const ALL: [State; 5] = [State::Done, State::Running, State::Silent, State::Failed, State::Waiting];

struct Cell {
    label: String,
    seed: u64,
    state: State,
    /// Where and how far, or why.
    told: Option<String>,
}

/// Shows it.
///
/// # Errors
/// [`Failure::Mistake`] for a directory that holds no run.
pub fn status(args: &StatusArgs) -> Result<(), Failure> {
    let root = &args.run;
    let config = finished_run::config(root).map_err(Failure::of_files)?;
    // A run that is not prepared has no number of tasks yet.
    let tasks = finished_run::reference(root).ok().flatten().map(|reference| reference.stream.tasks.len());
    let cells =
        cells_of(&config).into_iter().map(|(label, _, seed)| of(root, label, seed, tasks.unwrap_or(0)));
    let cells: Vec<Cell> = cells.collect();
    if args.json {
        let rows = cells.iter().enumerate().map(|(i, cell)| {
            json!({
                "cell": i, "label": cell.label, "seed": cell.seed, "state": cell.state.to_string(), "told": cell.told,
            })
        });
        println!("{:#}", Value::from(rows.collect::<Vec<_>>()));
        return Ok(());
    }
    say(&summary(root, &cells, tasks.is_some()));
    for (i, cell) in cells.iter().enumerate() {
        let told = cell.told.as_ref().map_or_else(String::new, |told| format!(": {told}"));
        say(&format!("  {i:>3} {:<8} {} (seed {}){told}", cell.state, cell.label, cell.seed));
    }
    Ok(())
}

fn of(root: &Path, label: String, seed: u64, tasks: usize) -> Cell {
    let directory = CellDirectory::of(root, &label, seed);
    let progress = directory.progress(tasks);
    let (state, told) = if directory.finished().is_some() {
        (State::Done, None)
    } else if let Some(owner) = directory.owner() {
        let state = if owner.lives() { State::Running } else { State::Silent };
        let heard = humantime::format_duration(Duration::from_secs(owner.heard.as_secs()));
        let progress = progress.map_or_else(String::new, |progress| format!(", {progress}"));
        (state, Some(format!("{}, heard of {heard} ago{progress}", owner.lease.owner())))
    } else if let Some(reason) = directory.failed() {
        (State::Failed, Some(reason))
    } else {
        (State::Waiting, progress.map(|progress| format!("begun, {progress}")))
    };
    Cell { label, seed, state, told }
}

/// `run: 4 cells: 1 done, 1 running, 2 waiting`
fn summary(root: &Path, cells: &[Cell], prepared: bool) -> String {
    let count = |state: State| cells.iter().filter(|cell| cell.state == state).count();
    let counts = ALL.into_iter().map(|state| (count(state), state)).filter(|(n, _)| *n > 0);
    let counts: Vec<String> = counts.map(|(n, state)| format!("{n} {state}")).collect();
    let cells = match cells.len() {
        1 => "1 cell".to_owned(),
        n => format!("{n} cells"),
    };
    let prepared = if prepared { "" } else { "; what they share is not prepared" };
    format!("{}: {cells}: {}{prepared}", root.display(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_by_their_states() {
        let cell = |state| Cell { label: "a".into(), seed: 0, state, told: None };
        let cells = [cell(State::Waiting), cell(State::Done), cell(State::Waiting)];
        assert_eq!(summary(Path::new("runs/a"), &cells, true), "runs/a: 3 cells: 1 done, 2 waiting");
        assert_eq!(
            summary(Path::new("r"), &cells[..1], false),
            "r: 1 cell: 1 waiting; what they share is not prepared"
        );
    }
}
