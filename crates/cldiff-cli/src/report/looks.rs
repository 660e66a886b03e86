//! The look of each strategy: its family's colour, and a marker that tells it from the others of its family in a run.

use cl_strategies::{Family, ReferenceKind};
use cldiff_engine::StrategySpec;

use super::{
    drawing::{Dash, Drawing, Key, Point, Stroke},
    palette::{self, Paint},
};
use crate::{
    quantities::cells::{is_bound, strategies},
    results::{CellResult, Results},
};

/// Dots, for the floor.
const DOTS: Dash = &[1.5, 3.0];
/// Half the size of a marker.
const SIZE: f64 = 4.5;

/// The shape at each value of a line, full or as an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker(usize);

/// The signs of the shapes where there are letters alone.
const SIGNS: [&str; 10] = ["●", "▲", "■", "◆", "▼", "○", "△", "□", "◇", "▽"];

impl Marker {
    /// The i-th.
    pub(super) fn new(i: usize) -> Self {
        Self(i % SIGNS.len())
    }

    /// Its sign.
    pub(super) fn sign(self) -> &'static str {
        SIGNS[self.0]
    }

    /// Draws it around a place.
    pub(super) fn draw(self, drawing: &mut Drawing, (x, y): Point, paint: Paint) {
        let (is_full, stroke) = (self.0 < SIGNS.len() / 2, Stroke::new(paint, 1.6));
        let s = SIZE;
        let corners: &[Point] = match self.0 % (SIGNS.len() / 2) {
            0 if is_full => return drawing.circle((x, y), s - 0.5, paint),
            0 => return drawing.ring((x, y), s - 1.0, stroke),
            1 => &[(0.0, -s), (s, s * 0.8), (-s, s * 0.8)],
            2 => &[(-0.8 * s, -0.8 * s), (0.8 * s, -0.8 * s), (0.8 * s, 0.8 * s), (-0.8 * s, 0.8 * s)],
            3 => &[(0.0, -s - 0.5), (s + 0.5, 0.0), (0.0, s + 0.5), (-s - 0.5, 0.0)],
            _ => &[(0.0, s), (s, -s * 0.8), (-s, -s * 0.8)],
        };
        let outline = corners.iter().map(|(dx, dy)| (x + dx, y + dy));
        if is_full {
            drawing.area(outline, paint);
        } else {
            // The first corner once more, and the second, so that the line closes without a notch.
            let closed: Vec<Point> = outline.collect();
            drawing.line(closed.iter().chain(&closed[..2]).copied(), stroke);
        }
    }
}

/// The look of a strategy in a figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub label: String,
    pub paint: Paint,
    /// None for a bound.
    pub marker: Option<Marker>,
    pub dash: Dash,
}

impl Look {
    /// The look of the floor: training images in place of samples.
    pub(super) fn floor() -> Self {
        Self { label: "floor".into(), paint: Paint::INK.faint(0.8), marker: None, dash: DOTS }
    }

    /// Its sign where there are letters alone.
    pub(super) fn sign(&self) -> &'static str {
        match (self.marker, self.dash.len()) {
            (Some(marker), _) => marker.sign(),
            (None, 4) => "— ·",
            (None, _) if self.dash[0] > 6.0 => "— —",
            (None, _) => "- - -",
        }
    }

    /// The line in this look.
    pub(super) fn stroke(&self) -> Stroke {
        Stroke { paint: self.paint, width: if self.marker.is_some() { 2.0 } else { 1.5 }, dash: self.dash }
    }

    /// The key that explains it.
    pub(super) fn key(&self) -> Key {
        let mut sign = Drawing::default();
        sign.line([(-13.0, 0.0), (13.0, 0.0)], self.stroke());
        if let Some(marker) = self.marker {
            marker.draw(&mut sign, (0.0, 0.0), self.paint);
        }
        Key { label: self.label.clone(), sign }
    }
}

/// The look of each strategy, in their order.
pub(super) fn looks(results: &Results) -> Vec<Look> {
    let mut seen: Vec<Family> = Vec::new();
    let look = |(label, cells): (String, Vec<&CellResult>)| {
        let family = family(&cells);
        let place = seen.iter().filter(|known| **known == family).count();
        seen.push(family);
        let bound = is_bound(&cells);
        Look {
            label,
            paint: palette::family(family),
            marker: (!bound).then(|| Marker::new(place)),
            dash: if bound { dash(cells[0].reference()) } else { &[] },
        }
    };
    strategies(results).into_iter().map(look).collect()
}

/// The family of a strategy, by its terms and by what its results say of it.
pub(super) fn family(cells: &[&CellResult]) -> Family {
    if is_bound(cells) {
        return Family::Bound;
    }
    match cells.first().map(|cell| StrategySpec::family_named(&cell.strategy)) {
        // The results know better.
        None | Some(Family::Bound) => Family::Other,
        Some(family) => family,
    }
}

/// The dashes of a bound.
fn dash(reference: Option<ReferenceKind>) -> Dash {
    match reference {
        Some(ReferenceKind::Joint) => &[9.0, 4.0],
        Some(ReferenceKind::Cumulative) => &[5.0, 3.0],
        Some(ReferenceKind::Alone) => &[8.0, 3.0, 2.0, 3.0],
        None => &[3.0, 3.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{cell, input};

    fn of(strategy: &str, label: &str) -> CellResult {
        CellResult { strategy: strategy.into(), ..cell(label, 0, 2) }
    }

    fn look(cells: Vec<CellResult>, label: &str) -> Look {
        let looks = looks(&input(cells, 2).results);
        looks.into_iter().find(|look| look.label == label).unwrap()
    }

    #[test]
    fn a_strategy_has_one_colour_in_every_report() {
        let alone = look(vec![of("replay", "r")], "r");
        let among =
            vec![of("finetune", "f"), of("ewc", "e"), of("der", "d"), of("replay", "r"), of("joint", "j")];
        let others = look(among.clone(), "r");
        assert_eq!((alone.paint, others.paint), (palette::family(Family::Rehearsal), alone.paint));
        // Of two strategies of a family, the markers differ.
        assert_eq!(look(among.clone(), "d").paint, others.paint);
        assert_ne!(look(among.clone(), "d").marker, others.marker);
        assert_ne!(look(among, "e").paint, others.paint);
    }

    #[test]
    fn bounds_are_dashed_and_have_no_markers() {
        let joint = look(vec![of("joint", "j")], "j");
        assert_eq!((joint.marker, joint.dash, joint.paint), (None, &[9.0, 4.0][..], Paint::INK));
        // A file's word on a bound counts, whatever its strategy is called.
        let told = CellResult { bound: Some(true), ..of("mine", "m") };
        assert_eq!(look(vec![told], "m").paint, Paint::INK);
        let untold = CellResult { bound: Some(false), ..of("joint", "j") };
        assert_eq!(look(vec![untold], "j").paint, palette::family(Family::Other));
    }
}
