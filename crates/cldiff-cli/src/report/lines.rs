//! Lines over an axis, with their bands of confidence: the drawing that all line charts share.

use std::ops::Range;

use anyhow::Result;
use plotters::{coord::types::RangedCoordf64, prelude::*};

use super::svg::{self, INK, drawing, figure, text};

/// A line with its colour, its marker and, where known, its band. Where y is not a number, the line has a gap.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub colour: RGBColor,
    pub points: Vec<(f64, f64)>,
    /// x, lower and upper end.
    pub band: Vec<(f64, f64, f64)>,
    pub marker: usize,
    /// A bound is dashed, without markers and band.
    pub is_bound: bool,
}

/// The frame of the lines: titles and axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// Whole numbers are the only sensible ticks on x.
    pub tasks: bool,
    /// Whether 0 belongs into the picture, with a line of its own.
    pub zero: bool,
}

/// The ranges of x and y.
pub(super) type Box2 = (Range<f64>, Range<f64>);

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A figure with one chart.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn chart(size: (u32, u32), axes: &Axes<'_>, lines: &[Line]) -> Result<String> {
    figure(size, axes.title, |area| draw_lines(area, axes, lines, range_of(lines, axes.zero)))
}

/// The smallest box with a margin around all points and bands.
pub(super) fn range_of<'l>(lines: impl IntoIterator<Item = &'l Line>, zero: bool) -> Box2 {
    let (mut xs, mut ys) = (Vec::new(), if zero { vec![0.0] } else { Vec::new() });
    for line in lines {
        xs.extend(line.points.iter().map(|p| p.0));
        ys.extend(line.points.iter().map(|p| p.1));
        ys.extend(line.band.iter().flat_map(|b| [b.1, b.2]));
    }
    (around(&xs, 0.04), around(&ys, 0.08))
}

/// The range of some values with a margin of a share of it on both sides.
pub(super) fn around(values: &[f64], margin: f64) -> Range<f64> {
    // NaN is in no range.
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    if least > most {
        return 0.0..1.0;
    }
    let margin = ((most - least) * margin).max(least.abs().max(1e-6) * 1e-3);
    least - margin..most + margin
}

/// Draws a chart into an area.
///
/// # Errors
/// If plotters cannot draw it.
pub(super) fn draw_lines(
    area: &svg::Canvas<'_>,
    axes: &Axes<'_>,
    lines: &[Line],
    (x, y): Box2,
) -> Result<()> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(6).x_label_area_size(if axes.x.is_empty() { 18 } else { 34 }).y_label_area_size(58);
    if !axes.title.is_empty() {
        builder.caption(axes.title, text(15));
    }
    let tasks = (x.end - 0.001).floor() - x.start.ceil() + 1.0;
    let ends = [x.start, x.end];
    let decimals = decimals(y.end - y.start);
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
        .x_labels(if axes.tasks { tasks.max(1.0) as usize } else { 6 })
        .y_labels(5)
        .x_label_formatter(&step)
        .y_label_formatter(&|v| tick(*v, decimals))
        .draw()
        .map_err(drawing)?;
    if axes.zero {
        let line = ends.map(|x| (x, 0.0));
        chart.draw_series(LineSeries::new(line, INK.mix(0.6).stroke_width(1))).map_err(drawing)?;
    }
    lines.iter().try_for_each(|line| draw_line(&mut chart, line))
}

/// How many decimals tell some five ticks of a range apart.
pub(super) fn decimals(range: f64) -> usize {
    (1.0 - range.max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize
}

/// A tick's value, without a minus before nothing.
pub(super) fn tick(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches('-').bytes().all(|b| b == b'0' || b == b'.') {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}

fn draw_line(chart: &mut Chart<'_, '_>, line: &Line) -> Result<()> {
    let style = line.colour.stroke_width(2);
    if line.is_bound {
        for part in line.points.split(|point| point.1.is_nan()) {
            let dashes = DashedLineSeries::new(part.iter().copied(), 6, 5, style);
            chart.draw_series(dashes).map_err(drawing)?;
        }
        return Ok(());
    }
    for part in line.band.split(|ends| ends.1.is_nan()).filter(|part| !part.is_empty()) {
        let lower = part.iter().map(|b| (b.0, b.1));
        let upper = part.iter().rev().map(|b| (b.0, b.2));
        let outline: Vec<(f64, f64)> = lower.chain(upper).collect();
        chart
            .draw_series(std::iter::once(Polygon::new(outline, line.colour.mix(0.22).filled())))
            .map_err(drawing)?;
    }
    for part in line.points.split(|point| point.1.is_nan()) {
        chart.draw_series(LineSeries::new(part.iter().copied(), style)).map_err(drawing)?;
    }
    draw_markers(chart, line)
}

/// A line's points, in a shape of its own.
fn draw_markers(chart: &mut Chart<'_, '_>, line: &Line) -> Result<()> {
    let style = line.colour.filled();
    let points = line.points.iter().copied().filter(|point| !point.1.is_nan());
    match line.marker % 3 {
        0 => chart.draw_series(points.map(|p| Circle::new(p, 4, style))).map(|_| ()),
        1 => chart.draw_series(points.map(|p| TriangleMarker::new(p, 6, style))).map(|_| ()),
        _ => chart.draw_series(points.map(|p| Cross::new(p, 4, style.stroke_width(2)))).map(|_| ()),
    }
    .map_err(drawing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_told_apart_and_nothing_has_no_minus() {
        assert_eq!((decimals(150.0), decimals(2.0), decimals(0.08)), (0, 1, 3));
        assert_eq!(tick(-0.0004, 2), "0.00");
        assert_eq!((tick(-0.25, 2), tick(120.0, 0)), ("-0.25".into(), "120".into()));
    }
}
