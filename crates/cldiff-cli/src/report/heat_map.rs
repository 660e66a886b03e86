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
    quantities::cells::{entry, entry_error, range, range_text, samples, strategies},
    results::{CellResult, Results},
};

/// A matrix to draw.
pub(super) struct HeatMap<'a> {
    /// A description for readers who cannot see the picture.
    pub title: String,
    /// Above the columns.
    pub column_labels: Vec<String>,
    /// Left of the rows.
    pub row_labels: Vec<String>,
    /// Under the columns, and what the rows are.
    pub axes: (&'a str, &'a str),
    /// Row after row.
    pub values: Vec<Vec<Option<f64>>>,
    /// Small lines under a value, or in place of one; empty for none.
    pub notes: Vec<Vec<Vec<String>>>,
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
    /// If plotters cannot draw it.
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
                    let notes = self.notes.get(k).and_then(|row| row.get(j)).map_or(&[][..], Vec::as_slice);
                    self.draw_entry(area, corner, *value, notes)?;
                }
            }
            Ok(())
        })
    }

    fn draw_entry(
        &self,
        area: &svg::Canvas<'_>,
        (x, y): (i32, i32),
        value: Option<f64>,
        notes: &[String],
    ) -> Result<()> {
        let (w, h) = self.cell;
        let colour = value.map(self.colour);
        if let Some(colour) = colour {
            area.draw(&Rectangle::new([(x + 1, y + 1), (x + w - 1, y + h - 1)], colour.filled()))
                .map_err(drawing)?;
        }
        let ink = colour.map_or(svg::INK, palette::ink_on);
        let lines = value.map(|value| ((self.format)(value), 11)).into_iter();
        let lines: Vec<(String, i32)> = lines.chain(notes.iter().map(|note| (note.clone(), 9))).collect();
        let height: i32 = lines.iter().map(|(_, size)| size + 2).sum();
        let mut top = y + (h - height) / 2;
        for (line, size) in lines {
            let style = ("sans-serif", size).into_font().color(&ink);
            let style = style.pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(line, (x + w / 2, top + size / 2 + 1), style)).map_err(drawing)?;
            top += size + 2;
        }
        Ok(())
    }
}

/// FID of one strategy: rows "after task k", columns "on task j", with its standard error over samples; N where it is not
/// the same everywhere, and a dash where a value is missing. The scale is shared by all strategies.
///
/// # Errors
/// If plotters cannot draw it.
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
    let one_n = one_n(results).is_some();
    let notes = |k: usize, j: usize| -> Vec<String> {
        let measured = entry(cells, "fid", k, j);
        let lost = measured.is_none() && cells.iter().any(|cell| cell.reason("fid", k, Some(j)).is_some());
        let dash = lost.then(|| "–".to_owned());
        let error = measured.and(entry_error(cells, "fid", k, j)).map(|error| format!("± {}", short(error)));
        let n = samples(cells, "fid", k, j).filter(|_| !one_n && (lost || measured.is_some()));
        dash.into_iter().chain(error).chain(n.map(|n| format!("N {}", range_text(n)))).collect()
    };
    let label = &cells[0].label;
    HeatMap {
        title: format!("FID matrix of {label}"),
        column_labels: (1..=tasks).map(|j| j.to_string()).collect(),
        row_labels: (1..=tasks).map(|k| k.to_string()).collect(),
        axes: ("FID on task", "after task"),
        values: values(cells),
        notes: (0..tasks).map(|k| (0..tasks).map(|j| notes(k, j)).collect()).collect(),
        colour: &|v| palette::sequential((v.max(1e-3).ln() - least) / (most - least).max(1e-9)),
        format: &short,
        cell: (52, 44),
    }
    .draw()
}

/// The N of all entries of the FID matrices, if they have one and the results say so.
pub(super) fn one_n(results: &Results) -> Option<usize> {
    let measured = results.cells.iter().filter_map(|cell| cell.samples.get("fid")).flatten().flatten();
    range(measured.flatten().copied().map(Some)).filter(|(least, most)| least == most).map(|(n, _)| n)
}

/// Three digits.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 99.5 => format!("{value:.0}"),
        v if v >= 9.95 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
