//! A cell in the lines that tell of it.

use std::fmt::{self, Display};

use cldiff_engine::{CellSpec, Tick};

use crate::ui::progress::word;

/// The place of a cell among all, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    place: String,
    name: String,
}

impl Title {
    /// Of the cell `i`, counted from 0, of all `cells`.
    pub fn of(cells: &[CellSpec], i: usize) -> Self {
        let (label, seed) = (cells[i].strategy.label(), cells[i].seed);
        let one_seed = cells.iter().all(|cell| cell.seed == seed);
        let name = if one_seed { label } else { format!("{label}, seed {seed}") };
        Self { place: format!("[{}/{}]", i + 1, cells.len()), name }
    }

    /// The cell's progress in one line: what would be missed least stands last, since a narrow terminal cuts it.
    pub fn progress(&self, tick: &Tick, tasks: usize, loss: Option<f64>, per_second: f64) -> String {
        let Self { place, name } = self;
        let (task, doing) = (tick.experience + 1, word(tick.phase));
        let loss = loss.map_or_else(String::new, |loss| {
            if loss.abs() < 10.0 { format!(" loss {loss:.4}") } else { format!(" loss {loss:.1}") }
        });
        // A rate is there after a moment.
        let rate = if per_second > 0.0 { format!(" {per_second:.0} images/s") } else { String::new() };
        format!("{place} task {task}/{tasks} {doing}{loss}{rate} {name}")
    }
}

impl Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.name)
    }
}

#[cfg(test)]
mod tests {
    use cldiff_engine::Phase;

    use super::*;

    fn title(place: &str) -> Title {
        Title { place: place.into(), name: "replay-0.1".into() }
    }

    fn tick(phase: Phase, experience: usize) -> Tick {
        Tick { phase, experience, work: 0, images: 0, step: 0, loss: None }
    }

    #[test]
    fn the_line_has_cell_task_loss_and_rate() {
        let line = |phase, loss| title("[3/12]").progress(&tick(phase, 1), 5, loss, 811.6);
        assert_eq!(
            line(Phase::Train, Some(0.03124)),
            "[3/12] task 2/5 training loss 0.0312 812 images/s replay-0.1"
        );
        assert_eq!(
            line(Phase::Train, Some(1234.56)),
            "[3/12] task 2/5 training loss 1234.6 812 images/s replay-0.1"
        );
        let unmeasured = title("[1/4]").progress(&tick(Phase::Sample, 0), 2, None, 0.0);
        assert_eq!(unmeasured, "[1/4] task 1/2 sampling replay-0.1");
        assert_eq!(line(Phase::Evaluate, None), "[3/12] task 2/5 evaluating 812 images/s replay-0.1");
    }

    /// `100% ` before it and ` 47 h 59 min left` behind it leave 58 of 80 columns.
    #[test]
    fn all_but_the_name_fits_a_terminal_of_80_columns() {
        let line = title("[99/250]").progress(&tick(Phase::Train, 9), 10, Some(0.0312), 1234.0);
        let before_the_name = line.find(" replay").unwrap();
        assert!(before_the_name <= 58, "{before_the_name}: {line}");
        assert_eq!(title("[1/4]").to_string(), "[1/4] replay-0.1");
    }
}
