//! Small charts in rows and columns that share their axes: the ticks of y stand at the left of a row, those of x below the
//! last chart of a column.

use super::{
    drawing::{Anchor, Drawing, Figure, Letters, SMALL, fit},
    frame::{Frame, room_below, room_left},
    lines::{Axis, Line, SIZE, draw_lines, x_scale, y_scale},
    scale::Scale,
};

/// The most charts in a row.
pub(super) const COLUMNS: usize = 3;
const HEIGHT: f64 = 104.0;
const HEADING: f64 = 18.0;
const BETWEEN: f64 = 12.0;

/// A row of small charts, one for each column, with one scale of y.
pub(super) struct Row<'a> {
    /// The names above the charts; empty for none.
    pub headings: Vec<&'a str>,
    pub x: Scale,
    pub y: Scale,
    /// The name of y.
    pub name: &'a str,
    /// Draws the chart of a column.
    pub draw: Box<dyn Fn(&mut Drawing, &Frame, usize) + 'a>,
    /// The columns whose charts have the texts of the ticks of x.
    pub ticks: Vec<bool>,
    /// The name of x below this row; empty for none.
    pub x_name: &'a str,
}

/// Draws rows of charts below each other, of the same number of columns, as wide as a chart; title, notes and legend are the
/// caller's.
pub(super) fn draw(rows: &[Row<'_>]) -> Figure {
    // The last row may have fewer.
    let columns = rows.iter().map(|row| row.ticks.len()).max().unwrap_or(1).max(1) as f64;
    let left = room_left(rows.iter().map(|row| &row.y));
    let width = (SIZE.0 - 8.0 - left - (columns - 1.0) * BETWEEN) / columns;
    let mut drawing = Drawing::default();
    let mut top = 0.0;
    for row in rows {
        top = draw_row(&mut drawing, row, (left, top), width);
    }
    Figure { width: SIZE.0, height: top, drawing, title: String::new(), notes: Vec::new(), keys: Vec::new() }
}

/// Gives the height below the row.
fn draw_row(drawing: &mut Drawing, row: &Row<'_>, (left, top): (f64, f64), width: f64) -> f64 {
    let top = top + if row.headings.is_empty() { BETWEEN } else { HEADING };
    let frames = (0..row.ticks.len()).map(|column| {
        let left = left + column as f64 * (width + BETWEEN);
        let (x, y) = (row.x.clone(), row.y.clone());
        Frame { left, top, right: left + width, bottom: top + HEIGHT, x, y }
    });
    for (column, frame) in frames.enumerate() {
        frame.draw_grid(drawing);
        if let Some(heading) = row.headings.get(column) {
            let (at, letters) = ((frame.left, top - HEADING / 2.0), Letters::new(SMALL).at(Anchor::Start));
            drawing.words(fit(heading, SMALL, width), at, letters);
        }
        if column == 0 {
            frame.draw_y_ticks(drawing);
            frame.name_y(drawing, row.name);
        }
        if row.ticks[column] {
            frame.draw_x_ticks(drawing);
        }
        if column == row.ticks.len() / 2 {
            frame.name_x(drawing, row.x_name);
        }
        (row.draw)(drawing, &frame, column);
    }
    let below = if row.ticks.iter().any(|ticks| *ticks) { room_below(row.x_name) } else { 0.0 };
    top + HEIGHT + below
}

/// A chart for each of some names, with its own lines and those that stand behind every chart; all share both scales.
pub(super) fn of_lines(x: Axis<'_>, y: Axis<'_>, charts: &[(&str, Vec<Line>)], behind: &[Line]) -> Figure {
    let all = || charts.iter().flat_map(|(_, lines)| lines).chain(behind);
    let (x_of_all, y_of_all) = (x_scale(x.kind, all()), y_scale(y.kind, all()));
    let columns = charts.len().clamp(1, COLUMNS);
    let last = charts.len().div_ceil(columns).saturating_sub(1);
    let rows: Vec<Row<'_>> = charts
        .chunks(columns)
        .enumerate()
        .map(|(i, chunk)| Row {
            headings: chunk.iter().map(|(name, _)| *name).collect(),
            x: x_of_all.clone(),
            y: y_of_all.clone(),
            name: y.name,
            draw: Box::new(move |drawing, frame, column| {
                let lines: Vec<Line> = behind.iter().chain(&chunk[column].1).cloned().collect();
                draw_lines(drawing, frame, &lines, y.kind);
            }),
            // A chart without one below it has the ticks of its column.
            ticks: (0..chunk.len()).map(|column| (i + 1) * columns + column >= charts.len()).collect(),
            x_name: if i == last { x.name } else { "" },
        })
        .collect();
    draw(&rows)
}
