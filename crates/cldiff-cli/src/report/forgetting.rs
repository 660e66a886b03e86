//! Forgetting along the timesteps: F_{k,j}(t) = L_t(theta_k; D_j) - L_t(theta_j; D_j), on identical images and noise.

use anyhow::Result;

use super::{
    heat_map::HeatMap,
    numbers::{mean, strategies},
    palette,
};
use crate::results::{CellResult, Results, TimestepResult};

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

/// F(t) at the end of the stream, absolute, averaged over the tasks before the last.
pub(super) fn absolute(results: &Results, cells: &[&CellResult], loss: Loss, bin: usize) -> Option<f64> {
    let old = 0..results.stream.tasks.len().saturating_sub(1);
    mean(old.filter_map(|j| before_and_after(cells, loss, j, bin)).map(|(before, after)| after - before))
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
