//! Lines over an axis, with their bars and bands: the drawing that all line charts share.

use super::{
    drawing::{Drawing, Figure, Point, Stroke},
    frame::{Frame, room_below, room_left},
    looks::Look,
    palette::Paint,
    scale::{Kind, Scale},
};

/// More points than these have no markers.
const MOST_MARKERS: usize = 40;
/// Half the width of a bar's ends.
const BAR: f64 = 3.0;

/// A line with its look and, where known, its uncertainty. Where y is not a number, the line has a gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub look: Look,
    pub points: Vec<(f64, f64)>,
    /// x, lower and upper end: an area behind the line.
    pub band: Vec<(f64, f64, f64)>,
    /// x, lower and upper end: a bar at a point.
    pub bars: Vec<(f64, f64, f64)>,
    /// Whether it is a level from one side to the other, at the value of its only point.
    pub is_level: bool,
    /// Whether its points stand by themselves, with no line through them.
    pub is_scattered: bool,
}

impl Line {
    /// A line without any uncertainty.
    pub(super) fn new(look: Look, points: Vec<(f64, f64)>) -> Self {
        Self { look, points, band: Vec::new(), bars: Vec::new(), is_level: false, is_scattered: false }
    }

    /// A level from one side of the figure to the other.
    pub(super) fn level(look: Look, y: f64) -> Self {
        Self { is_level: true, ..Self::new(look, vec![(f64::NAN, y)]) }
    }

    /// The values of x, and those of y with all ends.
    fn values(&self) -> (impl Iterator<Item = f64> + '_, impl Iterator<Item = f64> + '_) {
        let ends = self.band.iter().chain(&self.bars).flat_map(|(_, low, high)| [*low, *high]);
        (self.points.iter().map(|p| p.0), self.points.iter().map(|p| p.1).chain(ends))
    }
}

/// An axis.
#[derive(Debug, Clone, Copy)]
pub struct Axis<'a> {
    /// The name, with a unit where there is one.
    pub name: &'a str,
    /// The kind of its scale.
    pub kind: Kind,
}

/// Width and height of a chart: two stand side by side on a wide page, and one has room on a narrow one.
pub(super) const SIZE: (f64, f64) = (590.0, 320.0);

/// A figure with one chart.
pub(super) fn chart(title: &str, x: Axis<'_>, y: Axis<'_>, lines: &[Line], notes: Vec<String>) -> Figure {
    let (width, height) = SIZE;
    let scales = (x_scale(x.kind, lines), y_scale(y.kind, lines));
    let frame = Frame {
        left: room_left([&scales.1]),
        top: 8.0,
        right: width - 14.0,
        bottom: height - room_below(x.name),
        x: scales.0,
        y: scales.1,
    };
    let mut drawing = Drawing::default();
    frame.draw_grid(&mut drawing);
    frame.draw_x_ticks(&mut drawing);
    frame.draw_y_ticks(&mut drawing);
    frame.name_x(&mut drawing, x.name);
    frame.name_y(&mut drawing, y.name);
    draw_lines(&mut drawing, &frame, lines, y.kind);
    let keys = lines.iter().map(|line| line.look.key()).collect();
    Figure { title: title.to_owned(), width, height, drawing, notes, keys }
}

/// The scale of x that holds some lines.
pub(super) fn x_scale<'l>(kind: Kind, lines: impl IntoIterator<Item = &'l Line>) -> Scale {
    Scale::of(kind, lines.into_iter().flat_map(|line| line.values().0))
}

/// The scale of y that holds some lines with their bars and bands.
pub(super) fn y_scale<'l>(kind: Kind, lines: impl IntoIterator<Item = &'l Line>) -> Scale {
    Scale::of(kind, lines.into_iter().flat_map(|line| line.values().1))
}

/// Draws lines into a frame, and 0 where it belongs to the scale.
pub(super) fn draw_lines(drawing: &mut Drawing, frame: &Frame, lines: &[Line], kind: Kind) {
    if kind == Kind::WithZero {
        frame.level(drawing, 0.0, Stroke::new(Paint::INK.faint(0.6), 1.0));
    }
    lines.iter().for_each(|line| draw_line(drawing, frame, line));
}

fn draw_line(drawing: &mut Drawing, frame: &Frame, line: &Line) {
    let paint = line.look.paint;
    let at = |x: f64, y: f64| frame.at(x, y);
    if line.is_level {
        line.points.iter().for_each(|(_, y)| frame.level(drawing, *y, line.look.stroke()));
        return;
    }
    for part in line.band.split(|ends| ends.1.is_nan()).filter(|part| part.len() > 1) {
        let lower = part.iter().map(|b| at(b.0, b.1));
        drawing.area(lower.chain(part.iter().rev().map(|b| at(b.0, b.2))), paint.faint(0.2));
    }
    let bar = Stroke::new(paint.faint(0.8), 1.2);
    for (x, low, high) in line.bars.iter().filter(|bar| bar.1.is_finite() && bar.2.is_finite()) {
        let (bottom, top) = (at(*x, *low), at(*x, *high));
        drawing.line([bottom, top], bar);
        for (x, y) in [bottom, top] {
            drawing.line([(x - BAR, y), (x + BAR, y)], bar);
        }
    }
    let joined: &[(f64, f64)] = if line.is_scattered { &[] } else { &line.points };
    for part in joined.split(|point| point.1.is_nan()) {
        drawing.line(part.iter().map(|(x, y)| at(*x, *y)), line.look.stroke());
    }
    let is_marked = line.is_scattered || line.points.len() <= MOST_MARKERS;
    let Some(marker) = line.look.marker.filter(|_| is_marked) else { return };
    let places = line.points.iter().filter(|point| !point.1.is_nan()).map(|(x, y)| at(*x, *y));
    places.collect::<Vec<Point>>().into_iter().for_each(|place| marker.draw(drawing, place, paint));
}
