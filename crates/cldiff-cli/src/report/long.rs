//! Every number of the results as a row of one long table, which `results.csv` and `results.parquet` hold.
//!
//! Tasks and bins are counted from 0, as in `results.json`. What was not measured has no row. docs/results.md says which
//! metrics there are.

use super::{
    columns::Column,
    statistics::{pairs, standings},
};
use crate::results::{CellResult, ChangeResult, CostResult, Results};

/// A number with all that says what it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// The run's name; empty for what is computed over the cells of all runs.
    pub run: String,
    /// What the strategy is called.
    pub label: Option<String>,
    /// The terms of the strategy.
    pub strategy: Option<String>,
    /// The seed; none over seeds.
    pub seed: Option<u64>,
    /// What was measured.
    pub metric: String,
    /// `value`, `standard_error`, `mean`, `standard_deviation`, `low`, `high`, `n` or `rank`.
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
    /// The strategy that is subtracted in a paired difference.
    pub other: Option<String>,
    /// The number.
    pub value: f64,
}

/// The rows of the cells of each run, and of what all of them together say over seeds.
pub fn rows(runs: &[&Results], merged: &Results) -> Vec<Row> {
    let mut table = Table::default();
    for run in runs {
        table.base = Row { run: run.name.clone(), statistic: "value", ..Row::default() };
        table.floor(run);
        run.cells.iter().for_each(|cell| table.cell(cell));
    }
    table.over_seeds(merged);
    table.rows
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    /// What the rows to come have in common.
    base: Row,
}

impl Table {
    fn push(&mut self, metric: &str, value: Option<f64>, place: impl FnOnce(&mut Row)) {
        let Some(value) = value.filter(|v| v.is_finite()) else { return };
        let mut row = Row { metric: metric.to_owned(), value, ..self.base.clone() };
        place(&mut row);
        self.rows.push(row);
    }

    fn floor(&mut self, results: &Results) {
        for (metric, values) in &results.floor {
            // Pooled floors belong to the tasks up to one, like the pooled metrics.
            let pooled = metric.ends_with("_pooled");
            for (task, value) in values.iter().enumerate() {
                self.push(&format!("floor.{metric}"), *value, |row| {
                    *(if pooled { &mut row.after_task } else { &mut row.on_task }) = Some(task);
                });
            }
        }
    }

    fn cell(&mut self, cell: &CellResult) {
        self.base.label = Some(cell.label.clone());
        self.base.strategy = Some(cell.strategy.clone());
        self.base.seed = Some(cell.seed);
        for (metric, matrix) in &cell.matrices {
            self.matrix(metric, "value", matrix);
        }
        for (metric, matrix) in &cell.standard_errors {
            self.matrix(metric, "standard_error", matrix);
        }
        for (metric, values) in &cell.pooled {
            for (k, value) in values.iter().enumerate() {
                self.push(&format!("{metric}.pooled"), *value, |row| row.after_task = Some(k));
            }
        }
        for (metric, values) in &cell.untrained {
            for (j, value) in values.iter().enumerate() {
                self.push(&format!("{metric}.untrained"), *value, |row| row.on_task = Some(j));
            }
        }
        for (name, value) in &cell.summary {
            self.push(name, *value, |_| ());
        }
        self.timestep(cell);
        self.views(cell);
        self.cost(&cell.cost);
    }

