//! The columns of the tables for the eye: the quantities that declare one. One quality is primary; forgetting has
//! plasticity beside it.

use std::{collections::BTreeMap, sync::Arc};

use cl_metrics::{
    sample::SampleMetric,
    summary::{BySeed, Direction, OverSeeds, over_seeds},
};
use cl_strategies::ReferenceKind;
use cldiff_engine::{COSTS, Shown};

use super::{
    cells::mean,
    direction,
    losses::MATRIX_LOSSES,
    references::{COMPARISONS, shown_for},
    summaries::{SUMMARIES, Summary},
};
use crate::{
    results::{CellResult, Results},
    ui::number::fixed,
};

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
    /// Whether it is the quality that a comparison of strategies is about; the others are exploratory.
    pub primary: bool,
    /// For a column that a strategy which never learned would win: the key of the column that shows how well it learned.
    pub beside: Option<String>,
    decimals: usize,
    value: Value,
}

/// Where the value of a cell comes from.
#[derive(Debug, Clone)]
enum Value {
    /// The summary of the column's key.
    Summary,
    /// A cost, in so many units.
    Cost { name: &'static str, per: f64 },
    /// [`state_bytes`] in kB.
    State,
    /// Numbers by label and seed.
    Found(Arc<BTreeMap<(String, u64), f64>>),
}

impl Column {
    /// The value of one cell.
    pub fn of(&self, cell: &CellResult) -> Option<f64> {
        let value = match &self.value {
            Value::Summary => cell.summary.get(&self.key).copied().flatten(),
            Value::Cost { name, per } => cell.cost.get(name).map(|value| value / per),
            Value::State => Some(state_bytes(cell) / 1e3),
            Value::Found(numbers) => numbers.get(&(cell.label.clone(), cell.seed)).copied(),
        };
        value.filter(|v| v.is_finite())
    }

    /// The mean over the cells of a strategy (its seeds); none if one of them has no value.
    pub fn mean(&self, cells: &[&CellResult]) -> Option<f64> {
        mean(cells.iter().map(|cell| self.of(cell)))
    }

    /// The values of a strategy's seeds; nothing if one of them has no value: the seeds that are left are no sample of
    /// all.
    pub fn by_seed(&self, cells: &[&CellResult]) -> BySeed {
        cells.iter().map(|cell| Some((cell.seed, self.of(cell)?))).collect::<Option<_>>().unwrap_or_default()
    }

    /// The values of a strategy's seeds together; none if one of them has no value.
    pub fn over_seeds(&self, cells: &[&CellResult]) -> Option<OverSeeds> {
        over_seeds(self.by_seed(cells).into_values())
    }

    /// The standard error of a cell's value over samples or images, where the result has what it follows from: of the mean
    /// over tasks after the last, and of the value over all tasks. Samples of different tasks are independent.
    pub fn error_over_samples(&self, cell: &CellResult) -> Option<f64> {
        let (metric, summary) = self.key.split_once('.')?;
        match summary {
            "final_average" => {
                let errors: Vec<f64> =
                    cell.standard_errors.get(metric)?.last()?.iter().copied().collect::<Option<_>>()?;
                let squares: f64 = errors.iter().map(|error| error * error).sum();
                (!errors.is_empty()).then(|| squares.sqrt() / errors.len() as f64)
            }
            "pooled_final" => cell.pooled_standard_errors.get(metric)?.last().copied().flatten(),
            _ => None,
        }
    }

    /// Why a strategy has no value, seed by seed; none if it has one, or if no seed has one and no reason was kept.
    pub fn reason(&self, cells: &[&CellResult]) -> Option<String> {
        let is_summary = matches!(self.value, Value::Summary);
        let of_summary =
            |cell: &CellResult| cell.summary_missing.get(&self.key).filter(|_| is_summary).cloned();
        let kept = |cell: &CellResult| cell.failed.clone().or_else(|| of_summary(cell));
        if !is_summary && cells.iter().all(|cell| cell.failed.is_none()) {
            return None;
        }
        let lost: Vec<&CellResult> = cells.iter().copied().filter(|cell| self.of(cell).is_none()).collect();
        let some_have_it = lost.len() < cells.len();
        if lost.is_empty() || !(some_have_it || lost.iter().any(|cell| kept(cell).is_some())) {
            return None;
        }
        let told = lost.into_iter().map(|cell| {
            let reason = kept(cell).unwrap_or_else(|| "no reason was kept".to_owned());
            if cells.len() == 1 { reason } else { format!("seed {}: {reason}", cell.seed) }
        });
        Some(told.collect::<Vec<_>>().join("; "))
    }

