//! Every number of the results as a row of one long table, which `results.csv` and `results.parquet` hold.
//!
//! Tasks and bins are counted from 0, as in `results.json`. A metric that was not measured has no row; one that was
//! to be measured and has no value has a row with the reason, and so has each quantity of a cell that failed. [`quantities`](crate::quantities)
//! declares which metrics there are, and docs/results.md lists them.

use std::collections::BTreeSet;

use anyhow::Result;
use cl_metrics::summary::OverSeeds;

use super::statistics::{pairs, standings};
use crate::{
    quantities::{
        place::Index,
        walk::{Number, numbers},
    },
    results::{CellResult, FailedCell, Results},
};

/// A number with all that says what it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// The run's name; empty for what is computed over the cells of all runs.
    pub run: String,
    /// The label of the strategy.
    pub label: Option<String>,
    /// The terms of the strategy.
    pub strategy: Option<String>,
    /// The seed; none over seeds.
    pub seed: Option<u64>,
    /// The name of the quantity.
    pub metric: String,
    /// `value`, `standard_error`, `mean`, `standard_deviation`, `low`, `high`, `n`, `rank` or `p_holm`.
    pub statistic: &'static str,
    /// After which task.
    pub after_task: Option<usize>,
    /// On which task.
    pub on_task: Option<usize>,
    /// In which bin of timesteps.
    pub bin: Option<usize>,
    /// The bin's first timestep.
    pub t_low: Option<usize>,
    /// One more than its last.
    pub t_high: Option<usize>,
    /// Where a hybrid trajectory is cut.
    pub threshold: Option<usize>,
    /// The block of the network.
    pub block: Option<String>,
    /// The class.
    pub class: Option<usize>,
    /// The class that is seen in samples of the class.
    pub seen_class: Option<usize>,
    /// After which step of the experience `after_task`.
    pub step: Option<usize>,
    /// The strategy that is subtracted in a paired difference.
    pub other: Option<String>,
    /// The number; none where there is none and `reason` says why.
    pub value: Option<f64>,
    /// Why there is no number.
    pub reason: Option<String>,
}

/// The rows of the cells of each run, and of what all of them together say over seeds.
///
/// # Errors
/// If the results cannot be written as JSON.
pub fn rows(runs: &[&Results], merged: &Results) -> Result<Vec<Row>> {
    let mut table = Table::default();
    for run in runs {
        let found = numbers(run)?;
        if !found.undeclared.is_empty() {
            tracing::warn!("numbers of \"{}\" that no row has: {}", run.name, found.undeclared.join(", "));
        }
        let lost: Vec<Row> = run.failed.iter().flat_map(|failed| lost(run, failed, &found.values)).collect();
        table.rows.extend(found.values.into_iter().map(|number| row(run, number)));
        table.rows.extend(run.cells.iter().flat_map(|cell| missing(run, cell)));
        table.rows.extend(lost);
    }
    table.over_seeds(merged);
    Ok(table.rows)
}

/// The row of a number: the indices of its place say of what it is.
fn row(run: &Results, number: Number) -> Row {
    let at = |index| number.index(index);
    let cell = at(Index::Cell).and_then(|i| run.cells.get(i));
    let mut row = Row {
        run: run.name.clone(),
        label: cell.map(|cell| cell.label.clone()),
        strategy: cell.map(|cell| cell.strategy.clone()),
        seed: cell.map(|cell| cell.seed),
        metric: number.name.clone(),
        statistic: number.statistic,
        after_task: at(Index::AfterTask),
        on_task: at(Index::OnTask),
        bin: at(Index::Bin),
        class: at(Index::Class),
        seen_class: at(Index::Seen),
        value: Some(number.value),
        ..Row::default()
    };
    if let Some(cell) = cell {
        in_cell(&mut row, cell, &number);
    }
    row
}

/// The rows of a cell that failed: one without a number for each quantity that whole cells of the run have, so that nobody
/// takes the other seeds for all.
fn lost<'a>(run: &'a Results, failed: &'a FailedCell, found: &'a [Number]) -> impl Iterator<Item = Row> + 'a {
    let is_whole = |number: &&Number| {
        number.statistic == "value" && matches!(number.indices.as_slice(), [(Index::Cell, _)])
    };
    let names: BTreeSet<&String> = found.iter().filter(is_whole).map(|number| &number.name).collect();
    names.into_iter().map(|name| Row {
        run: run.name.clone(),
        label: Some(failed.label.clone()),
        strategy: Some(failed.strategy.clone()),
        seed: Some(failed.seed),
        metric: name.clone(),
        statistic: "value",
        reason: failed.as_result().failed.clone(),
        ..Row::default()
    })
}

