//! Charts with all strategies in one picture: quality over the stream, forgetting by timestep, quality against cost.

use anyhow::Result;
use cl_metrics::summary::OverSeeds;

use super::{
    forgetting::{self, Loss},
    lines::{Axes, Line, chart},
    palette,
};
use crate::{
    quantities::{
        cells::{average_after, entry, is_bound, mean, spread, strategies},
        columns::{qualities, state_bytes},
    },
    results::{CellResult, Results},
};

const SIZE: (u32, u32) = (588, 330);

/// FID on task 1, and the mean of FID over the tasks seen, after each task; with the interval over seeds, where there is
/// one. (FID of the pooled samples of all tasks seen has an N that grows with the stream.)
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn fid_over_the_stream(results: &Results) -> Result<Vec<String>> {
    let axes = |title| Axes { title, x: "after task", y: "FID", tasks: true, zero: false };
    let first = lines_over_tasks(results, &|cells, k| entry(cells, "fid", k, 0));
    let seen = lines_over_tasks(results, &|cells, k| average_after(cells, "fid", k));
    Ok(vec![
        chart(SIZE, &axes("FID on task 1"), &first)?,
        chart(SIZE, &axes("FID, mean over the tasks seen"), &seen)?,
    ])
}

/// Forgetting at the end of the stream by timestep, absolute: of the denoising loss and of the bound.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn forgetting_by_timestep(results: &Results) -> Result<Vec<String>> {
    let lines = |loss: Loss| -> Vec<Line> {
        by_strategy(results, |cells| {
            let points = forgetting::curve(results, cells, loss);
            (points.iter().map(|p| (p.t, p.absolute)).collect(), Vec::new())
        })
    };
    let axes = |title, y| Axes { title, x: "timestep t", y, tasks: false, zero: true };
    Ok(vec![
        chart(
            SIZE,
            &axes("Forgetting of the denoising loss", "change of the squared error"),
            &lines(Loss::Denoising),
        )?,
        chart(
            SIZE,
            &axes("Forgetting of the variational bound", "change, bits/dim in the bin"),
            &lines(Loss::Vlb),
        )?,
    ])
}

/// Final FID against passes through the network, and against what a strategy stores: a strategy a point, a bound a
/// line at its FID.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn quality_against_cost(results: &Results) -> Result<Vec<String>> {
    let fid = qualities(results).into_iter().next();
    let points = |cost: fn(&CellResult) -> Option<f64>| -> Vec<Line> {
        let all = by_strategy(results, |cells| {
            let fid = fid.as_ref().and_then(|column| column.mean(cells));
            let cost = mean(cells.iter().map(|cell| cost(cell)));
            (cost.zip(fid).into_iter().collect(), Vec::new())
        });
        across(all)
    };
    let axes = |title, x| Axes { title, x, y: "final FID", tasks: false, zero: false };
    Ok(vec![
        chart(
            SIZE,
            &axes("Quality against computing", "passes of an image through the network, ×10³"),
            &points(|c| c.cost.get("denoiser_evaluations").map(|passes| passes / 1e3)),
        )?,
        chart(
            SIZE,
            &axes("Quality against memory", "stored images and parameters, kB"),
            &points(|c| Some(state_bytes(c) / 1e3)),
        )?,
    ])
}

/// Bounds as lines over the whole width: their cost is not what they are compared in.
fn across(mut all: Vec<Line>) -> Vec<Line> {
    let xs = || all.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    let ends = [xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max)];
    for line in all.iter_mut().filter(|line| line.is_bound) {
        line.points = line.points.iter().flat_map(|(_, y)| ends.map(|x| (x, *y))).collect();
    }
    all
}

/// A line for each strategy, from its points and its band.
pub(super) fn by_strategy(
    results: &Results,
    of: impl Fn(&[&CellResult]) -> (Vec<(f64, f64)>, Vec<(f64, f64, f64)>),
) -> Vec<Line> {
    let line = |(i, (_, cells)): (usize, (String, Vec<&CellResult>))| {
        let (points, band) = of(&cells);
        Line { colour: palette::strategy(i), points, band, marker: i, is_bound: is_bound(&cells) }
    };
    strategies(results).into_iter().enumerate().map(line).collect()
}

/// A value after each task, with the interval over seeds; a gap where a seed has no value.
pub(super) fn lines_over_tasks(
    results: &Results,
    value: &dyn Fn(&[&CellResult], usize) -> Option<f64>,
) -> Vec<Line> {
    let tasks = results.stream.tasks.len();
    by_strategy(results, |cells| {
        let over_seeds = |k: usize| spread(cells.iter().map(|cell| value(&[*cell], k)));
        let spreads: Vec<_> = (0..tasks).map(|k| ((k + 1) as f64, over_seeds(k))).collect();
        let points = spreads.iter().map(|(x, s)| (*x, s.map_or(f64::NAN, |s| s.mean))).collect();
        let interval = |s: &OverSeeds| s.interval().map_or((f64::NAN, f64::NAN), |i| (i.low, i.high));
        let bands = spreads.iter().map(|(x, s)| (*x, s.as_ref().map_or((f64::NAN, f64::NAN), interval)));
        (points, bands.map(|(x, (low, high))| (x, low, high)).collect())
    })
}
