//! `--cell`: cells of a run by their numbers, or by the number that a batch system gives a task.

use std::{ops::RangeInclusive, str::FromStr};

/// Where batch systems say which task of many this is: Slurm's job arrays, Kubernetes' indexed jobs.
const VARIABLES: [&str; 2] = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/// `--cell`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellsArg {
    /// By the environment.
    Auto,
    /// By their numbers.
    Listed(Vec<RangeInclusive<usize>>),
}

/// Cells that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen(pub Vec<usize>);

impl FromStr for CellsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let number = |digits: &str| digits.trim().parse::<usize>().ok();
        let range = |part: &str| match part.split_once('-') {
            Some((first, last)) => Some(number(first)?..=number(last)?).filter(|range| !range.is_empty()),
            None => number(part).map(|i| i..=i),
        };
        let listed: Option<Vec<_>> = text.split(',').map(range).collect();
        listed.map(Self::Listed).ok_or_else(|| "expected auto, or numbers as in 3, 0-4 or 1,7".to_owned())
    }
}

impl CellsArg {
    /// The cells, of so many; `variable` reads the environment.
    ///
    /// # Errors
    /// The message for a cell that is not there, and for an environment that names none.
    pub fn chosen(
        &self,
        of: usize,
        per_task: usize,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Chosen, String> {
        let last = of.saturating_sub(1);
        match self {
            Self::Auto => {
                if per_task == 0 {
                    return Err("--cells-per-task 0: expected at least 1".into());
                }
                let (name, task) = task(variable)?;
                let first = task.saturating_mul(per_task);
                if first >= of {
                    let cells = format!("{of} cells, {per_task} a task");
                    return Err(format!(
                        "{name}={task}: the run has {cells}: tasks 0 to {}",
                        last / per_task
                    ));
                }
                Ok(Chosen((first..of.min(first + per_task)).collect()))
            }
            Self::Listed(_) if per_task != 1 => {
                Err(format!("--cells-per-task {per_task}: only --cell auto gives a task several cells"))
            }
            Self::Listed(ranges) => {
                // Not one number of a huge range is looked at before its end.
                if let Some(range) = ranges.iter().find(|range| *range.end() >= of) {
                    return Err(format!("--cell {}: the run has {of} cells, 0 to {last}", range.end()));
                }
                let mut cells: Vec<usize> = ranges.iter().cloned().flatten().collect();
                cells.sort_unstable();
                cells.dedup();
                Ok(Chosen(cells))
            }
        }
    }
}

/// The variable that numbers this task, and the number.
fn task(variable: impl Fn(&str) -> Option<String>) -> Result<(&'static str, usize), String> {
    let found = VARIABLES.into_iter().find_map(|name| Some((name, variable(name)?)));
    let Some((name, text)) = found else {
        return Err(format!("--cell auto: the environment has neither {}", VARIABLES.join(" nor ")));
    };
    match text.trim().parse() {
        Ok(task) => Ok((name, task)),
        Err(_) => Err(format!("--cell auto: {name} is \"{text}\", which is no number from 0 on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn numbers_and_ranges_are_cells_in_their_order() {
        let cells = |text: &str| text.parse::<CellsArg>().and_then(|arg| arg.chosen(8, 1, none)).map(|c| c.0);
        assert_eq!(cells("3").unwrap(), [3]);
        assert_eq!(cells("5-6,0,6").unwrap(), [0, 5, 6]);
        for (text, told) in [
            ("8", "--cell 8: the run has 8 cells, 0 to 7"),
            ("0-18446744073709551615", "the run has 8 cells"),
            ("6-5", "expected auto, or numbers"),
            ("", "expected auto, or numbers"),
            ("x", "expected auto, or numbers"),
            ("auto", "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX"),
        ] {
            let message = cells(text).unwrap_err();
            assert!(message.contains(told), "{text}: {message}");
        }
    }

    #[test]
    fn a_task_has_its_share_of_the_cells_and_the_last_one_has_the_rest() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let task = |value, per_task| {
            CellsArg::Auto.chosen(8, per_task, with("JOB_COMPLETION_INDEX", value)).map(|chosen| chosen.0)
        };
        assert_eq!(task("0", 1).unwrap(), [0]);
        assert_eq!(task("2", 3).unwrap(), [6, 7]);
        assert_eq!(
            task("3", 3).unwrap_err(),
            "JOB_COMPLETION_INDEX=3: the run has 8 cells, 3 a task: tasks 0 to 2"
        );
        assert!(task("-1", 3).unwrap_err().contains("no number from 0 on"));
        assert!(task("0", 0).unwrap_err().contains("--cells-per-task 0"));
        assert!(task("18446744073709551615", 3).unwrap_err().contains("8 cells"));
        let listed = CellsArg::Listed(vec![3..=4]).chosen(8, 2, none).unwrap_err();
        assert_eq!(listed, "--cells-per-task 2: only --cell auto gives a task several cells");
        let slurm = CellsArg::Auto.chosen(8, 1, with("SLURM_ARRAY_TASK_ID", "5"));
        assert_eq!(slurm, Ok(Chosen(vec![5])));
    }
}