/// The rows of a cell's entries and summaries that have a reason instead of a value.
fn missing<'a>(run: &'a Results, cell: &'a CellResult) -> impl Iterator<Item = Row> + 'a {
    let row = |metric: String, reason: &str| Row {
        run: run.name.clone(),
        label: Some(cell.label.clone()),
        strategy: Some(cell.strategy.clone()),
        seed: Some(cell.seed),
        metric,
        statistic: "value",
        reason: Some(reason.to_owned()),
        ..Row::default()
    };
    let entries = cell.missing.iter().map(move |missing| {
        let pooled = if missing.on_task.is_none() { ".pooled" } else { "" };
        Row {
            after_task: Some(missing.after_task),
            on_task: missing.on_task,
            ..row(format!("{}{pooled}", missing.metric), &missing.reason)
        }
    });
    let is_null = |key: &String| !matches!(cell.summary.get(key), Some(Some(_)));
    let summaries = cell.summary_missing.iter().filter(move |(key, _)| is_null(key));
    entries.chain(summaries.map(move |(key, reason)| row(key.clone(), reason)))
}

/// Fills in the columns beside a cell's number: timesteps, the block, the task and the threshold of a hybrid trajectory.
fn in_cell(row: &mut Row, cell: &CellResult, number: &Number) {
    let edge = |i: usize| cell.timestep.edges.get(i).copied();
    if let Some(bin) = number.index(Index::Bin) {
        (row.t_low, row.t_high) = (edge(bin), edge(bin + 1));
    }
    if let Some(i) = number.index(Index::Edge) {
        row.t_low = edge(i);
    }
    if let (Some(i), Some(cka)) = (number.index(Index::Block), &cell.cka) {
        row.block = cka.blocks.get(i).cloned();
    }
    if let (Some(k), Some(point), Some(within)) =
        (row.after_task, number.index(Index::Point), &cell.readings.within)
    {
        row.step = within.steps.get(k).and_then(|steps| steps.get(point).copied());
    }
    if let Some(curve) = number.index(Index::Curve).and_then(|i| cell.hybrid_sampling.get(i)) {
        let tasks = cell.timestep.prior.len().max(cell.timestep.vlb.len());
        (row.after_task, row.on_task) = (Some(tasks.saturating_sub(1)), Some(curve.task));
        let threshold = number.index(Index::Threshold);
        row.threshold = threshold.and_then(|i| curve.thresholds.get(i).copied());
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn push(&mut self, metric: &str, value: Option<f64>, place: impl FnOnce(&mut Row)) {
        let Some(value) = value.filter(|v| v.is_finite()) else { return };
        let mut row = Row { metric: metric.to_owned(), value: Some(value), ..Row::default() };
        place(&mut row);
        self.rows.push(row);
    }

    fn over_seeds(&mut self, merged: &Results) {
        for standing in standings(merged) {
            let (key, label) = (&standing.column.key, &standing.label);
            match &standing.over_seeds {
                Some(over_seeds) => self.spread(key, over_seeds, |row| row.label = Some(label.clone())),
                None => self.rows.push(Row {
                    metric: key.clone(),
                    statistic: "mean",
                    label: Some(label.clone()),
                    reason: standing.reason.clone(),
                    ..Row::default()
                }),
            }
            self.push(key, standing.rank.map(|rank| rank as f64), |row| {
                (row.statistic, row.label) = ("rank", Some(label.clone()));
            });
        }
        for pair in pairs(merged) {
            let place = |row: &mut Row| {
                (row.label, row.other) = (Some(pair.a.clone()), Some(pair.b.clone()));
            };
            let key = format!("{}.difference", pair.column.key);
            self.spread(&key, &pair.difference, place);
            self.push(&key, pair.adjusted_p, |row| {
                row.statistic = "p_holm";
                place(row);
            });
        }
    }

    fn spread(&mut self, metric: &str, over_seeds: &OverSeeds, place: impl Fn(&mut Row)) {
        let interval = over_seeds.interval();
        let statistics = [
            ("n", Some(over_seeds.n as f64)),
            ("mean", Some(over_seeds.mean)),
            ("standard_deviation", over_seeds.standard_deviation),
            ("low", interval.map(|i| i.low)),
            ("high", interval.map(|i| i.high)),
        ];
        for (statistic, value) in statistics {
            self.push(metric, value, |row| {
                row.statistic = statistic;
                place(row);
            });
        }
    }
}
