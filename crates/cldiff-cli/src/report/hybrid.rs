//! Hybrid sampling, a chart a strategy: FID on an old task against where the trajectory is cut.

use anyhow::Result;

use super::{
    lines::{Axes, Line, draw_lines, range_of},
    palette,
    svg::figure,
};
use crate::{
    quantities::cells::{spread, strategies},
    results::{CellResult, HybridResult, Results},
};

/// The model that has the noisy part of the trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    /// The one right after the task.
    Old,
    /// The final one.
    New,
}

impl Above {
    fn of(self, curve: &HybridResult) -> &[Option<f64>] {
        match self {
            Self::Old => &curve.old_above,
            Self::New => &curve.new_above,
        }
    }
}

/// The tasks that were looked at, in any cell.
pub(super) fn tasks(results: &Results) -> Vec<usize> {
    let tasks = results.cells.iter().flat_map(|cell| cell.hybrid_sampling.iter().map(|curve| curve.task));
    tasks.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// The thresholds of a task's curve.
pub(super) fn thresholds(cells: &[&CellResult], task: usize) -> Vec<usize> {
    curve(cells.first().copied(), task).map_or_else(Vec::new, |curve| curve.thresholds.clone())
}

/// The values of the seeds at the i-th threshold, by seed; none for a seed without one.
pub(super) fn values(cells: &[&CellResult], task: usize, above: Above, i: usize) -> Vec<(u64, Option<f64>)> {
    let of = |cell: &CellResult| above.of(curve(Some(cell), task)?).get(i).copied().flatten();
    cells.iter().map(|cell| (cell.seed, of(cell))).collect()
}

fn curve(cell: Option<&CellResult>, task: usize) -> Option<&HybridResult> {
    cell?.hybrid_sampling.iter().find(|curve| curve.task == task)
}

/// The colours and markers of the two lines, with what they are.
pub(super) fn legend() -> Vec<(String, &'static str, &'static str)> {
    [(5, "old model at t ≥ threshold, new below"), (1, "new model at t ≥ threshold, old below")]
        .map(|(i, words)| {
            let (colour, marker) = palette::key(i);
            (colour, marker, words)
        })
        .into()
}

/// The chart of one strategy and task; all strategies share the scale.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn draw(results: &Results, cells: &[&CellResult], task: usize) -> Result<String> {
    let all: Vec<Line> = strategies(results).iter().flat_map(|(_, cells)| lines(cells, task)).collect();
    let title = format!("hybrid sampling of task {} under {}", task + 1, cells[0].label);
    let axes = Axes { title: "", x: "threshold (timestep)", y: "FID", tasks: false, zero: false };
    figure((380, 270), &title, |area| draw_lines(area, &axes, &lines(cells, task), range_of(&all, false)))
}

fn lines(cells: &[&CellResult], task: usize) -> Vec<Line> {
    let thresholds = thresholds(cells, task);
    [(Above::Old, 5), (Above::New, 1)]
        .into_iter()
        .map(|(above, i)| {
            let spreads: Vec<_> = thresholds
                .iter()
                .enumerate()
                .filter_map(|(at, &t)| {
                    Some((t as f64, spread(values(cells, task, above, at).into_iter().map(|v| v.1))?))
                })
                .collect();
            let band = spreads.iter().filter_map(|(x, s)| s.interval().map(|i| (*x, i.low, i.high)));
            Line {
                colour: palette::strategy(i),
                band: band.collect(),
                points: spreads.iter().map(|(x, s)| (*x, s.mean)).collect(),
                marker: i,
                is_bound: false,
            }
        })
        .collect()
}
