//! Why a cell failed, in a line, and what to do about it where that is known.

use cldiff_engine::CellSpec;

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

#[cfg(test)]
mod tests {
    use super::*;

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
