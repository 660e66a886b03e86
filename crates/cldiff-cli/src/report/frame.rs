//! The frame of a chart: two scales over a rectangle, with grid, ticks and names.

use super::{
    drawing::{Anchor, Drawing, Letters, NORMAL, Point, SMALL, Stroke, room},
    palette::Paint,
    scale::Scale,
};

/// The room of a name of the y axis, which runs upwards.
const NAME: f64 = 20.0;
/// The room of the texts of x ticks.
const TICKS: f64 = 20.0;
/// The room between a tick's text and its axis.
const GAP: f64 = 6.0;

/// Two scales over a rectangle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub x: Scale,
    pub y: Scale,
}

/// The room to the left of a frame: the name of y and the widest of the texts.
pub(super) fn room_left<'s>(scales: impl IntoIterator<Item = &'s Scale>) -> f64 {
    let texts = scales.into_iter().flat_map(|scale| &scale.ticks);
    NAME + texts.map(|(_, text)| room(text, SMALL)).fold(10.0, f64::max) + GAP
}

/// The room below a frame: the texts of the ticks, and the name of x where there is one.
pub(super) fn room_below(name: &str) -> f64 {
    if name.is_empty() { TICKS } else { TICKS + NAME }
}

impl Frame {
    /// The place of two values.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        let across = self.left + self.x.share(x) * (self.right - self.left);
        (across, self.bottom - self.y.share(y) * (self.bottom - self.top))
    }

    /// A line from left to right at a value of y.
    pub(super) fn level(&self, drawing: &mut Drawing, y: f64, stroke: Stroke) {
        let (_, y) = self.at(0.0, y);
        drawing.line([(self.left, y), (self.right, y)], stroke);
    }

    /// The grid and the two axes.
    pub(super) fn draw_grid(&self, drawing: &mut Drawing) {
        let grid = Stroke::new(Paint::INK.faint(0.12), 1.0);
        for (value, _) in &self.x.ticks {
            let x = self.at(*value, 0.0).0;
            drawing.line([(x, self.top), (x, self.bottom)], grid);
        }
        self.y.ticks.iter().for_each(|(value, _)| self.level(drawing, *value, grid));
        let corner = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)];
        drawing.line(corner, Stroke::new(Paint::INK.faint(0.5), 1.0));
    }

    /// The texts of the x ticks, as many as have room.
    pub(super) fn draw_x_ticks(&self, drawing: &mut Drawing) {
        let mut free = f64::NEG_INFINITY;
        for (value, text) in &self.x.ticks {
            let (x, half) = (self.at(*value, 0.0).0, room(text, SMALL) / 2.0);
            if x - half >= free {
                let letters = Letters::new(SMALL).at(Anchor::Middle);
                drawing.words(text, (x, self.bottom + TICKS / 2.0), letters);
                free = x + half + GAP;
            }
        }
    }

    /// The texts of the y ticks.
    pub(super) fn draw_y_ticks(&self, drawing: &mut Drawing) {
        for (value, text) in &self.y.ticks {
            let y = self.at(0.0, *value).1;
            drawing.words(text, (self.left - GAP, y), Letters::new(SMALL).at(Anchor::End));
        }
    }

    /// The name of the y axis, at the figure's left edge.
    pub(super) fn name_y(&self, drawing: &mut Drawing, name: &str) {
        let upwards = Letters { upwards: true, ..Letters::new(NORMAL).at(Anchor::Middle) };
        drawing.words(name, (NAME / 2.0, f64::midpoint(self.top, self.bottom)), upwards);
    }

    /// The name of the x axis, below the texts of its ticks.
    pub(super) fn name_x(&self, drawing: &mut Drawing, name: &str) {
        let at = (f64::midpoint(self.left, self.right), self.bottom + TICKS + NAME / 2.0 - 2.0);
        drawing.words(name, at, Letters::new(NORMAL).at(Anchor::Middle));
    }
}
