//! Charts with all strategies in one picture: quality over the stream, forgetting by timestep, quality against cost.

use cl_metrics::summary::OverSeeds;
use cl_strategies::ReferenceKind;

use super::{
    drawing::Figure,
    forgetting::{self, Loss},
    lines::{Axis, Line, chart},
    looks::{Look, looks},
    scale::Kind,
};
use crate::{
    quantities::{
        cells::{average_after, entry, entry_error, is_bound, mean, range, range_text, spread, strategies},
        columns::{Column, qualities, state_bytes},
    },
    results::{CellResult, Results},
};

/// The axis of the stream.
pub(super) const TASKS: Axis<'_> = Axis { name: "after task", kind: Kind::Count };

/// A metric after each task, of the samples or the images of some tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// Of the first task.
    First,
    /// The mean over the tasks seen: values of pooled samples have an N that grows with the stream.
    Seen,
}

impl On {
    /// The value after task k.
    pub(super) fn of(self, cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
        match self {
            Self::First => entry(cells, metric, k, 0),
            Self::Seen => average_after(cells, metric, k),
        }
    }

    /// Its standard error over samples or images, of one cell. The errors of different tasks are independent.
    fn error(self, cell: &CellResult, metric: &str, k: usize) -> Option<f64> {
        match self {
            Self::First => entry_error(&[cell], metric, k, 0),
            Self::Seen => {
                let squares = (0..=k).map(|j| entry_error(&[cell], metric, k, j).map(|error| error * error));
                mean(squares).map(|mean| (mean / (k + 1) as f64).sqrt())
            }
        }
    }

    /// The floor: training images in place of samples.
    pub(super) fn floor(self, results: &Results, metric: &str) -> Option<f64> {
        let of_tasks = results.floor.get(metric)?;
        match self {
            Self::First => of_tasks.first().copied().flatten(),
            Self::Seen => mean(of_tasks.iter().copied()),
        }
    }
}

/// FID on task 1, and the mean of FID over the tasks seen, after each task.
pub(super) fn fid_over_the_stream(results: &Results) -> Vec<Figure> {
    let figure = |title: &str, on: On| {
        let lines: Vec<Line> = lines_over_tasks(results, "fid", on)
            .into_iter()
            .map(|line| Line { band: Vec::new(), ..line })
            .chain(on.floor(results, "fid").map(|floor| Line::level(Look::floor(), floor)))
            .collect();
        let y = Axis { name: "FID (log)", kind: Kind::Log };
        chart(title, TASKS, y, &lines, notes([bars_note(results, "samples"), levels_note(results)]))
    };
    vec![figure("FID on task 1", On::First), figure("FID, mean over the tasks seen", On::Seen)]
}

/// Forgetting at the end of the stream by timestep, absolute: of the denoising loss and of the bound.
pub(super) fn forgetting_by_timestep(results: &Results) -> Vec<Figure> {
    let figure = |title: &str, name: &str, loss: Loss| {
        let lines: Vec<Line> = by_strategy(results, |look, cells| {
            let points = forgetting::curve(results, cells, loss);
            let bars = points.iter().filter_map(|p| {
                let of_cell = |cell: &&CellResult| {
                    let curve = forgetting::curve(results, &[*cell], loss);
                    curve.iter().find(|of| of.bin == p.bin).map(|of| of.absolute)
                };
                let half = deviation(cells, cells.iter().map(of_cell), || p.error)?;
                Some((p.t, p.absolute - half, p.absolute + half))
            });
            Line {
                bars: bars.collect(),
                ..Line::new(look, points.iter().map(|p| (p.t, p.absolute)).collect())
            }
        });
        let (x, y) = (Axis { name: "timestep t", kind: Kind::Linear }, Axis { name, kind: Kind::WithZero });
        chart(title, x, y, &lines, notes([bars_note(results, "images"), None]))
    };
    vec![
        figure("Forgetting of the denoising loss", "change of the squared error", Loss::Denoising),
        figure("Forgetting of the variational bound", "change, bits/dim in the bin", Loss::Vlb),
    ]
}

/// Final FID against passes through the network, and against what a strategy stores: a strategy a point, a bound and the
/// floor a line at its FID.
pub(super) fn quality_against_cost(results: &Results) -> Vec<Figure> {
    let fid = qualities(results).into_iter().next();
    let figure = |title: &str, x: Axis<'_>, cost: fn(&CellResult) -> Option<f64>| {
        let of = |look, cells: &[&CellResult]| of_cost(look, cells, fid.as_ref(), cost);
        let floor = On::Seen.floor(results, "fid").map(|floor| Line::level(Look::floor(), floor));
        let lines: Vec<Line> = by_strategy(results, of).into_iter().chain(floor).collect();
        let y = Axis { name: "final FID (log)", kind: Kind::Log };
        chart(title, x, y, &lines, notes([bars_note(results, "samples"), None]))
    };
    let passes = Axis { name: "passes of an image that the method takes, thousands (log)", kind: Kind::Log };
    // Some strategies store nothing.
    let memory = Axis { name: "stored images and parameters, kB", kind: Kind::Linear };
    vec![
        figure("Quality against computing", passes, |c| {
            c.cost.get("method_evaluations").map(|passes| passes / 1e3)
        }),
        figure("Quality against memory", memory, |c| Some(state_bytes(c) / 1e3)),
    ]
}

