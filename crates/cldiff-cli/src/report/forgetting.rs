//! Forgetting along the timesteps: F_{k,j}(t) = L_t(theta_k; D_j) - L_t(theta_j; D_j), on identical images and noise.

use super::{drawing::Figure, heat_map::HeatMap, palette};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CellResult, ChangeResult, Results, TimestepResult},
};

/// A loss along the timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Mean squared error of the noise.
    Denoising,
    /// Share of the variational bound.
    Vlb,
}

impl Loss {
    fn of(self, timestep: &TimestepResult) -> &Vec<Vec<Vec<f64>>> {
        match self {
            Self::Denoising => &timestep.denoising_loss,
            Self::Vlb => &timestep.vlb,
        }
    }
}

/// The loss on task j in a bin right after task j and after the last task, averaged over seeds.
fn before_and_after(cells: &[&CellResult], loss: Loss, j: usize, bin: usize) -> Option<(f64, f64)> {
    let at = |k: Option<usize>| {
        mean(cells.iter().map(|cell| {
            let of = loss.of(&cell.timestep);
            let loss = of.get(k.unwrap_or(of.len().checked_sub(1)?))?.get(j)?.get(bin)?;
            // That of a cell that diverged is a gap.
            loss.is_finite().then_some(*loss)
        }))
    };
    Some((at(Some(j))?, at(None)?))
}

/// Forgetting in one bin at the end of the stream, averaged over the tasks before the last and over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CurvePoint {
    /// The bin.
    pub bin: usize,
    /// The bin's first timestep.
    pub from: usize,
    /// Its middle.
    pub t: f64,
    /// The log of the signal-to-noise ratio there; none in results of older versions.
    pub log_snr: Option<f64>,
    /// The change of the loss.
    pub absolute: f64,
    /// Its standard error over images; none where it is not known.
    pub error: Option<f64>,
    /// The change as a part of the loss before; none where that is 0 on a task.
    pub relative: Option<f64>,
    /// Its standard error over images.
    pub relative_error: Option<f64>,
}

/// 95 % of a normal distribution are within so many standard deviations.
pub(super) const MARGIN: f64 = 1.96;

impl CurvePoint {
    /// Half the 95 % interval over images of this bin by itself; 0 where it is not known.
    pub(super) fn margin(&self) -> f64 {
        MARGIN * self.error.unwrap_or(0.0)
    }

    /// The same of the relative change.
    pub(super) fn relative_margin(&self) -> f64 {
        MARGIN * self.relative_error.unwrap_or(0.0)
    }
}

/// F(t) at the end of the stream, bin by bin; empty for a single task.
pub(super) fn curve(results: &Results, cells: &[&CellResult], loss: Loss) -> Vec<CurvePoint> {
    let edges = cells.first().map_or(&[][..], |cell| &cell.timestep.edges);
    let log_snr = cells.first().map_or(&[][..], |cell| &cell.timestep.log_snr);
    let old = results.stream.tasks.len().saturating_sub(1);
    let point = |bin: usize| {
        let error = |of: fn(&ChangeResult) -> &Vec<Option<f64>>| {
            mean(cells.iter().map(|cell| {
                error_over_tasks(last_changes(cell, loss)?, |c| of(c).get(bin).copied().flatten())
            }))
        };
        let change = |j: usize| before_and_after(cells, loss, j, bin);
        let ratio = |(before, after): (f64, f64)| (before > 0.0).then(|| after / before - 1.0);
        Some(CurvePoint {
            bin,
            from: edges[bin],
            t: (edges[bin] + edges[bin + 1]) as f64 / 2.0,
            log_snr: log_snr
                .get(bin)
                .zip(log_snr.get(bin + 1))
                .map(|(a, b)| f64::midpoint(*a, *b))
                .filter(|middle| middle.is_finite()),
            absolute: mean((0..old).map(|j| change(j).map(|(before, after)| after - before)))?,
            error: error(|change| &change.absolute_error),
            relative: mean((0..old).map(|j| change(j).and_then(ratio))),
            relative_error: error(|change| &change.relative_error),
        })
    };
    (0..bins(results)).filter_map(point).collect()
}

/// The standard error of the mean over old tasks, whose images are drawn independently. (Seeds share their images, so
/// that errors are averaged over them and not divided.)
fn error_over_tasks(changes: &[ChangeResult], of: impl Fn(&ChangeResult) -> Option<f64>) -> Option<f64> {
    let squares: Vec<f64> = changes.iter().map(|c| of(c).map(|e| e * e)).collect::<Option<_>>()?;
    (!squares.is_empty()).then(|| squares.iter().sum::<f64>().sqrt() / squares.len() as f64)
}

