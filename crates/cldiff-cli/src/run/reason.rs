//! Why a cell failed, in a line, and what to do about it where that is known.

use std::fmt::Display;

use cl_strategies::StrategyError;
use cldiff_engine::{CellSpec, EngineError};

use crate::ui::short_of_memory;

/// Longest reason that is kept: backends say a lot, with the cause first.
const LONGEST: usize = 400;

/// The first line of what was said, and how much memory less is had.
pub fn reason(said: &str, spec: &CellSpec) -> String {
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason was given");
    let line: String = line.chars().take(LONGEST).collect();
    if !short_of_memory::says(said) {
        return line;
    }
    format!(
        "{line}; memory is short with batches of {} in training and {} in sampling: lower `training.batch_size`, \
         `evaluation.sample_batch` or --jobs",
        spec.training.batch_size, spec.evaluation.sample_batch
    )
}

/// The words of a library on a cell that failed, in the program's terms: libraries count experiences and steps from 0, and the
/// program counts tasks and steps from 1.
pub fn in_terms_of_tasks(error: &EngineError) -> String {
    match error {
        EngineError::Strategy(StrategyError::Diverged { experience, step, loss }) => format!(
            "training diverged: the loss is {loss} at step {} of task {}; lower `training.optimizer.learning_rate`, or \
             `training.optimizer.clip_grad_norm`, at which gradients are clipped",
            step + 1,
            experience + 1
        ),
        other => other.to_string(),
    }
}

/// A file that cannot be written, and how to go on. A quota is told by few systems where the free space is.
pub fn cannot_write(error: &dyn Display, how_to_go_on: &str) -> anyhow::Error {
    let said = error.to_string();
    let quota = said.to_lowercase().contains("quota exceeded");
    let advice = if quota { "; your quota on this file system is used up: make room first" } else { "" };
    anyhow::anyhow!("{said}{advice}\n{how_to_go_on}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_used_up_is_told_once_with_what_to_do() {
        let told = |kind: std::io::ErrorKind| {
            let error =
                std::io::Error::new(kind, format!("run/cells/a-0/state: {}", std::io::Error::from(kind)));
            cannot_write(&error, "nothing is lost: go on").to_string()
        };
        let message = told(std::io::ErrorKind::QuotaExceeded);
        assert_eq!(
            message,
            "run/cells/a-0/state: quota exceeded; your quota on this file system is used up: make room first\n\
             nothing is lost: go on"
        );
        let message = told(std::io::ErrorKind::StorageFull);
        assert!(!message.contains("quota") && message.ends_with("\nnothing is lost: go on"), "{message}");
        // As Linux says it.
        let message = cannot_write(&std::io::Error::from_raw_os_error(122), "go on").to_string();
        assert!(!cfg!(target_os = "linux") || message.contains("make room first"), "{message}");
    }

    #[test]
    fn a_training_that_diverged_is_told_its_task_as_progress_counts_it() {
        let diverged = StrategyError::Diverged { experience: 0, step: 19, loss: f64::NAN };
        assert_eq!(
            in_terms_of_tasks(&diverged.into()),
            "training diverged: the loss is NaN at step 20 of task 1; lower `training.optimizer.learning_rate`, or \
             `training.optimizer.clip_grad_norm`, at which gradients are clipped"
        );
        assert_eq!(in_terms_of_tasks(&EngineError::Interrupted), "interrupted");
    }

    #[test]
    fn a_line_is_kept_and_short_memory_is_explained() {
        let config: crate::config::Config = toml::from_str(include_str!("../../configs/smoke.toml")).unwrap();
        let spec = &config.cells()[0];
        assert_eq!(reason("\ntraining diverged\nbacktrace 1\nbacktrace 2", spec), "training diverged");
        assert_eq!(reason("", spec), "no reason was given");
        let said = reason("internal error: can't allocate buffer of size: 3000000\n<backtrace>", spec);
        assert!(said.contains("size: 3000000; ") && said.contains("batches of 16 in training"), "{said}");
        let long = "x".repeat(3000);
        assert_eq!(reason(&long, spec).len(), LONGEST);
    }
}