/// Bounds are levels: their cost is not what they are compared in.
fn of_cost(
    look: Look,
    cells: &[&CellResult],
    fid: Option<&Column>,
    cost: fn(&CellResult) -> Option<f64>,
) -> Line {
    let value = fid.and_then(|column| column.mean(cells));
    let (Some(column), Some(value)) = (fid, value) else { return Line::new(look, Vec::new()) };
    if is_bound(cells) {
        return Line::level(look, value);
    }
    let Some(cost) = mean(cells.iter().map(|cell| cost(cell))) else { return Line::new(look, Vec::new()) };
    let error = || cells.first().and_then(|cell| column.error_over_samples(cell));
    let half = deviation(cells, cells.iter().map(|cell| column.of(cell)), error);
    let bars = half.map(|half| (cost, value - half, value + half)).into_iter().collect();
    Line { bars, ..Line::new(look, vec![(cost, value)]) }
}

/// Half a bar: the standard deviation over seeds, and for a single seed the standard error over samples or images.
pub(super) fn deviation(
    cells: &[&CellResult],
    by_seed: impl Iterator<Item = Option<f64>>,
    error: impl FnOnce() -> Option<f64>,
) -> Option<f64> {
    if cells.len() > 1 { spread(by_seed)?.standard_deviation } else { error() }
}

/// The meaning of the bars, as [`deviation`] has them; none where no bar can be.
pub(super) fn bars_note(results: &Results, of: &str) -> Option<String> {
    let counts: Vec<usize> = strategies(results).iter().map(|(_, cells)| cells.len()).collect();
    let several = range(counts.iter().copied().filter(|n| *n > 1).map(Some));
    let seeds = several.map(|n| format!("± sd over {} seeds", range_text(n)));
    let single = counts.contains(&1).then(|| match several {
        Some(_) => format!("± se over {of} where there is one seed"),
        None => format!("± se over {of}, one seed"),
    });
    let all: Vec<String> = seeds.into_iter().chain(single).collect();
    (!all.is_empty()).then(|| format!("Bars: {}.", all.join("; ")))
}

/// The meaning of a level among the bounds.
pub(super) fn levels_note(results: &Results) -> Option<String> {
    let joint = |(_, cells): &(String, Vec<&CellResult>)| is_joint(cells);
    let any = strategies(results).iter().any(joint);
    any.then(|| "Training on all tasks from the start is shown at its end.".to_owned())
}

/// Whether a strategy is training on all tasks from the start, which is a reference at its end only.
pub(super) fn is_joint(cells: &[&CellResult]) -> bool {
    cells.first().is_some_and(|cell| is_bound(cells) && cell.reference() == Some(ReferenceKind::Joint))
}

/// The notes that there are.
pub(super) fn notes(all: [Option<String>; 2]) -> Vec<String> {
    let text = all.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if text.is_empty() { Vec::new() } else { vec![text] }
}

/// A line for each strategy, in its look.
pub(super) fn by_strategy(results: &Results, of: impl Fn(Look, &[&CellResult]) -> Line) -> Vec<Line> {
    strategies(results).iter().zip(looks(results)).map(|((_, cells), look)| of(look, cells)).collect()
}

/// A metric after each task, with bars, and with the 95 % interval over seeds as a band; a gap where a seed has no value.
/// Training on all tasks from the start is a level: its way to the end is no reference. Other bounds have no bars.
pub(super) fn lines_over_tasks(results: &Results, metric: &str, on: On) -> Vec<Line> {
    let tasks = results.stream.tasks.len();
    by_strategy(results, |look, cells| {
        if is_joint(cells) {
            let end = tasks.checked_sub(1).and_then(|last| on.of(cells, metric, last));
            return end.map_or(Line::new(look.clone(), Vec::new()), |end| Line::level(look, end));
        }
        let by_seed = |k: usize| cells.iter().map(move |cell| on.of(&[*cell], metric, k));
        let spreads: Vec<(f64, Option<OverSeeds>)> =
            (0..tasks).map(|k| ((k + 1) as f64, spread(by_seed(k)))).collect();
        let points = spreads.iter().map(|(x, s)| (*x, s.map_or(f64::NAN, |s| s.mean))).collect();
        if is_bound(cells) {
            return Line::new(look, points);
        }
        let band = spreads.iter().map(|(x, s)| {
            let interval = s.as_ref().and_then(OverSeeds::interval);
            interval.map_or((*x, f64::NAN, f64::NAN), |i| (*x, i.low, i.high))
        });
        let bars = spreads.iter().enumerate().filter_map(|(k, (x, s))| {
            let error = || cells.first().and_then(|cell| on.error(cell, metric, k));
            let half = deviation(cells, by_seed(k), error)?;
            s.map(|s| (*x, s.mean - half, s.mean + half))
        });
        Line { band: band.collect(), bars: bars.collect(), ..Line::new(look, points) }
    })
}
