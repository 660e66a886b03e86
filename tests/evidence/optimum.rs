//! The optimum of a curve: the x of the lowest mean over the seeds, and the values of the grid that may well be it.
//!
//! The second is found by a bootstrap over seeds: as many seeds are drawn with replacement as there are, 10,000 times, and
//! an x belongs to the set if it has the lowest mean in at least 5 % of the draws. All x are compared on the same seeds. It
//! says how much the choice depends on the seeds; it is no confidence interval, and with five seeds it is too small rather
//! than too large.

use std::fmt::Write;

use cl_metrics::summary::{BySeed, OverSeeds, paired_difference};
use keyed_random::{Key, Purpose};
use rand::Rng;

use super::{
    curve::{self, Group, Point},
    number::{short, with_interval},
    rows::Rows,
    source::source,
    spec::{Curve, Spec},
    verdict::AgainstReferences,
};

/// The number of resamples.
const DRAWS: u64 = 10_000;
/// An x that is best in at least this share of the resamples belongs to the set.
const SHARE: f64 = 0.05;
/// The fewest seeds of which a bootstrap says anything.
pub const FEWEST: usize = 3;

/// The optimum of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimum {
    /// The place of the best point in the group.
    pub best: usize,
    /// The places of the points that are best in at least 5 % of the resamples, by x.
    pub likely: Vec<usize>,
}

/// The optimum of a group; none for fewer than three seeds, and where the points have not the same seeds.
pub fn optimum(points: &[Point]) -> Option<Optimum> {
    let seeds: Vec<u64> = points.first()?.values.keys().copied().collect();
    let is_whole = points.iter().all(|point| point.values.keys().eq(seeds.iter()));
    if seeds.len() < FEWEST || !is_whole {
        return None;
    }
    let values: Vec<Vec<f64>> = points.iter().map(|point| point.values.values().copied().collect()).collect();
    let all: Vec<usize> = (0..seeds.len()).collect();
    let key = Key::new(0, Purpose::named("resamples of the seeds of a curve"));
    let mut counts = vec![0_u64; points.len()];
    for draw in 0..DRAWS {
        let mut rng = key.rng(draw);
        let drawn: Vec<usize> = all.iter().map(|_| rng.random_range(0..seeds.len())).collect();
        counts[lowest(&values, &drawn)] += 1;
    }
    let best = lowest(&values, &all);
    let is_likely = |place: &usize| *place == best || counts[*place] as f64 >= SHARE * DRAWS as f64;
    Some(Optimum { best, likely: (0..points.len()).filter(is_likely).collect() })
}

/// Why a group has no optimum.
pub fn why_none(points: &[Point]) -> &'static str {
    if points.iter().any(|point| point.values.is_empty()) {
        "a seed has no value"
    } else if points.iter().any(|point| point.values.len() < FEWEST) {
        "fewer than three seeds"
    } else {
        "the values have different seeds"
    }
}

/// The place of the lowest mean over some seeds; of equal means, the first.
fn lowest(values: &[Vec<f64>], seeds: &[usize]) -> usize {
    let sum = |of: &Vec<f64>| seeds.iter().map(|seed| of[*seed]).sum::<f64>();
    let sums: Vec<f64> = values.iter().map(sum).collect();
    (0..sums.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0)
}

/// The best x, and the set in parentheses: "0.1 (0.1 to 0.3)" where it is a part of the grid without gaps.
pub fn text(group: &Group, found: &Optimum) -> String {
    let x = |place: usize| short(group.points[place].x);
    let (first, last) = (found.likely[0], found.likely[found.likely.len() - 1]);
    let set = match found.likely.len() {
        1 => "no other".to_owned(),
        n if last - first + 1 == n => format!("{} to {}", x(first), x(last)),
        _ => found.likely.iter().map(|place| x(*place)).collect::<Vec<_>>().join(", "),
    };
    format!("{} ({set})", x(found.best))
}

/// The quantity at the best x less that at another, paired by seed; none where the group has not that x, or it is the best.
pub fn less_at(group: &Group, found: &Optimum, x: f64) -> Option<OverSeeds> {
    let other = group.points.iter().position(|point| point.x == x).filter(|other| *other != found.best)?;
    let values = |place: usize| -> &BySeed { &group.points[place].values };
    paired_difference(values(found.best), values(other))
}

/// The table of the optima of a curve, with a text that says what the sets and the intervals are.
pub fn table(spec: &Spec, curve: &Curve, rows: &Rows, digits: usize) -> String {
    let others = [1.0, 0.0];
    let groups = curve::groups(curve, rows);
    let verdicts = against_all(&groups, curve, rows, &others);
    let headings = others.map(|x| format!("{} there less that at {}", curve.y, short(x)));
    let mut text = format!("| | best {} | {} |\n|---|---|---|---|\n", curve.x, headings.join(" | "));
    for group in groups {
        let name = curve::name(curve, group.number);
        let Some(found) = optimum(&group.points) else {
            writeln!(text, "| {name} | none: {} | | |", why_none(&group.points)).unwrap();
            continue;
        };
        let cells = others.map(|x| against(&group, &found, &verdicts, x, digits));
        writeln!(text, "| {name} | {} | {} |", self::text(&group, &found), cells.join(" | ")).unwrap();
    }
    format!("{text}\n*{ABOUT} {}*\n", source(spec))
}