/// The changes on each old task after the last; none in results of older versions.
pub(super) fn last_changes(cell: &CellResult, loss: Loss) -> Option<&Vec<ChangeResult>> {
    let name = match loss {
        Loss::Denoising => "denoising_loss",
        Loss::Vlb => "vlb",
    };
    cell.timestep.forgetting.get(name)?.last()
}

/// A number over all old tasks and seeds, and its standard error over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub value: f64,
    pub error: Option<f64>,
}

impl Estimate {
    /// The 95 % interval over images; none where the error is not known.
    pub(super) fn interval(&self) -> Option<(f64, f64)> {
        self.error.map(|error| (self.value - MARGIN * error, self.value + MARGIN * error))
    }
}

fn over_tasks_and_seeds(
    cells: &[&CellResult],
    loss: Loss,
    value: impl Fn(&ChangeResult) -> Option<f64>,
    error: impl Fn(&ChangeResult) -> Option<f64>,
) -> Option<Estimate> {
    let of_cell = |cell: &&CellResult| mean(last_changes(cell, loss)?.iter().map(&value));
    let error = mean(cells.iter().map(|cell| error_over_tasks(last_changes(cell, loss)?, &error)));
    Some(Estimate { value: mean(cells.iter().map(of_cell))?, error })
}

/// The change over all timesteps, averaged over all old tasks and seeds.
pub(super) fn total(cells: &[&CellResult], loss: Loss) -> Option<Estimate> {
    over_tasks_and_seeds(cells, loss, |c| c.total, |c| c.total_error)
}

/// The change over the timesteps with more signal than noise, averaged over all old tasks and seeds. Results of older
/// versions have it where every task's change was told from 0.
pub(super) fn clear(cells: &[&CellResult], loss: Loss) -> Option<Estimate> {
    let value = |c: &ChangeResult| c.clear.or_else(|| Some(c.clear_share? * c.total?));
    over_tasks_and_seeds(cells, loss, value, |c| c.clear_error)
}

/// F(t) at the end of the stream as a share of the loss right after learning, on task j.
pub(super) fn relative(cells: &[&CellResult], j: usize, bin: usize) -> Option<f64> {
    before_and_after(cells, Loss::Denoising, j, bin)
        .filter(|(before, _)| *before > 0.0)
        .map(|(before, after)| after / before - 1.0)
}

/// The number of bins.
pub(super) fn bins(results: &Results) -> usize {
    results.cells.first().map_or(0, |cell| cell.timestep.edges.len().saturating_sub(1))
}

/// The bin's timesteps, as in "0–99".
pub(super) fn bin_name(results: &Results, bin: usize) -> String {
    results.cells.first().map_or_else(String::new, |cell| {
        let edges = &cell.timestep.edges;
        format!("{}–{}", edges[bin], edges[bin + 1] - 1)
    })
}

/// Relative forgetting of one strategy: rows old tasks, columns bins; the scale is shared by all strategies.
pub(super) fn map(results: &Results, cells: &[&CellResult]) -> Figure {
    let (old, bins) = (results.stream.tasks.len().saturating_sub(1), bins(results));
    let values = |cells: &[&CellResult]| -> Vec<Vec<Option<f64>>> {
        (0..old).map(|j| (0..bins).map(|bin| relative(cells, j, bin)).collect()).collect()
    };
    let all = strategies(results);
    let extreme = all
        .iter()
        .flat_map(|(_, cells)| values(cells).into_iter().flatten().flatten())
        .fold(1e-9, |most: f64, v| most.max(v.abs()));
    // A signed root: small changes stay visible beside large ones.
    let colour = |v: f64| palette::diverging(v.signum() * (v.abs() / extreme).sqrt());
    let edges = &cells[0].timestep.edges;
    let map = HeatMap {
        title: format!("forgetting along the timesteps under {}", cells[0].label),
        column_labels: (0..bins).map(|bin| edges[bin].to_string()).collect(),
        row_labels: (1..=old).map(|j| format!("task {j}")).collect(),
        axes: ("change of the denoising loss, %, by first timestep of the bin", ""),
        values: values(cells),
        notes: Vec::new(),
        colour: &colour,
        format: &|v| format!("{:+.0}", 100.0 * v),
        cell: (50, 26),
    };
    let about = "Relative to the loss right after the task was learned, on the same images and noise. One colour scale for all \
                 strategies.";
    Figure { notes: vec![about.into()], ..map.draw() }
}