    fn matrix(&mut self, metric: &str, statistic: &'static str, matrix: &[Vec<Option<f64>>]) {
        for (k, row) in matrix.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                self.push(metric, *value, |row| {
                    (row.statistic, row.after_task, row.on_task) = (statistic, Some(k), Some(j));
                });
            }
        }
    }

    /// A value for each bin on task j after task k.
    fn bins(
        &mut self,
        metric: &str,
        statistic: &'static str,
        (k, j): (usize, usize),
        edges: &[usize],
        values: impl IntoIterator<Item = Option<f64>>,
    ) {
        for (bin, value) in values.into_iter().enumerate() {
            self.push(metric, value, |row| {
                (row.statistic, row.after_task, row.on_task) = (statistic, Some(k), Some(j));
                (row.bin, row.t_low, row.t_high) =
                    (Some(bin), edges.get(bin).copied(), edges.get(bin + 1).copied());
            });
        }
    }

    fn timestep(&mut self, cell: &CellResult) {
        let timestep = &cell.timestep;
        let edges = &timestep.edges;
        self.matrix("bpd.prior", "value", &timestep.prior);
        self.matrix("bpd.discretized", "value", &timestep.discretized);
        for (name, losses) in [("denoising_loss", &timestep.denoising_loss), ("vlb", &timestep.vlb)] {
            let metric = format!("timestep.{name}");
            for (k, j, bins) in entries(losses) {
                self.bins(&metric, "value", (k, j), edges, bins.iter().copied().map(Some));
            }
        }
        for (name, errors) in &timestep.standard_errors {
            for (k, j, bins) in entries(errors) {
                self.bins(&format!("timestep.{name}"), "standard_error", (k, j), edges, bins.iter().copied());
            }
        }
        for (name, changes) in &timestep.forgetting {
            for (k, j, change) in entries(changes) {
                self.change(&format!("timestep_forgetting.{name}"), (k, j), edges, change);
            }
        }
    }

    fn change(&mut self, metric: &str, at: (usize, usize), edges: &[usize], change: &ChangeResult) {
        let ChangeResult { absolute, absolute_error, relative, relative_error, .. } = change;
        let all: [(&str, &'static str, &[Option<f64>]); 4] = [
            ("absolute", "value", absolute),
            ("absolute", "standard_error", absolute_error),
            ("relative", "value", relative),
            ("relative", "standard_error", relative_error),
        ];
        for (name, statistic, values) in all {
            self.bins(&format!("{metric}.{name}"), statistic, at, edges, values.iter().copied());
        }
        let share = change.share.iter().flatten().copied().map(Some);
        self.bins(&format!("{metric}.share"), "value", at, edges, share);
        let single: [(&str, &'static str, Option<f64>); 3] = [
            ("total", "value", change.total),
            ("total", "standard_error", change.total_error),
            ("clear_share", "value", change.clear_share),
        ];
        for (name, statistic, value) in single {
            self.push(&format!("{metric}.{name}"), value, |row| {
                (row.statistic, row.after_task, row.on_task) = (statistic, Some(at.0), Some(at.1));
            });
        }
    }

    fn views(&mut self, cell: &CellResult) {
        let last = cell.timestep.prior.len().max(cell.timestep.vlb.len()).saturating_sub(1);
        for curve in &cell.hybrid_sampling {
            for (name, values) in [("old_above", &curve.old_above), ("new_above", &curve.new_above)] {
                for (threshold, value) in curve.thresholds.iter().zip(values) {
                    self.push(&format!("fid.hybrid.{name}"), *value, |row| {
                        (row.after_task, row.on_task) = (Some(last), Some(curve.task));
                        row.threshold = Some(*threshold);
                    });
                }
            }
        }
        let edges = &cell.timestep.edges;
        for (k, j, bins) in cell.gradient_cosine.iter().flat_map(|all| entries(all)) {
            self.bins("gradient_cosine", "value", (k, j), edges, bins.iter().copied());
        }
        if let Some(cka) = &cell.cka {
            for (k, j, blocks) in entries(&cka.values) {
                for (block, bins) in cka.blocks.iter().zip(blocks) {
                    let first = self.rows.len();
                    self.bins("cka", "value", (k, j), edges, bins.iter().copied());
                    self.rows[first..].iter_mut().for_each(|row| row.block = Some(block.clone()));
                }
            }
        }
    }

    fn cost(&mut self, cost: &CostResult) {
        let costs = [
            ("cost.train_seconds", Some(cost.train_seconds)),
            ("cost.sample_seconds", Some(cost.sample_seconds)),
            ("cost.evaluate_seconds", Some(cost.evaluate_seconds)),
            ("cost.images_per_second", Some(cost.images_per_second)),
            ("cost.denoiser_evaluations", Some(cost.denoiser_evaluations as f64)),
            ("cost.peak_memory_bytes", cost.peak_memory_bytes.map(|bytes| bytes as f64)),
            ("cost.buffer_bytes", Some(cost.buffer_bytes as f64)),
            ("cost.extra_parameters", Some(cost.extra_parameters as f64)),
        ];
        for (metric, value) in costs {
            self.push(metric, value, |_| ());
        }
    }

    fn over_seeds(&mut self, merged: &Results) {
        self.base = Row::default();
        for standing in standings(merged) {
            let rank = standing.rank.map(|rank| rank as f64);
            let label = standing.label.clone();
            self.spread(&standing.column, "", &standing.over_seeds, |row| row.label = Some(label.clone()));
            self.push(standing.column.key, rank, |row| {
                (row.statistic, row.label) = ("rank", Some(standing.label.clone()));
            });
        }
        for pair in pairs(merged) {
            let place = |row: &mut Row| {
                (row.label, row.other) = (Some(pair.a.clone()), Some(pair.b.clone()));
            };
            self.spread(&pair.column, ".difference", &pair.difference, place);
        }
    }

    fn spread(
        &mut self,
        column: &Column,
        suffix: &str,
        over_seeds: &cl_metrics::summary::OverSeeds,
        place: impl Fn(&mut Row),
    ) {
        let interval = over_seeds.interval;
        let statistics = [
            ("n", Some(over_seeds.n as f64)),
            ("mean", Some(over_seeds.mean)),
            ("standard_deviation", over_seeds.standard_deviation),
            ("low", interval.map(|i| i.low)),
            ("high", interval.map(|i| i.high)),
        ];
        for (statistic, value) in statistics {
            self.push(&format!("{}{suffix}", column.key), value, |row| {
                row.statistic = statistic;
                place(row);
            });
        }
    }
}

/// The entries of `[k][j]`.
fn entries<T>(all: &[Vec<T>]) -> impl Iterator<Item = (usize, usize, &T)> {
    all.iter().enumerate().flat_map(|(k, row)| row.iter().enumerate().map(move |(j, entry)| (k, j, entry)))
}