const ABOUT: &str = "The best value of the grid has the lowest mean over the seeds. In parentheses: the values that have the \
    lowest mean in at least 5 % of 10,000 resamples of the seeds. This set shows how far the choice hangs on the seeds; it \
    is no confidence interval. Differences are paired by seed, with their 95 % t interval. The best value is chosen by the \
    same seeds, which favours it in these intervals. ★: told apart by the paired t test with Holm's correction over all \
    comparisons that the table could have made, of each value in each row, which no choice favours.";

/// Every point of every group against the points of its group at some x: the best one may be any of them.
fn against_all(groups: &[Group], curve: &Curve, rows: &Rows, others: &[f64]) -> AgainstReferences {
    let mut family: Vec<(&str, &str)> = Vec::new();
    for group in groups {
        for reference in group.points.iter().filter(|point| others.contains(&point.x)) {
            family.extend(group.points.iter().map(|point| (point.label.as_str(), reference.label.as_str())));
        }
    }
    AgainstReferences::of(rows, &curve.metric, family)
}

fn against(group: &Group, found: &Optimum, verdicts: &AgainstReferences, x: f64, digits: usize) -> String {
    if group.points[found.best].x == x {
        return "it is the best".into();
    }
    let Some(other) = group.points.iter().find(|point| point.x == x) else { return String::new() };
    let is_told = verdicts.tells(&group.points[found.best].label, &other.label);
    let star = if is_told { " ★" } else { "" };
    less_at(group, found, x).map_or(String::new(), |over| with_interval(&over, digits) + star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(values: &[(f64, &[f64])]) -> Group {
        let point = |(x, values): &(f64, &[f64])| {
            let values = (0..).zip(values.iter().copied()).collect();
            Point { x: *x, label: x.to_string(), values }
        };
        Group { number: 1.0, points: values.iter().map(point).collect() }
    }

    fn found(values: &[(f64, &[f64])]) -> (Optimum, String) {
        let group = group(values);
        let found = optimum(&group.points).unwrap();
        let text = text(&group, &found);
        (found, text)
    }

    /// The second beats the first by 1 on three seeds and loses by 1 on two: it has the lower mean where at least three of
    /// five draws are of these three, with a probability of 0.683. The third is never best.
    #[test]
    fn the_set_has_what_many_resamples_choose() {
        let base = [5.0, 9.0, 7.0, 1.0, 3.0];
        let second = [4.0, 8.0, 6.0, 2.0, 4.0];
        let (of, text) = found(&[(0.0, &base), (0.1, &second), (1.0, &base.map(|v| v + 3.0))]);
        assert_eq!((of.best, of.likely, text.as_str()), (1, vec![0, 1], "0.1 (0 to 0.1)"));
    }

    #[test]
    fn seeds_that_agree_leave_one_value_and_a_set_with_a_gap_is_listed() {
        let base = [5.0, 9.0, 7.0, 1.0, 3.0];
        let (of, text) = found(&[(0.1, &base.map(|v| v + 1.0)), (1.0, &base)]);
        assert_eq!((of.best, of.likely, text.as_str()), (1, vec![1], "1 (no other)"));
        let (low, high) = ([0.0, 2.0, 0.0, 2.0, 0.0], [2.0, 0.0, 2.0, 0.0, 2.0]);
        let (_, text) = found(&[(0.1, &low), (0.3, &[9.0; 5]), (1.0, &high)]);
        assert_eq!(text, "0.1 (0.1, 1)");
    }

    /// One seed of 5 with the second far better: it is best in the resamples that have that seed, 1 - 0.8^5 = 67 %.
    #[test]
    fn a_mean_that_one_seed_makes_is_not_certain() {
        let (of, _) = found(&[(0.1, &[1.0; 5]), (1.0, &[1.1, 1.1, 1.1, 1.1, 0.0])]);
        assert_eq!((of.best, of.likely), (1, vec![0, 1]));
    }

    #[test]
    fn two_seeds_and_a_lost_one_have_no_optimum() {
        assert_eq!(optimum(&group(&[(0.1, &[1.0, 2.0]), (1.0, &[2.0, 3.0])]).points), None);
        assert_eq!(optimum(&group(&[(0.1, &[1.0, 2.0, 3.0]), (1.0, &[2.0, 3.0])]).points), None);
    }

    #[test]
    fn a_group_without_an_optimum_says_why() {
        let why = |values: &[(f64, &[f64])]| why_none(&group(values).points);
        assert_eq!(why(&[(0.1, &[1.0; 3]), (1.0, &[])]), "a seed has no value");
        assert_eq!(why(&[(0.1, &[1.0; 2]), (1.0, &[1.0; 2])]), "fewer than three seeds");
        assert_eq!(why(&[(0.1, &[1.0; 3]), (1.0, &[1.0; 4])]), "the values have different seeds");
    }

    #[test]
    fn the_best_is_compared_on_the_same_seeds() {
        let group = group(&[(0.0, &[3.0, 5.0, 7.0]), (0.1, &[1.0, 2.0, 3.0]), (1.0, &[9.0, 9.0, 9.0])]);
        let found = optimum(&group.points).unwrap();
        assert_eq!(less_at(&group, &found, 0.0).unwrap().mean, -3.0);
        assert_eq!((less_at(&group, &found, 0.1), less_at(&group, &found, 0.5)), (None, None));
    }
}