    /// The mean as tables for the eye show it. Joint training learns no task after another: its forgetting, transfer and
    /// plasticity are numbers of a training curve, which stay in the files.
    pub fn shown(&self, cells: &[&CellResult]) -> Option<f64> {
        self.mean(cells).filter(|_| !self.is_of_no_turn(cells))
    }

    /// Why [`shown`](Self::shown) has no value, as [`reason`](Self::reason) says it.
    pub fn reason_of_dash(&self, cells: &[&CellResult]) -> Option<String> {
        let is_hidden = self.is_of_no_turn(cells) && self.mean(cells).is_some();
        if is_hidden { Some(FROM_THE_START.to_owned()) } else { self.reason(cells) }
    }

    /// Whether this is a summary of learning in turn, and the strategy training on all tasks from the start.
    fn is_of_no_turn(&self, cells: &[&CellResult]) -> bool {
        let is_summary = matches!(self.value, Value::Summary);
        let in_turn = self.key.split_once('.').is_some_and(|(_, name)| IN_TURN.contains(&name));
        is_summary && in_turn && cells.iter().any(|cell| cell.reference() == Some(ReferenceKind::Joint))
    }

    /// The same column under another heading.
    #[must_use]
    pub fn titled(self, title: &str) -> Self {
        Self { title: title.to_owned(), ..self }
    }

    /// The column of a summary by its name in the long table, which is its heading too.
    pub fn of_summary(results: &Results, key: &str) -> Option<Self> {
        let (metric, name) = key.split_once('.')?;
        let column = match (summary(name), COMPARISONS.iter().find(|comparison| comparison.name == name)) {
            (Some(summary), _) => {
                let ranks = summary.better.of(metric).is_some();
                Self { quality: ranks, ..quality(metric, summary, key.to_owned(), 0) }
            }
            (None, Some(comparison)) => Self {
                meaning: comparison.meaning.replace("METRIC", &shown_name(metric)),
                ..of_numbers(key, true, Direction::HigherIsBetter, Value::Summary)
            },
            // A summary of older versions.
            (None, None) => of_numbers(key, false, Direction::LowerIsBetter, Value::Summary),
        };
        Some(column.with_digits(results))
    }

    /// The column of numbers by label and seed, which nothing ranks.
    pub(super) fn of_found(results: &Results, name: &str, numbers: BTreeMap<(String, u64), f64>) -> Self {
        of_numbers(name, false, Direction::LowerIsBetter, Value::Found(Arc::new(numbers)))
            .with_digits(results)
    }

    /// With as many digits behind the point as show four digits of the largest value.
    fn with_digits(self, results: &Results) -> Self {
        let values: Vec<f64> = results.cells.iter().filter_map(|cell| self.of(cell)).collect();
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let is_whole = values.iter().all(|value| value.fract() == 0.0);
        let digits = if largest > 0.0 { (3.0 - largest.log10().floor()).clamp(0.0, 6.0) as usize } else { 3 };
        Self { decimals: if is_whole { 0 } else { digits }, ..self }
    }

    /// The direction that is better, as an arrow; empty for a cost.
    pub fn arrow(&self) -> &'static str {
        match (self.quality, self.direction) {
            (false, _) => "",
            (true, Direction::HigherIsBetter) => "↑",
            (true, Direction::LowerIsBetter) => "↓",
        }
    }

