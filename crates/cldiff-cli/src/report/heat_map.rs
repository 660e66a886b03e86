//! Heat maps with their numbers in them.

use super::{
    drawing::{Anchor, Drawing, Figure, Letters, NORMAL, Point, SMALL, room},
    palette::{self, Colour, Paint},
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
    /// The names of the columns and of the rows.
    pub axes: (&'a str, &'a str),
    /// Row after row.
    pub values: Vec<Vec<Option<f64>>>,
    /// Small lines under a value, or in place of one; empty for none.
    pub notes: Vec<Vec<Vec<String>>>,
    /// The colour of a value.
    pub colour: &'a dyn Fn(f64) -> Colour,
    /// A value as it is written.
    pub format: &'a dyn Fn(f64) -> String,
    /// Width and height of an entry.
    pub cell: (i32, i32),
}

const TOP: f64 = 38.0;
/// The heights of a value's line and of a note's.
const LINES: (f64, f64) = (15.0, 13.0);

impl HeatMap<'_> {
    /// Draws it.
    pub(super) fn draw(&self) -> Figure {
        let (w, h) = (f64::from(self.cell.0), f64::from(self.cell.1));
        let (columns, rows) = (self.column_labels.len() as f64, self.row_labels.len() as f64);
        let labels = self.row_labels.iter().map(String::as_str).chain([self.axes.1]);
        let left = labels.map(|label| room(label, SMALL)).fold(30.0, f64::max) + 8.0;
        let mut drawing = Drawing::default();
        let name = room(self.axes.0, SMALL);
        // A name that is wider than the columns begins with them.
        let middle = left + (columns * w / 2.0).max(name / 2.0);
        let centred = Letters::new(SMALL).at(Anchor::Middle);
        let before = Letters::new(SMALL).at(Anchor::End);
        drawing.words(self.axes.0, (middle, 9.0), centred);
        drawing.words(self.axes.1, (left - 6.0, TOP - 10.0), before);
        for (j, label) in self.column_labels.iter().enumerate() {
            drawing.words(label, (left + (j as f64 + 0.5) * w, TOP - 10.0), centred);
        }
        for (k, label) in self.row_labels.iter().enumerate() {
            drawing.words(label, (left - 6.0, TOP + (k as f64 + 0.5) * h), before);
            for (j, value) in self.values[k].iter().enumerate() {
                let notes = self.notes.get(k).and_then(|row| row.get(j)).map_or(&[][..], Vec::as_slice);
                let corner = (left + j as f64 * w, TOP + k as f64 * h);
                self.draw_entry(&mut drawing, corner, *value, notes);
            }
        }
        Figure {
            title: self.title.clone(),
            width: left + (columns * w).max(name) + 6.0,
            height: TOP + rows * h + 6.0,
            drawing,
            notes: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn draw_entry(&self, drawing: &mut Drawing, (x, y): Point, value: Option<f64>, notes: &[String]) {
        let (w, h) = (f64::from(self.cell.0), f64::from(self.cell.1));
        let colour = value.map(self.colour);
        if let Some(colour) = colour {
            drawing.rectangle((x + 1.0, y + 1.0), (x + w - 1.0, y + h - 1.0), colour.into());
        }
        let paint = colour.map_or(Paint::INK, |colour| palette::ink_on(colour).into());
        let value = value.map(|value| ((self.format)(value), NORMAL, LINES.0)).into_iter();
        let lines: Vec<(String, f64, f64)> =
            value.chain(notes.iter().map(|note| (note.clone(), SMALL, LINES.1))).collect();
        let mut top = y + (h - lines.iter().map(|(.., height)| height).sum::<f64>()) / 2.0;
        for (line, size, height) in lines {
            let letters = Letters { paint, ..Letters::new(size).at(Anchor::Middle) };
            drawing.words(line, (x + w / 2.0, top + height / 2.0), letters);
            top += height;
        }
    }
}

/// FID of one strategy: rows "after task k", columns "on task j", with its standard error over samples; N where it is not
/// the same everywhere, and a dash where a value is missing. The floor stands below as a row of its own. The scale is shared
/// by all strategies.
pub(super) fn fid(results: &Results, cells: &[&CellResult]) -> Figure {
    let tasks = results.stream.tasks.len();
    let floor: Option<Vec<Option<f64>>> =
        results.floor.get("fid").filter(|of_tasks| of_tasks.len() == tasks).cloned();
    let values = |cells: &[&CellResult]| -> Vec<Vec<Option<f64>>> {
        let row = |k: usize| (0..tasks).map(|j| entry(cells, "fid", k, j)).collect();
        (0..tasks).map(row).chain(floor.clone()).collect()
    };
    let all = strategies(results);
    let logs = all.iter().flat_map(|(_, cells)| values(cells).into_iter().flatten().flatten());
    let (least, most) =
        logs.map(|v| v.max(1e-3).ln()).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    let one = one_n(results);
    let floor_errors = results.floor_standard_errors.get("fid");
    let of_floor = |j: usize| -> Vec<String> {
        let error = floor_errors.and_then(|errors| errors.get(j).copied().flatten());
        error.map(|error| format!("±{}", short(error))).into_iter().collect()
    };
    let notes = (0..tasks).map(|k| (0..tasks).map(|j| notes(cells, (k, j), one.is_some())).collect());
    let notes = notes.chain(floor.is_some().then(|| (0..tasks).map(of_floor).collect()));
    let row_labels = (1..=tasks).map(|k| k.to_string()).chain(floor.is_some().then(|| "floor".to_owned()));
    let map = HeatMap {
        title: format!("FID matrix of {}", cells[0].label),
        column_labels: (1..=tasks).map(|j| j.to_string()).collect(),
        row_labels: row_labels.collect(),
        axes: ("FID on task", "after task"),
        values: values(cells),
        notes: notes.collect(),
        colour: &|v| palette::sequential((v.max(1e-3).ln() - least) / (most - least).max(1e-9)),
        format: &short,
        cell: (if one.is_some() { 52 } else { 64 }, 46),
    };
    let n = one.map_or_else(String::new, |n| format!(" N = {n} samples."));
    let about = format!(
        "± se over samples, mean over seeds. Floor: training images in place of samples. Logarithmic colours, the same for all \
         strategies.{n}"
    );
    Figure { notes: vec![about], ..map.draw() }
}

/// The lines below an entry of the FID matrix.
fn notes(cells: &[&CellResult], (k, j): (usize, usize), one_n: bool) -> Vec<String> {
    let measured = entry(cells, "fid", k, j);
    let lost = measured.is_none() && cells.iter().any(|cell| cell.reason("fid", k, Some(j)).is_some());
    let dash = lost.then(|| "–".to_owned());
    let error = measured.and(entry_error(cells, "fid", k, j)).map(|error| format!("±{}", short(error)));
    let n = samples(cells, "fid", k, j).filter(|_| !one_n && (lost || measured.is_some()));
    dash.into_iter().chain(error).chain(n.map(|n| format!("N {}", range_text(n)))).collect()
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
