//! A quantity over a number that labels have, a line for each group: means over the seeds with their 95 % t intervals.

use cl_metrics::summary::{BySeed, OverSeeds, over_seeds};
use cl_strategies::Family;
use cldiff_cli::report::plot::{Axis, Form, Hue, Kind, Series, svg};

use super::{
    number::short,
    pattern::Pattern,
    rows::Rows,
    spec::{Curve, Scale},
};

/// The marker at 0, which no group of fewer than six has.
const RING: usize = 5;

/// A point of a curve: the values of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The number.
    pub x: f64,
    /// The label.
    pub label: String,
    /// The values; none if a seed has none.
    pub values: BySeed,
}

/// The points of one group, by x.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The number of the group.
    pub number: f64,
    /// The points.
    pub points: Vec<Point>,
}

/// The groups of a curve, by their numbers. The label that is x = 0 is a point of each.
pub fn groups(curve: &Curve, rows: &Rows) -> Vec<Group> {
    let pattern = Pattern::of(&curve.labels);
    let mut groups: Vec<Group> = Vec::new();
    for label in rows.labels() {
        let Some((number, x)) = pattern.read(label) else { continue };
        let point = point(curve, rows, label, x);
        match groups.iter_mut().find(|group| group.number == number) {
            Some(group) => group.points.push(point),
            None => groups.push(Group { number, points: vec![point] }),
        }
    }
    for group in &mut groups {
        group.points.extend(curve.zero.as_ref().map(|label| self::point(curve, rows, label, 0.0)));
        group.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    groups.sort_by(|a, b| a.number.total_cmp(&b.number));
    groups
}

fn point(curve: &Curve, rows: &Rows, label: &str, x: f64) -> Point {
    Point { x, label: label.to_owned(), values: rows.of(label, &curve.metric) }
}

/// The name of a group.
pub fn name(curve: &Curve, number: f64) -> String {
    curve.group.replace("{group}", &short(number))
}

/// The figure.
pub fn figure(curve: &Curve, rows: &Rows) -> String {
    let groups = groups(curve, rows);
    let shade = |i: usize| Hue::Shade(i as f64 / (groups.len().max(2) - 1) as f64);
    let mut series: Vec<Series> =
        groups.iter().enumerate().map(|(i, group)| line(curve, group, (shade(i), i))).collect();
    // All groups have the point at 0 in common.
    series.extend(curve.zero.as_ref().map(|label| zero(curve, &point(curve, rows, label, 0.0))));
    let mut lost = Vec::new();
    for label in &curve.levels {
        match over_seeds(rows.of(label, &curve.metric).into_values()) {
            Some(over) => series.push(Series::level(label, Form::Level, over.mean)),
            None => lost.push(label.clone()),
        }
    }
    let floor = rows.of_run(&format!("floor.{}", curve.metric)).filter(|_| curve.floor);
    series.extend(floor.map(|y| Series::level("training images in place of samples", Form::Floor, y)));
    let mut notes = vec![format!("Mean over {}; bands and bars: 95 % t interval.", seeds(&groups))];
    if cut(curve, &mut series) {
        notes.push("Intervals that reach below the axis are cut there.".into());
    }
    notes.extend(gaps(&groups, lost));
    let kind = if curve.zero.is_some() { Kind::LogAndZero } else { Kind::Log };
    let (x, y) = (Axis { name: &curve.x, kind }, Axis { name: &curve.y, kind: curve.scale.into() });
    svg(&curve.title, x, y, &series, notes)
}

/// The points above 0, with their band. A point without a value is a gap.
fn line(curve: &Curve, group: &Group, (hue, marker): (Hue, usize)) -> Series {
    let points = group.points.iter().filter(|point| point.x > 0.0);
    let over: Vec<(f64, Option<OverSeeds>)> = points.map(|point| (point.x, over(point))).collect();
    let means = over.iter().map(|(x, over)| (*x, over.map_or(f64::NAN, |over| over.mean))).collect();
    let band = over.iter().map(|(x, over)| {
        let interval = over.and_then(|over| over.interval());
        interval.map_or((*x, f64::NAN, f64::NAN), |of| (*x, of.low, of.high))
    });
    Series { band: band.collect(), ..Series::joined(name(curve, group.number), hue, marker, means) }
}

fn zero(curve: &Curve, point: &Point) -> Series {
    let over = over(point);
    let points = over.iter().map(|over| (0.0, over.mean)).collect();
    let interval = over.and_then(|over| over.interval());
    let bars = interval.iter().map(|of| (0.0, of.low, of.high)).collect();
    let label = format!("{} at 0", curve.zero.as_deref().unwrap_or_default());
    let hue = Hue::Family(Family::Baseline);
    Series { bars, form: Form::Scattered, ..Series::joined(label, hue, RING, points) }
}

fn over(point: &Point) -> Option<OverSeeds> {
    over_seeds(point.values.values().copied())
}

/// Cuts intervals that a logarithmic axis has no room for, at half the least mean; whether any was cut.
fn cut(curve: &Curve, series: &mut [Series]) -> bool {
    if curve.scale != Scale::Log {
        return false;
    }
    let means = series.iter().flat_map(|of| of.points.iter().map(|point| point.1));
    let least = means.filter(|mean| *mean > 0.0).fold(f64::INFINITY, f64::min) / 2.0;
    let ends = series.iter_mut().flat_map(|of| of.band.iter_mut().chain(&mut of.bars));
    let below: Vec<&mut f64> = ends.map(|ends| &mut ends.1).filter(|low| **low < least).collect();
    let any = !below.is_empty();
    below.into_iter().for_each(|low| *low = least);
    any
}

fn seeds(groups: &[Group]) -> String {
    let mut numbers: Vec<usize> =
        groups.iter().flat_map(|group| group.points.iter().map(|point| point.values.len())).collect();
    numbers.retain(|number| *number > 0);
    numbers.sort_unstable();
    numbers.dedup();
    let word = if numbers == [1] { "seed" } else { "seeds" };
    format!("{} {word}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
}

/// Labels that have no mean because a seed has no value.
fn gaps(groups: &[Group], levels: Vec<String>) -> Option<String> {
    let points = groups.iter().flat_map(|group| &group.points);
    let lost = points.filter(|point| point.values.is_empty()).map(|point| point.label.clone());
    let mut labels: Vec<String> = lost.chain(levels).collect();
    labels.sort_unstable();
    labels.dedup();
    let names = super::number::listed(&labels);
    (!labels.is_empty()).then(|| format!("Not drawn, since a seed has no value: {names}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{experiment, rows};

    const CURVE: &str = "[[curve]]\nname = \"c\"\ntitle = \"Title\"\nmetric = \"m\"\nlabels = \"s-{group}-{x}\"\n\
        zero = \"none\"\nx = \"x\"\ny = \"y\"\nscale = \"log\"\ngroup = \"{group} images\"\nlevels = [\"joint\"]";

    #[test]
    fn labels_become_groups_in_their_order_and_zero_is_in_each() {
        let rows = rows(&[
            ("none", vec![9.0, 9.0]),
            ("s-20-1", vec![2.0, 2.0]),
            ("s-20-0.1", vec![3.0, 3.0]),
            ("s-5-1", vec![4.0, 4.0]),
            ("joint", vec![1.0, 1.0]),
        ]);
        let spec = experiment(CURVE);
        let found = groups(&spec.curves[0], &rows);
        let x = |group: &Group| group.points.iter().map(|point| point.x).collect::<Vec<_>>();
        assert_eq!(found.iter().map(|group| group.number).collect::<Vec<_>>(), [5.0, 20.0]);
        assert_eq!((x(&found[0]), x(&found[1])), (vec![0.0, 1.0], vec![0.0, 0.1, 1.0]));
        let figure = figure(&spec.curves[0], &rows);
        for word in ["20 images", "5 images", "none at 0", "joint", "Mean over 2 seeds"] {
            assert!(figure.contains(word), "{word}");
        }
    }

    /// The interval of 1, 3 and 5 has a lower end of -1.97.
    #[test]
    fn an_interval_below_a_logarithmic_axis_is_cut_and_the_figure_says_so() {
        let rows = rows(&[("none", vec![9.0; 3]), ("s-5-1", vec![1.0, 3.0, 5.0])]);
        let figure = figure(&experiment(CURVE).curves[0], &rows);
        assert!(figure.contains("are cut there"));
    }

    #[test]
    fn a_label_with_a_lost_seed_has_no_point_and_is_named() {
        let mut rows = rows(&[("none", vec![9.0; 3]), ("s-5-1", vec![1.0; 3])]);
        rows.add_value("s-5-3".into(), None, "m".into(), 0, None);
        rows.add_value("joint".into(), None, "m".into(), 0, None);
        let figure = figure(&experiment(CURVE).curves[0], &rows);
        assert!(figure.contains("no value: joint and s-5-3."));
    }
}
