//! Figures as marks on paper, in pixels: they become SVG in the page, and SVG and PDF as files.

mod letters;
mod pdf;
mod svg;
#[cfg(test)]
mod tests;
mod whole;

pub(super) use letters::{fit, room};
#[cfg(test)]
pub(super) use tests::well_formed;

use super::palette::Paint;

/// A place: x to the right, y down.
pub(super) type Point = (f64, f64);

/// The smallest letters of a figure. No figure is shown smaller than it is.
pub(super) const SMALL: f64 = 11.0;
/// Names of axes, keys, and values of heat maps.
pub(super) const NORMAL: f64 = 12.0;
/// A line's centre is so much of the letters' size above the line that they stand on.
const MIDDLE: f64 = 0.35;

/// The lengths of a line's dashes and gaps; none for a whole line.
pub(super) type Dash = &'static [f64];

/// The look of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub paint: Paint,
    pub width: f64,
    pub dash: Dash,
}

impl Stroke {
    /// A whole line.
    pub(super) fn new(paint: Paint, width: f64) -> Self {
        Self { paint, width, dash: &[] }
    }
}

/// The part of a text that stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The look of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letters {
    pub size: f64,
    pub anchor: Anchor,
    pub paint: Paint,
    pub bold: bool,
    /// Whether the text runs upwards.
    pub upwards: bool,
}

impl Letters {
    /// Letters of a size that start at their place.
    pub(super) fn new(size: f64) -> Self {
        Self { size, anchor: Anchor::Start, paint: Paint::INK, bold: false, upwards: false }
    }

    /// Letters around their place, or before it.
    pub(super) fn at(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq)]
enum Mark {
    Line(Vec<Point>, Stroke),
    Area(Vec<Point>, Paint),
    Circle(Point, f64, Paint),
    Ring(Point, f64, Stroke),
    /// The text stands on a line through the place.
    Words(String, Point, Letters),
}

impl Mark {
    fn moved(&self, dx: f64, dy: f64) -> Self {
        let to = |(x, y): Point| (x + dx, y + dy);
        match self.clone() {
            Self::Line(points, stroke) => Self::Line(points.into_iter().map(to).collect(), stroke),
            Self::Area(points, paint) => Self::Area(points.into_iter().map(to).collect(), paint),
            Self::Circle(at, radius, paint) => Self::Circle(to(at), radius, paint),
            Self::Ring(at, radius, stroke) => Self::Ring(to(at), radius, stroke),
            Self::Words(text, at, letters) => Self::Words(text, to(at), letters),
        }
    }
}

/// Marks, one above the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Drawing {
    marks: Vec<Mark>,
}

impl Drawing {
    /// A line through some points; nothing for fewer than two.
    pub(super) fn line(&mut self, points: impl IntoIterator<Item = Point>, stroke: Stroke) {
        let points: Vec<Point> = points.into_iter().collect();
        if points.len() > 1 {
            self.marks.push(Mark::Line(points, stroke));
        }
    }

    /// The inside of an outline.
    pub(super) fn area(&mut self, outline: impl IntoIterator<Item = Point>, paint: Paint) {
        self.marks.push(Mark::Area(outline.into_iter().collect(), paint));
    }

    /// The inside of a rectangle between two corners.
    pub(super) fn rectangle(&mut self, (x0, y0): Point, (x1, y1): Point, paint: Paint) {
        self.area([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], paint);
    }

    /// A disc.
    pub(super) fn circle(&mut self, centre: Point, radius: f64, paint: Paint) {
        self.marks.push(Mark::Circle(centre, radius, paint));
    }

    /// A circle's line.
    pub(super) fn ring(&mut self, centre: Point, radius: f64, stroke: Stroke) {
        self.marks.push(Mark::Ring(centre, radius, stroke));
    }

    /// A text with its middle at a height, or at an x where it runs upwards.
    pub(super) fn words(&mut self, text: impl Into<String>, (x, y): Point, letters: Letters) {
        let down = MIDDLE * letters.size;
        let at = if letters.upwards { (x + down, y) } else { (x, y + down) };
        self.marks.push(Mark::Words(text.into(), at, letters));
    }

    /// Another drawing, moved so that its (0, 0) is at a place.
    fn place(&mut self, other: &Self, (x, y): Point) {
        self.marks.extend(other.marks.iter().map(|mark| mark.moved(x, y)));
    }
}

/// The meaning of a colour, a line or a marker of a figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub label: String,
    /// The sign, around the point (0, 0), 26 pixels wide and 12 high.
    pub sign: Drawing,
}

/// A figure: its drawing, and all that it needs to be read without the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// The title, which readers who cannot see the picture are told.
    pub title: String,
    pub width: f64,
    pub height: f64,
    pub drawing: Drawing,
    /// The meaning of every ±, bar, band and line that has no key.
    pub notes: Vec<String>,
    pub keys: Vec<Key>,
}

/// The parts of a figure that the page shows of it; the others stand in the page's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// The drawing.
    Drawing,
    /// The drawing and the notes.
    Noted,
    /// The title, the drawing and the notes.
    Titled,
}

impl Figure {
    /// The figure in the page: ink of the page, no background. Its legend is there and not shown, for the button that saves it.
    pub(super) fn in_page(&self, parts: Parts) -> String {
        svg::in_page(self, parts)
    }

    /// The figure as an SVG file: white background, title, notes, legend.
    pub(super) fn svg(&self) -> String {
        svg::file(self)
    }

    /// The same as a PDF of one page of the figure's size.
    pub(super) fn pdf(&self) -> Vec<u8> {
        pdf::file(self)
    }
}
