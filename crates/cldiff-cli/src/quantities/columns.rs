//! The columns of the tables for the eye: the quantities that declare one.

use cl_metrics::{
    sample::SampleMetric,
    summary::{BySeed, Direction, OverSeeds, over_seeds},
};
use cldiff_engine::{COSTS, Shown};

use super::{
    cells::mean,
    direction,
    losses::MATRIX_LOSSES,
    summaries::{SUMMARIES, Summary},
};
use crate::results::{CellResult, Results};

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// The name in the summary of `results.json`; for a cost, in its `cost`.
    pub key: String,
    /// The heading.
    pub title: String,
    /// The meaning, in a sentence.
    pub meaning: String,
    /// Whether it is about quality (else about cost).
    pub quality: bool,
    /// The direction that is better.
    pub direction: Direction,
    decimals: usize,
    value: Value,
}

/// Where the value of a cell comes from.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// The summary of the column's key.
    Summary,
    /// A cost, in so many units.
    Cost { name: &'static str, per: f64 },
    /// [`state_bytes`] in kB.
    State,
}

impl Column {
    /// The value of one cell.
    pub fn of(&self, cell: &CellResult) -> Option<f64> {
        let value = match self.value {
            Value::Summary => cell.summary.get(&self.key).copied().flatten(),
            Value::Cost { name, per } => cell.cost.get(name).map(|value| value / per),
            Value::State => Some(state_bytes(cell) / 1e3),
        };
        value.filter(|v| v.is_finite())
    }

    /// The mean over the cells of a strategy (its seeds).
    pub fn mean(&self, cells: &[&CellResult]) -> Option<f64> {
        mean(cells.iter().filter_map(|cell| self.of(cell)))
    }

    /// The values of a strategy's seeds.
    pub fn by_seed(&self, cells: &[&CellResult]) -> BySeed {
        cells.iter().filter_map(|cell| Some((cell.seed, self.of(cell)?))).collect()
    }

    /// The values of a strategy's seeds together.
    pub fn over_seeds(&self, cells: &[&CellResult]) -> Option<OverSeeds> {
        over_seeds(self.by_seed(cells).into_values())
    }

    /// The best of some values.
    pub fn best(&self, values: impl IntoIterator<Item = f64>) -> Option<f64> {
        values.into_iter().reduce(|a, b| self.direction.best(a, b))
    }

    /// A value as it is shown.
    pub fn format(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |v| format!("{v:.*}", self.decimals))
    }
}

/// Bytes of one parameter, which is an f32.
const PARAMETER: f64 = 4.0;

/// Bytes that a strategy holds beside the model at the end: images, and numbers in the form of parameters.
pub fn state_bytes(cell: &CellResult) -> f64 {
    let cost = |name| cell.cost.get(name).unwrap_or(0.0);
    cost("buffer_bytes") + PARAMETER * cost("extra_parameters")
}

/// The columns for some results: quality first, then cost.
pub fn columns(results: &Results) -> Vec<Column> {
    qualities(results).into_iter().chain(costs()).collect()
}

/// The columns of quality: metric by metric, what the summaries declare for them; then the final average of each further
/// metric that was asked for.
pub fn qualities(results: &Results) -> Vec<Column> {
    let declared = declared_metrics().into_iter().flat_map(|metric| {
        SUMMARIES.iter().filter_map(move |summary| {
            let (_, shown) = summary.shown.iter().find(|(shown, _)| *shown == metric)?;
            Some(quality(metric, summary, shown.heading.to_owned(), shown.decimals))
        })
    });
    let at_the_end = SUMMARIES.iter().find(|summary| summary.name == "final_average");
    let further = further_metrics(results).into_iter();
    let further = further.filter_map(|metric| Some(quality(&metric, at_the_end?, metric.clone(), 3)));
    declared.chain(further).collect()
}

/// The metrics that the summaries declare columns for: sample metrics first, then losses.
fn declared_metrics() -> Vec<&'static str> {
    let mut metrics: Vec<&str> = Vec::new();
    for (metric, _) in SUMMARIES.iter().flat_map(|summary| summary.shown) {
        if !metrics.contains(metric) {
            metrics.push(metric);
        }
    }
    metrics.sort_by_key(|metric| is_loss(metric));
    metrics
}

/// Sample metrics with a matrix in any cell that the configuration had to name: neither declared above nor among the
/// defaults. So a metric of another crate has its column.
fn further_metrics(results: &Results) -> Vec<String> {
    let (declared, defaults) = (declared_metrics(), SampleMetric::defaults());
    let usual = |name: &String| {
        declared.contains(&name.as_str()) || defaults.iter().any(|metric| metric.name() == name)
    };
    let mut further: Vec<String> =
        results.cells.iter().flat_map(|cell| cell.matrices.keys().cloned()).collect();
    // A metric that ranks nothing has no best value to mark.
    further.retain(|name| !is_loss(name) && !usual(name) && direction(name).is_some());
    further.sort_unstable();
    further.dedup();
    further
}

fn is_loss(metric: &str) -> bool {
    MATRIX_LOSSES.iter().any(|loss| loss.name == metric)
}

fn quality(metric: &str, summary: &Summary, title: String, decimals: usize) -> Column {
    let name = if is_loss(metric) { metric.to_owned() } else { metric.to_uppercase() };
    Column {
        key: format!("{metric}.{}", summary.name),
        title,
        meaning: summary.meaning.replace("METRIC", &name),
        quality: true,
        direction: summary.better.of(metric).unwrap_or(Direction::LowerIsBetter),
        decimals,
        value: Value::Summary,
    }
}

fn costs() -> impl Iterator<Item = Column> {
    let declared = COSTS.iter().filter_map(|cost| {
        let Shown { heading, per, decimals } = cost.shown?;
        let value = Value::Cost { name: cost.name, per };
        Some(cost_column(cost.name, heading, cost.meaning, cost.direction, decimals, value))
    });
    declared.chain([cost_column(
        "state_bytes",
        "state kB",
        "bytes that the strategy holds beside the model at the end: stored images, teachers, importances, adapters, masks",
        Direction::LowerIsBetter,
        1,
        Value::State,
    )])
}

fn cost_column(
    key: &str,
    title: &str,
    meaning: &str,
    direction: Direction,
    decimals: usize,
    value: Value,
) -> Column {
    let (key, title, meaning) = (key.to_owned(), title.to_owned(), meaning.to_owned());
    Column { key, title, meaning, quality: false, direction, decimals, value }
}
