//! The optima of curves over their groups, in one figure: a line for each curve.

use cl_strategies::Family;
use cldiff_cli::report::plot::{Axis, Hue, Kind, Series, svg};

use super::{
    curve,
    experiments::Experiments,
    optimum::{optimum, why_none},
    spec::Law,
};

/// The colours of the lines.
const HUES: [Hue; 3] =
    [Hue::Family(Family::Parameters), Hue::Family(Family::Baseline), Hue::Family(Family::Rehearsal)];
/// Lines stand so far beside each other, as a factor of x, that their bars do not cover each other.
const ASIDE: f64 = 1.06;

/// The figure; none while an experiment of its curves is running.
pub fn figure(law: &Law, all: &Experiments) -> Option<String> {
    let (mut series, mut lost) = (Vec::new(), Vec::new());
    for (i, (place, label)) in law.curves.iter().enumerate() {
        let (experiment, name) =
            place.split_once('/').unwrap_or_else(|| panic!("{place}: not EXPERIMENT/CURVE"));
        let (spec, rows) = all.get(experiment);
        let curve = spec.curves.iter().find(|curve| curve.name == name);
        let curve = curve.unwrap_or_else(|| panic!("there is no curve {place}"));
        let mut line = Series::joined(label, HUES[i % HUES.len()], i, Vec::new());
        for group in curve::groups(curve, rows?) {
            let Some(found) = optimum(&group.points) else {
                let name = curve::name(curve, group.number);
                lost.push(format!("{label}, {name}: {}", why_none(&group.points)));
                continue;
            };
            let x = group.number * ASIDE.powi(i as i32);
            let of = |place: usize| group.points[place].x;
            line.points.push((x, of(found.best)));
            line.bars.push((x, of(found.likely[0]), of(found.likely[found.likely.len() - 1])));
        }
        series.push(line);
    }
    let has_zero = series.iter().flat_map(|of| &of.bars).any(|bar| bar.1 == 0.0);
    let (x, y) = (
        Axis { name: &law.x, kind: Kind::Log },
        Axis { name: &law.y, kind: if has_zero { Kind::LogAndZero } else { Kind::Log } },
    );
    let notes = "Points: the value of the grid with the lowest mean. Bars: from the least to the greatest value that has the \
                 lowest mean in at least 5 % of 10,000 resamples of the seeds; not every value between need do so.";
    let mut notes = vec![notes.to_owned()];
    if !lost.is_empty() {
        notes.push(format!("Not drawn: {}.", lost.join("; ")));
    }
    Some(svg(&law.title, x, y, &series, notes))
}
