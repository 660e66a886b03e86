//! The event files of a cell for TensorBoard: the training loss by step, and after each task the metrics and the sample grid.
//!
//! Steps count over all tasks: those of a task follow the planned ones of the tasks before. A measurement after a task
//! stands at the first step that the next task could have.

use std::{io, path::PathBuf};

use cldiff_engine::{CellSpec, Evaluation};
use data_streams::Stream;
use image::RgbaImage;
use serde_json::Value;

use crate::files::{cell_directory::CellDirectory, tensorboard::EventFile};

/// The event file of one session of a cell.
#[derive(Debug)]
pub struct Board {
    dir: PathBuf,
    /// Planned steps before each task, and of all tasks.
    before: Vec<usize>,
    /// None until the session has begun.
    events: Option<EventFile>,
}

impl Board {
    /// For a cell in its directory.
    pub fn new(directory: &CellDirectory, spec: &CellSpec, stream: &Stream) -> Self {
        let steps = (0..stream.len()).map(|k| spec.training.steps_in(stream, k));
        let before = std::iter::once(0).chain(steps.scan(0, |sum, steps| {
            *sum += steps;
            Some(*sum)
        }));
        Self { dir: directory.root().to_owned(), before: before.collect(), events: None }
    }

    /// The cell begins.
    ///
    /// # Errors
    /// If the event file cannot be written.
    pub fn begun(&mut self) -> io::Result<()> {
        self.events = Some(EventFile::start(&self.dir, 0)?);
        Ok(())
    }

    /// The cell goes on in a task, some steps of which are done.
    ///
    /// # Errors
    /// As [`begun`](Self::begun).
    pub fn resumed(&mut self, task: usize, steps: usize) -> io::Result<()> {
        self.events = Some(EventFile::start(&self.dir, self.next_step(task, steps))?);
        Ok(())
    }

    /// The first step that a session writes again. After the last step of a task its evaluation is to come.
    fn next_step(&self, task: usize, steps: usize) -> usize {
        let end = self.before.get(task + 1).copied().unwrap_or(usize::MAX);
        (self.before[task] + steps + 1).min(end)
    }

    /// The training loss of a step of a task.
    ///
    /// # Errors
    /// As [`begun`](Self::begun).
    pub fn loss(&mut self, task: usize, step: usize, loss: f64) -> io::Result<()> {
        let step = self.before[task] + step;
        self.events.as_mut().map_or(Ok(()), |events| events.scalars(step, &[("loss/training".into(), loss)]))
    }

    /// The numbers of an evaluation, as its line in `metrics.jsonl` has them, and its sample grid.
    ///
    /// # Errors
    /// As [`begun`](Self::begun).
    pub fn evaluated(
        &mut self,
        evaluation: &Evaluation,
        line: &Value,
        picture: &RgbaImage,
    ) -> io::Result<()> {
        let Some(events) = &mut self.events else { return Ok(()) };
        let step = self.before[evaluation.experience + 1];
        events.scalars(step, &scalars(line))?;
        events.picture(step, "samples", picture)
    }
}

/// The numbers of a line of `metrics.jsonl` by tags: `fid/task-1` for the first of the list `fid`, and `fid/tasks-seen` for
/// `fid_pooled`. A metric that was not measured has no tag.
fn scalars(line: &Value) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for (key, value) in line.as_object().into_iter().flatten() {
        if let Some(list) = value.as_array() {
            let numbers = list.iter().enumerate().filter_map(|(j, value)| Some((j, value.as_f64()?)));
            found.extend(numbers.map(|(j, number)| (format!("{key}/task-{}", j + 1), number)));
        } else if let (Some(metric), Some(number)) = (key.strip_suffix("_pooled"), value.as_f64()) {
            found.push((format!("{metric}/tasks-seen"), number));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn board() -> Board {
        Board { dir: PathBuf::new(), before: vec![0, 40, 100], events: None }
    }

    /// A reader forgets what stands at this step or later; evaluations stand at 40 and 100.
    #[test]
    fn a_session_writes_again_what_comes_after_its_state() {
        assert_eq!(board().next_step(0, 0), 1);
        assert_eq!(board().next_step(0, 39), 40);
        // All steps of the first task are done, and its evaluation is not.
        assert_eq!(board().next_step(0, 40), 40);
        // The first evaluation is done.
        assert_eq!(board().next_step(1, 0), 41);
        assert_eq!(board().next_step(1, 60), 100);
        assert_eq!(board().next_step(2, 0), 101);
    }

    #[test]
    fn numbers_have_tags_and_what_was_not_measured_has_none() {
        let line = json!({
            "event": "evaluation", "task": 1, "bpd": [3.5, 4.0], "fid": [12.0, null], "fid_pooled": 9.5,
            "kid_pooled": null, "missing": [{"metric": "kid", "after_task": 1}],
        });
        let tags = [("bpd/task-1", 3.5), ("bpd/task-2", 4.0), ("fid/task-1", 12.0), ("fid/tasks-seen", 9.5)];
        assert_eq!(scalars(&line), tags.map(|(tag, number)| (tag.to_owned(), number)));
    }
}
