//! `evidence/NAME/tables.toml`: where the results come from, and which tables are made of them.

use serde::Deserialize;

/// An experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The command that made the results.
    pub command: String,
    /// The machine that it ran on.
    pub machine: String,
    /// The commit of the program.
    pub commit: String,
    /// The day it ended.
    pub date: String,
    /// Strategies that bound the others and compete with none.
    #[serde(default)]
    pub bounds: Vec<String>,
    /// The tables.
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
}

/// A table in a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name in the document's marks.
    pub name: String,
    /// The document, from the root of the repository.
    pub into: String,
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

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
