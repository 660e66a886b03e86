//! A figure with all that stands around its drawing: the title above, the notes and the legend below.

use super::{Drawing, Figure, Letters, NORMAL, Parts, SMALL, Stroke, letters};
use crate::report::palette::Paint;

const TITLE: f64 = 15.0;
const TITLE_LINE: f64 = 20.0;
const NOTE_LINE: f64 = 16.0;
const KEY_LINE: f64 = 18.0;
/// The room of a key's sign, up to its label.
const SIGN: f64 = 34.0;
/// The room between two keys in a line.
const BETWEEN: f64 = 18.0;
/// A narrower drawing has a title and a legend of this width.
const NARROWEST: f64 = 360.0;
const MARGIN: f64 = 6.0;

/// All marks of a figure, with the drawing's corner at (0, 0), and the places at which its parts end.
pub(super) struct Whole {
    pub marks: Drawing,
    width: f64,
    drawing: (f64, f64),
    /// Above 0.
    title: f64,
    notes: f64,
    legend: f64,
}

/// A window into a figure: left, top, width, height.
pub(super) type Window = [f64; 4];

impl Whole {
    pub(super) fn of(figure: &Figure) -> Self {
        let width = figure.width.max(NARROWEST);
        let mut marks = figure.drawing.clone();
        let lines = letters::wrap(&figure.title, TITLE, width - 2.0 * MARGIN);
        let title = lines.len() as f64 * TITLE_LINE + 6.0;
        for (i, line) in lines.into_iter().enumerate() {
            let at = (MARGIN, i as f64 * TITLE_LINE - title + TITLE_LINE / 2.0);
            marks.words(line, at, Letters { bold: true, ..Letters::new(TITLE) });
        }
        let mut notes = figure.height;
        for line in figure.notes.iter().flat_map(|note| letters::wrap(note, SMALL, width - 2.0 * MARGIN)) {
            let soft = Letters { paint: Paint::INK.faint(0.75), ..Letters::new(SMALL) };
            marks.words(line, (MARGIN, notes + NOTE_LINE / 2.0), soft);
            notes += NOTE_LINE;
        }
        let legend = draw_legend(figure, &mut marks, width, notes);
        Self { marks, width, drawing: (figure.width, figure.height), title, notes, legend }
    }

    /// The window that shows everything.
    pub(super) fn everything(&self) -> Window {
        let bottom = self.legend + MARGIN;
        [-MARGIN, -self.title - MARGIN, self.width + 2.0 * MARGIN, bottom + self.title + MARGIN]
    }

    /// The window that shows some parts.
    pub(super) fn window(&self, parts: Parts) -> Window {
        match parts {
            Parts::Drawing => [0.0, 0.0, self.drawing.0, self.drawing.1],
            Parts::Noted => [0.0, 0.0, self.width, self.notes],
            Parts::Titled => [0.0, -self.title, self.width, self.notes + self.title],
        }
    }
}

/// Draws the keys in columns of one width below a height, and gives the height below them.
fn draw_legend(figure: &Figure, marks: &mut Drawing, width: f64, top: f64) -> f64 {
    let widest = figure.keys.iter().map(|key| letters::room(&key.label, NORMAL)).fold(0.0, f64::max);
    if figure.keys.is_empty() {
        return top;
    }
    let room = width - 2.0 * MARGIN;
    let column = (SIGN + widest + BETWEEN).min(room);
    let columns = ((room / column) as usize).max(1);
    for (i, key) in figure.keys.iter().enumerate() {
        let x = MARGIN + (i % columns) as f64 * column;
        let y = top + 6.0 + ((i / columns) as f64 + 0.5) * KEY_LINE;
        marks.place(&key.sign, (x + 13.0, y));
        let label = letters::fit(&key.label, NORMAL, column - SIGN);
        marks.words(label, (x + SIGN, y), Letters::new(NORMAL));
    }
    let line = Stroke::new(Paint::INK.faint(0.2), 1.0);
    marks.line([(MARGIN, top + 3.0), (width - MARGIN, top + 3.0)], line);
    top + 6.0 + figure.keys.len().div_ceil(columns) as f64 * KEY_LINE
}