    /// A value as it is shown.
    pub fn format(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".into(), |v| fixed(v, self.decimals))
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

/// The quality that a comparison of strategies is about.
const PRIMARY: &str = "fid.final_average";

/// Summaries that a strategy which never learned would win, and the summary that shows how well it learned.
const FORGETS: [&str; 2] = ["forgetting", "backward_transfer"];
const LEARNS: &str = "plasticity";

/// Summaries of how tasks are learned one after another, and how they are kept.
const IN_TURN: [&str; 4] = ["forgetting", "backward_transfer", "forward_transfer", LEARNS];
/// Why tables show none of them for the reference of kind [`ReferenceKind::Joint`].
const FROM_THE_START: &str = "trained on all tasks from the start";

/// The columns of quality: metric by metric, what the summaries declare for them, and the comparison with the first
/// reference that there is; then the final average of each further metric that was asked for.
pub fn qualities(results: &Results) -> Vec<Column> {
    let declared = declared_metrics().into_iter();
    let declared = declared.flat_map(|metric| of_metric(metric).into_iter().chain(compared(results, metric)));
    let further = further_metrics(results).into_iter();
    let further =
        further.filter_map(|metric| Some(quality(&metric, summary("final_average")?, metric.clone(), 3)));
    declared.chain(further).collect()
}

fn summary(name: &str) -> Option<&'static Summary> {
    SUMMARIES.iter().find(|summary| summary.name == name)
}

/// The columns of a metric; plasticity stands right behind the last of forgetting.
fn of_metric(metric: &'static str) -> Vec<Column> {
    let mut columns: Vec<Column> = SUMMARIES
        .iter()
        .filter_map(|summary| {
            let (_, shown) = summary.shown.iter().find(|(shown, _)| *shown == metric)?;
            Some(quality(metric, summary, shown.heading.to_owned(), shown.decimals))
        })
        .collect();
    let Some(last) = columns.iter().rposition(|column| column.beside.is_some()) else { return columns };
    let key = columns[last].beside.clone();
    let declared = columns.iter().position(|column| Some(&column.key) == key.as_ref());
    let learned = match (declared, summary(LEARNS)) {
        (Some(at), _) => columns.remove(at),
        (None, Some(learns)) => {
            let heading = format!("{} learned", shown_name(metric));
            quality(metric, learns, heading, columns[last].decimals)
        }
        (None, None) => return columns,
    };
    let last = columns.iter().rposition(|column| column.beside.is_some()).unwrap_or(last);
    let note =
        format!("; read with \"{}\": a strategy that never learned has nothing to forget", learned.title);
    for column in columns.iter_mut().filter(|column| column.beside.is_some()) {
        column.meaning.push_str(&note);
    }
    columns.insert(last + 1, learned);
    columns
}

fn shown_name(metric: &str) -> String {
    if is_loss(metric) { metric.to_owned() } else { metric.to_uppercase() }
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
    let key = format!("{metric}.{}", summary.name);
    Column {
        primary: key == PRIMARY,
        key,
        title,
        meaning: summary.meaning.replace("METRIC", &shown_name(metric)),
        beside: FORGETS.contains(&summary.name).then(|| format!("{metric}.{LEARNS}")),
        quality: true,
        direction: summary.better.of(metric).unwrap_or(Direction::LowerIsBetter),
        decimals,
        value: Value::Summary,
    }
}

/// The column of a metric against a reference.
fn compared(results: &Results, metric: &str) -> Option<Column> {
    let (comparison, shown) = shown_for(results, metric)?;
    Some(Column {
        key: format!("{metric}.{}", comparison.name),
        title: shown.heading.to_owned(),
        meaning: comparison.meaning.replace("METRIC", &metric.to_uppercase()),
        quality: true,
        direction: Direction::HigherIsBetter,
        primary: false,
        beside: None,
        decimals: shown.decimals,
        value: Value::Summary,
    })
}

fn of_numbers(name: &str, quality: bool, direction: Direction, value: Value) -> Column {
    Column {
        key: name.to_owned(),
        title: name.to_owned(),
        meaning: String::new(),
        quality,
        direction,
        primary: false,
        beside: None,
        decimals: 0,
        value,
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
    Column { key, title, meaning, quality: false, direction, primary: false, beside: None, decimals, value }
}
