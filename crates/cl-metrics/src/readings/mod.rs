//! Readings beside the evaluation matrix: what became of each class, curves within an experience, and the options of these,
//! of the classification accuracy score and of drift. Pure functions and plain data.

mod classes;
mod options;
mod removed;
mod within;

pub use classes::{ClassAccuracies, accuracies, class_confusion, class_frechet, requests, taken_by};
pub use options::{CasConfig, ClassesConfig, DriftConfig, WithinConfig};
pub use removed::{SeenAs, seen_as};
pub use within::{Curves, Gap, TaskCurves, WithinSummary, next_look, within_summary};
