//! Heat maps with their numbers in them.

use anyhow::Result;
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    palette,
    svg::{self, drawing, text},
};
use crate::{
    quantities::cells::{entry, strategies},
    results::{CellResult, Results},
};

/// A matrix to draw.
pub(super) struct HeatMap<'a> {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// Above the columns.
    pub column_labels: Vec<String>,
    /// Left of the rows.
    pub row_labels: Vec<String>,
    /// Under the columns, and what the rows are.
    pub axes: (&'a str, &'a str),
    /// Row after row.
    pub values: Vec<Vec<Option<f64>>>,
    /// The colour of a value.
    pub colour: &'a dyn Fn(f64) -> RGBColor,
    /// A value as it is written.
    pub format: &'a dyn Fn(f64) -> String,
    /// Width and height of an entry.
    pub cell: (i32, i32),
}

const LEFT: i32 = 58;
const TOP: i32 = 36;

impl HeatMap<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// What plotters cannot draw.
    pub(super) fn draw(&self) -> Result<String> {
        let (w, h) = self.cell;
        let (columns, rows) = (self.column_labels.len() as i32, self.row_labels.len() as i32);
        let size = ((LEFT + columns * w + 4) as u32, (TOP + rows * h + 4) as u32);
        svg::figure(size, &self.title, |area| {
            let centred = |size| text(size).pos(Pos::new(HPos::Center, VPos::Center));
            let right = text(11).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(self.axes.0.to_owned(), (LEFT + columns * w / 2, 9), centred(11)))
                .map_err(drawing)?;
            area.draw(&Text::new(self.axes.1.to_owned(), (LEFT - 6, TOP - 10), right.clone()))
                .map_err(drawing)?;
            for (j, label) in self.column_labels.iter().enumerate() {
                let at = (LEFT + j as i32 * w + w / 2, TOP - 10);
                area.draw(&Text::new(label.clone(), at, centred(11))).map_err(drawing)?;
            }
            for (k, label) in self.row_labels.iter().enumerate() {
                let at = (LEFT - 6, TOP + k as i32 * h + h / 2);
                area.draw(&Text::new(label.clone(), at, right.clone())).map_err(drawing)?;
                for (j, value) in self.values[k].iter().enumerate() {
                    let corner = (LEFT + j as i32 * w, TOP + k as i32 * h);
                    if let Some(value) = value {
                        self.draw_entry(area, corner, *value)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn draw_entry(&self, area: &svg::Canvas<'_>, (x, y): (i32, i32), value: f64) -> Result<()> {
        let (w, h) = self.cell;
        let colour = (self.colour)(value);
        area.draw(&Rectangle::new([(x + 1, y + 1), (x + w - 1, y + h - 1)], colour.filled()))
            .map_err(drawing)?;
        let style = ("sans-serif", 11).into_font().color(&palette::ink_on(colour));
        let style = style.pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new((self.format)(value), (x + w / 2, y + h / 2), style)).map_err(drawing)
    }
}

/// FID of one strategy: rows "after task k", columns "on task j"; the scale is shared by all strategies.
///
/// # Errors
/// What plotters cannot draw.
pub(super) fn fid(results: &Results, cells: &[&CellResult]) -> Result<String> {
    let tasks = results.stream.tasks.len();
    let values = |cells: &[&CellResult]| -> Vec<Vec<Option<f64>>> {
        (0..tasks).map(|k| (0..tasks).map(|j| entry(cells, "fid", k, j)).collect()).collect()
    };
    let logs: Vec<f64> = strategies(results)
        .iter()
        .flat_map(|(_, cells)| values(cells).into_iter().flatten().flatten())
        .map(|v| v.max(1e-3).ln())
        .collect();
    let (least, most) = logs.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    let label = &cells[0].label;
    HeatMap {
        title: format!("FID matrix of {label}"),
        column_labels: (1..=tasks).map(|j| j.to_string()).collect(),
        row_labels: (1..=tasks).map(|k| k.to_string()).collect(),
        axes: ("FID on task", "after task"),
        values: values(cells),
        colour: &|v| palette::sequential((v.max(1e-3).ln() - least) / (most - least).max(1e-9)),
        format: &short,
        cell: (44, 30),
    }
    .draw()
}

/// Three digits.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 99.5 => format!("{value:.0}"),
        v if v >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
