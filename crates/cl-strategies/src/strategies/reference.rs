//! Strategies that other strategies' results are compared with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The comparison that a strategy's cell is the reference of, for the cells of the same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// A model for each task, trained from scratch on that task alone with the steps of one task: `R[j][j]` says how well a
    /// task is learned without any other.
    Alone,
    /// One model that trains on all tasks up to the current one: `R[j][j]` comes from the tasks <= j, after as many steps as
    /// every other strategy has had by then.
    Cumulative,
    /// One model that trains on all tasks from the start: its last row is the reference. After task k it has had
    /// (k + 1) / K of its steps, so that its earlier rows are a training curve and no reference.
    Joint,
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "a model trained on the task alone",
            Self::Cumulative => "training on all tasks so far",
            Self::Joint => "joint training at its end",
        })
    }
}
