//! `evidence/NAME/tables.toml`: where the results come from, and which tables, figures and values are made of them.

mod figures;
mod values;

use serde::Deserialize;

pub use figures::{Correlation, Curve, Law, Pareto, Scale, Timesteps, With};
pub use values::{Counted, Of, Show, Value};

/// An experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The command that makes the results.
    pub command: String,
    /// The machine that it runs on.
    pub machine: String,
    /// The commit of the program.
    #[serde(default)]
    pub commit: String,
    /// The day it ended.
    #[serde(default)]
    pub date: String,
    /// Whether its results are there.
    #[serde(default)]
    pub state: State,
    /// Strategies that bound the others and compete with none.
    #[serde(default)]
    pub bounds: Vec<String>,
    /// The tables.
    #[serde(rename = "table", default)]
    pub tables: Vec<Table>,
    /// The values in sentences.
    #[serde(rename = "value", default)]
    pub values: Vec<Value>,
    /// Quantities over a number that labels have.
    #[serde(rename = "curve", default)]
    pub curves: Vec<Curve>,
    /// Optima of curves over their groups.
    #[serde(rename = "law", default)]
    pub laws: Vec<Law>,
    /// Fronts of a quantity against a cost.
    #[serde(rename = "pareto", default)]
    pub paretos: Vec<Pareto>,
    /// Forgetting along the timesteps.
    #[serde(default)]
    pub timesteps: Vec<Timesteps>,
    /// Rank correlations between quantities.
    #[serde(rename = "correlation", default)]
    pub correlations: Vec<Correlation>,
}

/// How far an experiment is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// `results.parquet` is there.
    #[default]
    Done,
    /// `results.parquet` is not there yet: the documents say so at every mark.
    Running,
}

/// A table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name in the documents' marks.
    pub name: String,
    /// The labels of its rows; all, in the order of the results, if there are none.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Its columns.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// The quantity, by its name in the long table.
    pub metric: String,
    /// Digits after the point.
    pub digits: usize,
    /// The divisor of a value.
    #[serde(default = "one")]
    pub divide_by: f64,
    /// Whether the standard deviation over the seeds is shown.
    #[serde(default = "yes")]
    pub spread: bool,
    /// The label whose value on the same seed is taken off.
    pub less: Option<String>,
    /// The better direction, where a verdict is given: a star marks what the seeds tell from `less`.
    pub better: Option<Better>,
}

/// The better direction.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Lower.
    Lower,
    /// Higher.
    Higher,
}

impl Spec {
    /// Whether a label competes with others.
    pub fn competes(&self, label: &str) -> bool {
        self.bounds.iter().all(|bound| bound != label)
    }
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
