//! Bits per dimension against the quality of samples, a figure a strategy: bits per dimension, FID and class divergence
//! over the stream, and from which timesteps the change of the bits comes.

use anyhow::Result;
use plotters::prelude::*;

use super::{
    charts::lines_over_tasks,
    forgetting::{self, CurvePoint, Loss},
    lines::{Axes, Line, around, decimals, draw_lines, range_of, tick},
    palette,
    svg::{self, INK, drawing, figure, text},
};
use crate::{
    quantities::cells::{average_after, strategies},
    results::{CellResult, Results},
};

type Value = fn(&[&CellResult], usize) -> Option<f64>;

/// The panels over the stream, from above: means over the tasks seen. Values over the pooled samples would have an N that
/// grows with the stream.
const PANELS: [(&str, Value); 3] = [
    ("bits/dim", |cells, k| average_after(cells, "bpd", k)),
    ("FID", |cells, k| average_after(cells, "fid", k)),
    ("class KLD", |cells, k| average_after(cells, "kld", k)),
];

/// The figure of one strategy; all share the scales of a panel.
///
/// # Errors
/// The errors of plotters.
pub(super) fn draw(results: &Results, cells: &[&CellResult]) -> Result<String> {
    let all = strategies(results);
    let index = all.iter().position(|(label, _)| *label == cells[0].label).unwrap_or(0);
    let changes: Vec<Vec<CurvePoint>> =
        all.iter().map(|(_, cells)| forgetting::curve(results, cells, Loss::Vlb)).collect();
    let title = format!("bits per dimension beside the quality of samples under {}", cells[0].label);
    figure((300, 620), &title, |area| {
        let areas = area.split_evenly((4, 1));
        for (panel, (name, value)) in areas.iter().zip(PANELS) {
            let lines: Vec<Line> = lines_over_tasks(results, &value);
            let last = name == PANELS[PANELS.len() - 1].0;
            let x = if last { "after task" } else { "" };
            let axes = Axes { title: "", x, y: name, tasks: true, zero: false };
            draw_lines(panel, &axes, &lines[index..=index], range_of(&lines, false))?;
        }
        draw_bars(&areas[3], &changes, index)
    })
}

/// The change of the bound in each bin, with the 95 % interval over images of the bin by itself.
fn draw_bars(area: &svg::Canvas<'_>, changes: &[Vec<CurvePoint>], index: usize) -> Result<()> {
    let ends = changes.iter().flatten().flat_map(|p| [p.absolute - p.margin(), p.absolute + p.margin(), 0.0]);
    let y = around(&ends.collect::<Vec<f64>>(), 0.08);
    let (points, decimals) = (&changes[index], decimals(y.end - y.start));
    let name = |v: &f64| {
        let bin = v.round().max(0.0) as usize;
        let on_bin = (v - v.round()).abs() < 1e-6;
        points.get(bin).filter(|_| on_bin).map_or_else(String::new, |p| p.from.to_string())
    };
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(34)
        .y_label_area_size(58)
        .build_cartesian_2d(-0.6..points.len() as f64 - 0.4, y)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .bold_line_style(INK.mix(0.12))
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .axis_style(INK.mix(0.5))
        .label_style(text(11))
        .axis_desc_style(text(12))
        .x_desc("bin of timesteps, from t =")
        .y_desc("Δ bits/dim")
        .x_labels(2 * points.len())
        .x_label_formatter(&name)
        .y_labels(4)
        .y_label_formatter(&|v| tick(*v, decimals))
        .draw()
        .map_err(drawing)?;
    let colour = palette::strategy(index);
    for (bin, point) in points.iter().enumerate() {
        let x = bin as f64;
        let bar = Rectangle::new([(x - 0.36, 0.0), (x + 0.36, point.absolute)], colour.filled());
        chart.draw_series(std::iter::once(bar)).map_err(drawing)?;
        let whisker = [(x, point.absolute - point.margin()), (x, point.absolute + point.margin())];
        chart.draw_series(LineSeries::new(whisker, INK.stroke_width(1))).map_err(drawing)?;
    }
    Ok(())
}
