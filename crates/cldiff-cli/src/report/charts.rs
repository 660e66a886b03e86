//! Line charts: a strategy a line, each with its colour and its marker.

use std::ops::Range;

use anyhow::Result;
use plotters::prelude::*;

use super::{
    forgetting::{self, Loss},
    numbers::{average_after, entry, pooled, strategies},
    palette,
    svg::{self, INK, drawing, figure, text},
};
use crate::results::{CellResult, Results};

/// A line with its colour and its marker.
struct Line {
    colour: RGBColor,
    points: Vec<(f64, f64)>,
    marker: usize,
}

/// What stands around the lines.
struct Axes<'a> {
    title: &'a str,
    x: &'a str,
    y: &'a str,
    /// Whole numbers are the only sensible ticks on x.
    tasks: bool,
}

/// FID on task 1 and over all tasks seen, after each task.
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn fid_over_the_stream(results: &Results) -> Result<Vec<String>> {
    let tasks = results.stream.tasks.len();
    let lines =
        |value: &dyn Fn(&[&CellResult], usize) -> Option<f64>| lines_over_tasks(results, tasks, value);
    let axes = |title| Axes { title, x: "after task", y: "FID", tasks: true };
    Ok(vec![
        chart((588, 330), &axes("FID on task 1"), &lines(&|cells, k| entry(cells, "fid", k, 0)))?,
        chart((588, 330), &axes("FID over all tasks seen"), &lines(&|cells, k| pooled(cells, "fid", k)))?,
    ])
}

/// Forgetting at the end of the stream by timestep, absolute: of the denoising loss and of the bound.
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn forgetting_by_timestep(results: &Results) -> Result<Vec<String>> {
    let Some(edges) = results.cells.first().map(|cell| cell.timestep.edges.clone()) else {
        return Ok(Vec::new());
    };
    let lines = |loss: Loss| -> Vec<Line> {
        by_strategy(results, |cells| {
            (0..forgetting::bins(results))
                .filter_map(|bin| {
                    let middle = (edges[bin] + edges[bin + 1]) as f64 / 2.0;
                    Some((middle, forgetting::absolute(results, cells, loss, bin)?))
                })
                .collect()
        })
    };
    let axes = |title, y| Axes { title, x: "timestep t", y, tasks: false };
    Ok(vec![
        chart(
            (588, 330),
            &axes("Forgetting of the denoising loss", "change of the squared error"),
            &lines(Loss::Denoising),
        )?,
        chart(
            (588, 330),
            &axes("Forgetting of the variational bound", "change, bits/dim in the bin"),
            &lines(Loss::Vlb),
        )?,
    ])
}

/// One strategy's bits per dimension above its FID, on the same axis of tasks.
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn bpd_beside_fid(results: &Results, cells: &[&CellResult]) -> Result<String> {
    let tasks = results.stream.tasks.len();
    let all = strategies(results);
    let index = all.iter().position(|(label, _)| *label == cells[0].label).unwrap_or(0);
    let line = |value: &dyn Fn(&[&CellResult], usize) -> Option<f64>, cells: &[&CellResult], i: usize| Line {
        colour: palette::strategy(i),
        points: (0..tasks).filter_map(|k| Some(((k + 1) as f64, value(cells, k)?))).collect(),
        marker: i,
    };
    let panels: [(&str, &dyn Fn(&[&CellResult], usize) -> Option<f64>); 2] = [
        ("bits/dim", &|cells, k| average_after(cells, "bpd", k)),
        ("FID", &|cells, k| pooled(cells, "fid", k)),
    ];
    let title = format!("bits per dimension and FID under {}", cells[0].label);
    figure((290, 330), &title, |area| {
        for (panel, (name, value)) in area.split_evenly((2, 1)).iter().zip(panels) {
            // All strategies share the scale of a panel.
            let everything: Vec<Line> = all.iter().enumerate().map(|(i, (_, c))| line(value, c, i)).collect();
            let range = range_of(&everything);
            let axes =
                Axes { title: "", x: if name == "FID" { "after task" } else { "" }, y: name, tasks: true };
            draw_lines(panel, &axes, &[line(value, cells, index)], range)?;
        }
        Ok(())
    })
}

fn by_strategy(results: &Results, points: impl Fn(&[&CellResult]) -> Vec<(f64, f64)>) -> Vec<Line> {
    strategies(results)
        .into_iter()
        .enumerate()
        .map(|(i, (_, cells))| Line { colour: palette::strategy(i), points: points(&cells), marker: i })
        .collect()
}

fn lines_over_tasks(
    results: &Results,
    tasks: usize,
    value: &dyn Fn(&[&CellResult], usize) -> Option<f64>,
) -> Vec<Line> {
    by_strategy(results, |cells| {
        (0..tasks).filter_map(|k| Some(((k + 1) as f64, value(cells, k)?))).collect()
    })
}

fn chart(size: (u32, u32), axes: &Axes<'_>, lines: &[Line]) -> Result<String> {
    figure(size, axes.title, |area| draw_lines(area, axes, lines, range_of(lines)))
}

/// The smallest box with a margin around all points.
fn range_of(lines: &[Line]) -> (Range<f64>, Range<f64>) {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let around = |values: Vec<f64>, margin: f64| {
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        if least > most {
            return 0.0..1.0;
        }
        let margin = ((most - least) * margin).max(least.abs().max(1e-6) * 1e-3);
        least - margin..most + margin
    };
    (around(points().map(|p| p.0).collect(), 0.04), around(points().map(|p| p.1).collect(), 0.08))
}

fn draw_lines(
    area: &svg::Canvas<'_>,
    axes: &Axes<'_>,
    lines: &[Line],
    (x, y): (Range<f64>, Range<f64>),
) -> Result<()> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(6).x_label_area_size(if axes.x.is_empty() { 18 } else { 34 }).y_label_area_size(58);
    if !axes.title.is_empty() {
        builder.caption(axes.title, text(15));
    }
    let tasks = (x.end - 0.001).floor() - x.start.ceil() + 1.0;
    let mut chart = builder.build_cartesian_2d(x, y).map_err(drawing)?;
    let step = |v: &f64| if axes.tasks { format!("{v:.0}") } else { format!("{v}") };
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.mix(0.5))
        .label_style(text(12))
        .axis_desc_style(text(12))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .x_labels(if axes.tasks { tasks.max(1.0) as usize } else { 10 })
        .y_labels(5)
        .x_label_formatter(&step)
        .y_label_formatter(&|v| super::heat_map::short(*v))
        .draw()
        .map_err(drawing)?;
    for line in lines {
        let style = line.colour.stroke_width(2);
        chart.draw_series(LineSeries::new(line.points.iter().copied(), style)).map_err(drawing)?;
        draw_markers(&mut chart, line)?;
    }
    Ok(())
}

/// A line's points, in a shape of its own.
fn draw_markers(
    chart: &mut ChartContext<
        '_,
        SVGBackend<'_>,
        Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
    >,
    line: &Line,
) -> Result<()> {
    let style = line.colour.filled();
    let points = line.points.iter().copied();
    match line.marker % 3 {
        0 => chart.draw_series(points.map(|p| Circle::new(p, 4, style))).map(|_| ()),
        1 => chart.draw_series(points.map(|p| TriangleMarker::new(p, 6, style))).map(|_| ()),
        _ => chart.draw_series(points.map(|p| Cross::new(p, 4, style.stroke_width(2)))).map(|_| ()),
    }
    .map_err(drawing)
}
