//! Forgetting along the timesteps: F_{k,j}(t) = L_t(theta_k; D_j) - L_t(theta_j; D_j), on identical images and noise.

use anyhow::Result;

use super::{heat_map::HeatMap, palette};
use crate::{
    quantities::cells::{mean, strategies},
    results::{CellResult, ChangeResult, Results, TimestepResult},
};

/// Which loss along the timesteps.
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
        mean(cells.iter().filter_map(|cell| {
            let of = loss.of(&cell.timestep);
            of.get(k.unwrap_or(of.len().checked_sub(1)?))?.get(j)?.get(bin).copied()
        }))
    };
    Some((at(Some(j))?, at(None)?))
}

/// Forgetting in one bin at the end of the stream, averaged over the tasks before the last and over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CurvePoint {
    /// The bin's first timestep.
    pub from: usize,
    /// Its middle.
    pub t: f64,
    /// The log of the signal-to-noise ratio there; none in results of older versions.
    pub log_snr: Option<f64>,
    /// The change of the loss.
    pub absolute: f64,
    /// 1.96 standard errors of it over images; 0 where they are not known.
    pub margin: f64,
    /// The change as a part of the loss before.
    pub relative: Option<f64>,
    /// 1.96 standard errors of it.
    pub relative_margin: f64,
}

/// 95 % of a normal distribution are within so many standard deviations.
pub(super) const MARGIN: f64 = 1.96;

/// F(t) at the end of the stream, bin by bin; empty for a single task.
pub(super) fn curve(results: &Results, cells: &[&CellResult], loss: Loss) -> Vec<CurvePoint> {
    let edges = cells.first().map_or(&[][..], |cell| &cell.timestep.edges);
    let log_snr = cells.first().map_or(&[][..], |cell| &cell.timestep.log_snr);
    let old = results.stream.tasks.len().saturating_sub(1);
    let point = |bin: usize| {
        let error = |of: fn(&ChangeResult) -> &Vec<Option<f64>>| {
            MARGIN
                * mean(cells.iter().filter_map(|cell| error_over_tasks(cell, loss, bin, of))).unwrap_or(0.0)
        };
        let change = |j: usize| before_and_after(cells, loss, j, bin);
        let ratio = |(before, after): (f64, f64)| (before > 0.0).then(|| after / before - 1.0);
        Some(CurvePoint {
            from: edges[bin],
            t: (edges[bin] + edges[bin + 1]) as f64 / 2.0,
            log_snr: log_snr.get(bin).zip(log_snr.get(bin + 1)).map(|(a, b)| f64::midpoint(*a, *b)),
            absolute: mean((0..old).filter_map(change).map(|(before, after)| after - before))?,
            margin: error(|change| &change.absolute_error),
            relative: mean((0..old).filter_map(change).filter_map(ratio)),
            relative_margin: error(|change| &change.relative_error),
        })
    };
    (0..bins(results)).filter_map(point).collect()
}

/// The standard error of the mean over old tasks, whose images are drawn independently. (Seeds share their images, so
/// that errors are averaged over them and not divided.)
fn error_over_tasks(
    cell: &CellResult,
    loss: Loss,
    bin: usize,
    of: fn(&ChangeResult) -> &Vec<Option<f64>>,
) -> Option<f64> {
    let changes = last_changes(cell, loss)?;
    let squares: Vec<f64> =
        changes.iter().map(|c| of(c).get(bin).copied().flatten().map(|e| e * e)).collect::<Option<_>>()?;
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

/// The change over all timesteps, averaged over old tasks and seeds, and 1.96 standard errors of it over images.
pub(super) fn total(cells: &[&CellResult], loss: Loss) -> Option<(f64, f64)> {
    let of_cell = |cell: &CellResult| -> Option<(f64, f64)> {
        let changes = last_changes(cell, loss)?;
        let totals: Vec<f64> = changes.iter().filter_map(|c| c.total).collect();
        let squares: f64 = changes.iter().filter_map(|c| c.total_error).map(|e| e * e).sum();
        Some((mean(totals.iter().copied())?, MARGIN * squares.sqrt() / totals.len() as f64))
    };
    let all: Vec<(f64, f64)> = cells.iter().filter_map(|cell| of_cell(cell)).collect();
    Some((mean(all.iter().map(|a| a.0))?, mean(all.iter().map(|a| a.1))?))
}

/// The part of the change that comes from timesteps with more signal than noise, over old tasks and seeds together; none
/// where the change cannot be told from 0.
pub(super) fn clear_part(cells: &[&CellResult], loss: Loss) -> Option<f64> {
    let (sum, margin) = total(cells, loss)?;
    let parts = cells.iter().filter_map(|cell| last_changes(cell, loss)).flatten();
    let parts: Vec<(f64, f64)> = parts.filter_map(|c| Some((c.total?, c.clear_share? * c.total?))).collect();
    let (whole, clear) = parts.iter().fold((0.0, 0.0), |(w, c), (total, part)| (w + total, c + part));
    (sum.abs() > margin && whole != 0.0).then(|| clear / whole)
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
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn map(results: &Results, cells: &[&CellResult]) -> Result<String> {
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
    HeatMap {
        title: format!("forgetting along the timesteps under {}", cells[0].label),
        column_labels: (0..bins).map(|bin| edges[bin].to_string()).collect(),
        row_labels: (1..=old).map(|j| format!("task {j}")).collect(),
        axes: ("change of the denoising loss, %, by first timestep of the bin", ""),
        values: values(cells),
        colour: &colour,
        format: &|v| format!("{:+.0}", 100.0 * v),
        cell: (50, 26),
    }
    .draw()
}
