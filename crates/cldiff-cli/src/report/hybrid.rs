//! Hybrid sampling, a small chart a strategy: FID on an old task against where the trajectory is cut.

use super::{
    charts::deviation,
    drawing::Figure,
    lines::{Axis, Line},
    looks::{Look, Marker, looks},
    palette,
    scale::Kind,
    small_multiples,
};
use crate::{
    quantities::cells::{entry, is_bound, spread, strategies},
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

/// The two lines: the model that has the noisy part, and what they are called.
const LINES: [(Above, &str); 2] = [
    (Above::Old, "old model at t ≥ threshold, new below"),
    (Above::New, "new model at t ≥ threshold, old below"),
];

/// The look of the i-th of the lines.
fn look(i: usize) -> Look {
    let paint = palette::PAIR[i].into();
    Look { label: LINES[i].1.into(), paint, marker: Some(Marker::new(i)), dash: &[] }
}

/// The colours and markers of the two lines, with what they are.
pub(super) fn legend() -> Vec<(String, &'static str, &'static str)> {
    [0, 1].map(|i| (palette::PAIR[i].to_string(), Marker::new(i).sign(), LINES[i].1)).into()
}

/// The charts of a task. All strategies share both scales; the floor and the bounds at their end are levels.
pub(super) fn draw(results: &Results, task: usize) -> Figure {
    let all = strategies(results);
    let with = all.iter().filter(|(_, cells)| !thresholds(cells, task).is_empty());
    let charts: Vec<(&str, Vec<Line>)> =
        with.map(|(label, cells)| (label.as_str(), lines(cells, task))).collect();
    let behind = levels(results, task);
    let x = Axis { name: "threshold (timestep)", kind: Kind::Linear };
    let y = Axis { name: "FID (log)", kind: Kind::Log };
    let several = all.iter().any(|(_, cells)| cells.len() > 1);
    let keys = [0, 1].map(look).iter().chain(behind.iter().map(|line| &line.look)).map(Look::key).collect();
    Figure {
        title: format!("Hybrid sampling of task {}", task + 1),
        notes: several
            .then(|| "Bars: ± sd over seeds. Bands: 95 % interval of the mean over seeds.".to_owned())
            .into_iter()
            .collect(),
        keys,
        ..small_multiples::of_lines(x, y, &charts, &behind)
    }
}

/// FID on the task of the bounds at the end of the stream, and the floor.
fn levels(results: &Results, task: usize) -> Vec<Line> {
    let last = results.stream.tasks.len().saturating_sub(1);
    let bounds = strategies(results).into_iter().zip(looks(results)).filter_map(|((_, cells), look)| {
        let end = entry(&cells, "fid", last, task).filter(|_| is_bound(&cells))?;
        Some(Line::level(look, end))
    });
    let floor = results.floor.get("fid").and_then(|of_tasks| of_tasks.get(task).copied().flatten());
    bounds.chain(floor.map(|floor| Line::level(Look::floor(), floor))).collect()
}

fn lines(cells: &[&CellResult], task: usize) -> Vec<Line> {
    let thresholds = thresholds(cells, task);
    let line = |(i, (above, _)): (usize, (Above, &str))| {
        let mut line = Line::new(look(i), Vec::new());
        for (at, &t) in thresholds.iter().enumerate() {
            let of = || values(cells, task, above, at).into_iter().map(|(_, value)| value);
            let Some(over_seeds) = spread(of()) else { continue };
            let (x, mean) = (t as f64, over_seeds.mean);
            line.points.push((x, mean));
            line.band.extend(over_seeds.interval().map(|i| (x, i.low, i.high)));
            line.bars.extend(deviation(cells, of(), || None).map(|half| (x, mean - half, mean + half)));
        }
        line
    };
    LINES.into_iter().enumerate().map(line).collect()
}
