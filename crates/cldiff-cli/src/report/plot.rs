//! Charts of any numbers in the looks of the report, as SVG files: for documents, whose figures are of no single run.

use cl_strategies::Family;

use super::{
    drawing::{Drawing, Key},
    lines::{Line, chart},
    looks::{Look, Marker},
    palette::{self, Paint},
};

pub use super::{lines::Axis, scale::Kind};

/// The dashes of a level.
const DASHES: &[f64] = &[9.0, 4.0];
/// Points that lie on each other show through.
const SCATTERED: f64 = 0.7;
/// The palest shade that is told from the paper, as a share of the scale.
const PALEST: f64 = 0.32;

/// The colour of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hue {
    /// The colour of a family of strategies, the same as in every report.
    Family(Family),
    /// A shade of one scale, from pale (0) to deep (1): for series that have an order.
    Shade(f64),
}

/// The form of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Points with a line through them.
    Joined,
    /// Points by themselves.
    Scattered,
    /// A dashed level from one side to the other, at the y of the only point.
    Level,
    /// The same in dots: that of real images in place of samples.
    Floor,
}

/// Numbers that are drawn as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    /// Its colour; a level has that of texts.
    pub hue: Hue,
    /// Its form.
    pub form: Form,
    /// The number of its marker: markers tell series of one colour apart.
    pub marker: usize,
    /// x and y. Where y is not a number, a line has a gap.
    pub points: Vec<(f64, f64)>,
    /// x, lower and upper end: an area behind the line.
    pub band: Vec<(f64, f64, f64)>,
    /// x, lower and upper end: a bar at a point.
    pub bars: Vec<(f64, f64, f64)>,
}

impl Series {
    /// Points with a line through them, without uncertainty.
    pub fn joined(label: impl Into<String>, hue: Hue, marker: usize, points: Vec<(f64, f64)>) -> Self {
        let (band, bars) = (Vec::new(), Vec::new());
        Self { label: label.into(), hue, form: Form::Joined, marker, points, band, bars }
    }

    /// A level, or the floor.
    pub fn level(label: impl Into<String>, form: Form, y: f64) -> Self {
        Self { form, ..Self::joined(label, Hue::Shade(1.0), 0, vec![(f64::NAN, y)]) }
    }

    fn paint(&self) -> Paint {
        match self.hue {
            Hue::Family(family) => palette::family(family),
            Hue::Shade(share) => palette::sequential(PALEST + (1.0 - PALEST) * share).into(),
        }
    }

    fn look(&self) -> Look {
        let label = self.label.clone();
        match self.form {
            Form::Floor => Look { label, ..Look::floor() },
            Form::Level => Look { label, paint: Paint::INK, marker: None, dash: DASHES },
            Form::Joined | Form::Scattered => {
                let opacity = if self.form == Form::Scattered { SCATTERED } else { 1.0 };
                let marker = Some(Marker::new(self.marker));
                Look { label, paint: self.paint().faint(opacity), marker, dash: &[] }
            }
        }
    }

    fn line(&self) -> Line {
        Line {
            band: self.band.clone(),
            bars: self.bars.clone(),
            is_level: matches!(self.form, Form::Level | Form::Floor),
            is_scattered: self.form == Form::Scattered,
            ..Line::new(self.look(), self.points.clone())
        }
    }

    fn key(&self) -> Key {
        let look = self.look();
        match look.marker {
            Some(marker) if self.form == Form::Scattered => {
                let mut sign = Drawing::default();
                marker.draw(&mut sign, (0.0, 0.0), look.paint);
                Key { label: look.label, sign }
            }
            _ => look.key(),
        }
    }
}

/// A chart with title, notes and legend as an SVG file that needs nothing beside it. Its background is white, and no letters
/// are smaller than 11 pixels.
pub fn svg(title: &str, x: Axis<'_>, y: Axis<'_>, series: &[Series], notes: Vec<String>) -> String {
    let lines: Vec<Line> = series.iter().map(Series::line).collect();
    let mut figure = chart(title, x, y, &lines, notes);
    figure.keys = series.iter().map(Series::key).collect();
    figure.svg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::drawing::well_formed;

    fn of(form: Form) -> String {
        let points = (0..60).map(|i| (f64::from(i), f64::from(i * i))).collect();
        let series = Series { form, ..Series::joined("a < b", Hue::Family(Family::Rehearsal), 0, points) };
        let axis = |name| Axis { name, kind: Kind::Linear };
        svg("A title", axis("across"), axis("up"), &[series], vec!["A note.".into()])
    }

    #[test]
    fn a_chart_is_a_file_with_all_its_words() {
        let file = of(Form::Joined);
        well_formed(&file).unwrap();
        for word in ["A title", "across", "up", "A note.", "a &lt; b", "#009e73", "fill=\"#ffffff\""] {
            assert!(file.contains(word), "{word}");
        }
        let sizes = file.split("font-size=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert!(sizes.map(|size| size.parse::<f64>().unwrap()).all(|size| size >= 11.0));
    }

    #[test]
    fn scattered_points_are_all_there_and_no_line_joins_them() {
        let (scattered, joined) = (of(Form::Scattered), of(Form::Joined));
        // One more in the legend; a line of as many points has no markers.
        assert_eq!(scattered.matches("<circle").count(), 61);
        assert_eq!(joined.matches("<circle").count(), 1);
        assert!(!scattered.contains("stroke=\"#009e73\"") && joined.contains("stroke=\"#009e73\""));
    }

    #[test]
    fn the_deepest_shade_and_the_palest_differ() {
        let paint = |share| Series::joined("", Hue::Shade(share), 0, Vec::new()).paint();
        assert_ne!(paint(0.0), paint(1.0));
        assert_eq!(paint(1.0), palette::sequential(1.0).into());
    }
}
