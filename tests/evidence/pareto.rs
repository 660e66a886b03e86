//! The Pareto front of a quantity against a cost: the strategies that no other one beats in both.
//!
//! A strategy is beaten by one whose means over the seeds are as low in both, and lower in one. How much the front depends on
//! the seeds is found by a bootstrap over seeds, as for optima: as many seeds are drawn with replacement as there are, 10,000
//! times, and the share of the draws is given in which a strategy is on the front. All strategies have the same draws.

use std::{collections::BTreeMap, fmt::Write};

use cl_metrics::summary::{BySeed, over_seeds};
use cl_strategies::Family;
use cldiff_cli::report::plot::{Axis, Form, Hue, Kind, Series, svg};
use cldiff_engine::StrategySpec;
use keyed_random::{Key, Purpose};
use rand::Rng;

use super::{
    number::{fixed, listed, with_interval},
    rows::Rows,
    spec::{Pareto, Scale, Spec},
};

const DRAWS: u64 = 10_000;
/// The least share of the draws with which a strategy is in the table.
const SHARE: f64 = 0.05;

/// A strategy with its quantity and its cost, seed by seed.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    label: String,
    family: Family,
    cost: Vec<f64>,
    quantity: Vec<f64>,
}

/// The fewest seeds of which a bootstrap says anything.
const FEWEST: usize = crate::optimum::FEWEST;

/// The competing strategies, the fronts, and what is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Front {
    members: Vec<Member>,
    /// Whether each is on the front of the means.
    is_on: Vec<bool>,
    /// The share of the draws in which each is; nothing for fewer than three seeds.
    share: Vec<f64>,
    /// Labels that are left out, each with the reason.
    left_out: Vec<String>,
}

/// The front; none where no two labels have values for the same seeds. The seeds are those that most labels have.
pub fn front(spec: &Spec, of: &Pareto, rows: &Rows) -> Option<Front> {
    let labels: Vec<&String> = rows.labels().iter().filter(|label| spec.competes(label)).collect();
    let mut counts: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *counts.entry(rows.seeds(label)).or_default() += 1);
    let (seeds, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let (mut members, mut left_out) = (Vec::new(), Vec::new());
    for label in labels {
        if rows.seeds(label) != seeds {
            left_out.push(format!("`{label}` (other seeds)"));
            continue;
        }
        match member(of, rows, label, &seeds) {
            Some(member) => members.push(member),
            None => left_out.push(format!("`{label}` (a seed has no value)")),
        }
    }
    if members.len() < 2 {
        return None;
    }
    let all: Vec<usize> = (0..seeds.len()).collect();
    let key = Key::new(0, Purpose::named("resamples of the seeds of a front"));
    let mut counts = vec![0_u64; if seeds.len() < FEWEST { 0 } else { members.len() }];
    for draw in 0..if counts.is_empty() { 0 } else { DRAWS } {
        let mut rng = key.rng(draw);
        let drawn: Vec<usize> = all.iter().map(|_| rng.random_range(0..seeds.len())).collect();
        for (count, is_on) in counts.iter_mut().zip(unbeaten(&members, &drawn)) {
            *count += u64::from(is_on);
        }
    }
    let share = counts.into_iter().map(|count| count as f64 / DRAWS as f64).collect();
    Some(Front { is_on: unbeaten(&members, &all), members, share, left_out })
}

/// None if a seed has no value.
fn member(of: &Pareto, rows: &Rows, label: &str, seeds: &[u64]) -> Option<Member> {
    let in_order = |values: &BySeed| -> Option<Vec<f64>> {
        seeds.iter().map(|seed| values.get(seed).copied()).collect()
    };
    let mut cost = vec![0.0; seeds.len()];
    for (metric, weight) in &of.cost {
        let part = in_order(&rows.of(label, metric))?;
        cost.iter_mut().zip(part).for_each(|(sum, value)| *sum += weight * value);
    }
    let quantity = in_order(&rows.of(label, &of.metric))?;
    let family = StrategySpec::family_named(rows.strategy(label));
    Some(Member { label: label.to_owned(), family, cost, quantity })
}

/// Whether each is beaten by none in the sums over some seeds.
fn unbeaten(members: &[Member], seeds: &[usize]) -> Vec<bool> {
    let sum = |values: &[f64]| seeds.iter().map(|seed| values[*seed]).sum::<f64>();
    let sums: Vec<(f64, f64)> = members.iter().map(|of| (sum(&of.cost), sum(&of.quantity))).collect();
    let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    sums.iter().map(|of| !sums.iter().any(|other| beats(*other, *of))).collect()
}

impl Front {
    fn cost(&self, place: usize) -> f64 {
        let cost = &self.members[place].cost;
        cost.iter().sum::<f64>() / cost.len() as f64
    }

    /// The places of those that are on it in the means, by cost.
    fn on(&self) -> Vec<usize> {
        self.by_cost(|place| self.is_on[place])
    }

    fn by_cost(&self, is_in: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.members.len()).filter(|place| is_in(*place)).collect();
        places.sort_by(|a, b| self.cost(*a).total_cmp(&self.cost(*b)));
        places
    }

    /// The labels on the front of the means, by cost.
    pub fn labels(&self) -> Vec<String> {
        self.on().into_iter().map(|place| self.members[place].label.clone()).collect()
    }

    fn mean(&self, place: usize) -> f64 {
        let values = &self.members[place].quantity;
        values.iter().sum::<f64>() / values.len() as f64
    }
}

/// The figure: those on the front by name, the others as points in the colours of their families.
pub fn figure(of: &Pareto, found: &Front) -> String {
    let mut beaten: BTreeMap<Family, Vec<(f64, f64)>> = BTreeMap::new();
    for (place, member) in found.members.iter().enumerate().filter(|(place, _)| !found.is_on[*place]) {
        beaten.entry(member.family).or_default().push((found.cost(place), found.mean(place)));
    }
    let mut series: Vec<Series> = Vec::new();
    // A logarithmic axis has no room below.
    let least = (0..found.members.len())
        .map(|place| found.mean(place))
        .filter(|mean| *mean > 0.0)
        .fold(f64::INFINITY, f64::min);
    let lowest = if of.scale == Scale::Log { least / 2.0 } else { f64::NEG_INFINITY };
    let mut is_cut = false;
    for (marker, place) in found.on().into_iter().enumerate() {
        let Member { label, family, quantity, .. } = &found.members[place];
        let interval = over_seeds(quantity.iter().copied()).and_then(|over| over.interval());
        let bars = interval.iter().map(|of| (found.cost(place), of.low.max(lowest), of.high)).collect();
        is_cut |= interval.is_some_and(|of| of.low < lowest);
        let points = vec![(found.cost(place), found.mean(place))];
        let line = Series::joined(label, Hue::Family(*family), marker, points);
        series.push(Series { bars, ..line });
    }
    series.extend(beaten.into_iter().map(|(family, points)| Series {
        form: Form::Scattered,
        ..Series::joined(format!("{family}, not on the front"), Hue::Family(family), BEATEN, points)
    }));
    let has_zero = (0..found.members.len()).any(|place| found.cost(place) == 0.0);
    let kind = if has_zero { Kind::LogAndZero } else { Kind::Log };
    let (x, y) = (Axis { name: &of.x, kind }, Axis { name: &of.y, kind: of.scale.into() });
    let mut notes =
        "Means over the seeds; bars: 95 % t interval. By name: the strategies on the front.".to_owned();
    if is_cut {
        notes += " Intervals that reach below the axis are cut there.";
    }
    svg(&of.title, x, y, &series, vec![notes])
}

/// The marker of those that are beaten.
const BEATEN: usize = 5;

const ABOUT: &str = "In bold, on the front: no other strategy has means as low in both and lower in one. The last column is the \
    share of 10,000 resamples of the seeds in which that is so. It shows how far the front hangs on the seeds; it is no \
    probability, and with few seeds it is too close to 0 or 100 %.";

/// The table of those that are on the front in at least 5 % of the draws.
pub fn table(of: &Pareto, found: &Front) -> String {
    let mut text = format!("| strategy | {} | {} | on the front in |\n|---|---|---|---|\n", of.x, of.y);
    let share = |place: usize| found.share.get(place).copied();
    for place in found.by_cost(|place| found.is_on[place] || share(place).is_some_and(|share| share >= SHARE))
    {
        let member = &found.members[place];
        let quantity = over_seeds(member.quantity.iter().copied());
        let quantity = quantity.map_or(String::new(), |over| with_interval(&over, of.digits));
        let label = if found.is_on[place] {
            format!("**`{}`**", member.label)
        } else {
            format!("`{}`", member.label)
        };
        let cost = fixed(found.cost(place), of.cost_digits);
        let share =
            share(place).map_or_else(|| "too few seeds".into(), |share| fixed(100.0 * share, 0) + " %");
        writeln!(text, "| {label} | {cost} | {quantity} | {share} |").unwrap();
    }
    let mut about = ABOUT.to_owned();
    if !found.left_out.is_empty() {
        write!(about, " Left out: {}.", listed(&found.left_out)).unwrap();
    }
    format!("{text}\n*{about}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::experiment;

    const LINES: &str = "bounds = [\"joint\"]\n[[pareto]]\nname = \"p\"\ntitle = \"Title\"\nmetric = \"m\"\ny = \"quality\"\n\
        x = \"cost\"\nscale = \"log\"\ndigits = 1\ncost_digits = 0\ncost = { a = 1.0, b = 4.0 }";

    fn found() -> Front {
        let mut rows = Rows::default();
        let mut add = |label: &str, a: f64, b: f64, quantity: &[Option<f64>]| {
            for (seed, value) in (0..).zip(quantity) {
                let mut put = |metric: &str, value| {
                    rows.add_value(label.into(), Some("replay".into()), metric.into(), seed, value);
                };
                put("a", Some(a));
                put("b", Some(b));
                put("m", *value);
            }
        };
        let of = |values: [f64; 5]| values.map(Some);
        add("joint", 0.0, 0.0, &of([0.1; 5]));
        add("cheap", 2.0, 0.0, &of([9.0; 5]));
        add("beaten", 3.0, 1.0, &of([9.5; 5]));
        // 2 + 4 x 2.
        add("dear", 2.0, 2.0, &of([1.0, 1.0, 1.0, 1.0, 1.0]));
        // Better than "dear" at more cost by the first seed alone: in 1 - 0.8^5 = 67 % of the draws.
        add("perhaps", 20.0, 0.0, &of([0.0, 1.0, 1.0, 1.0, 1.0]));
        add("lost", 1.0, 0.0, &[Some(1.0), None, Some(1.0), Some(1.0), Some(1.0)]);
        add("more", 1.0, 0.0, &[Some(0.1); 6]);
        let spec = experiment(LINES);
        front(&spec, &spec.paretos[0], &rows).unwrap()
    }

    #[test]
    fn two_seeds_have_a_front_and_no_share() {
        let mut rows = Rows::default();
        for (label, cost) in [("a", 1.0), ("b", 2.0)] {
            for seed in [0, 1] {
                for (metric, value) in [("a", cost), ("b", 0.0), ("m", 3.0 - cost)] {
                    rows.add_value(label.into(), None, metric.into(), seed, Some(value));
                }
            }
        }
        let spec = experiment(LINES);
        let found = front(&spec, &spec.paretos[0], &rows).unwrap();
        assert_eq!(found.labels(), ["a", "b"]);
        assert!(table(&spec.paretos[0], &found).contains("| too few seeds |"));
    }

    #[test]
    fn the_front_has_those_that_no_other_beats_in_both() {
        let found = found();
        assert_eq!(found.labels(), ["cheap", "dear", "perhaps"]);
        assert_eq!(found.left_out, ["`lost` (a seed has no value)", "`more` (other seeds)"]);
        let share = |label: &str| found.share[found.members.iter().position(|of| of.label == label).unwrap()];
        assert_eq!((share("cheap"), share("beaten"), share("dear")), (1.0, 0.0, 1.0));
        assert!((share("perhaps") - 0.672).abs() < 0.02, "{}", share("perhaps"));
    }

    #[test]
    fn the_table_has_costs_with_their_weights_and_names_what_is_left_out() {
        let (spec, found) = (experiment(LINES), found());
        let table = table(&spec.paretos[0], &found);
        for line in [
            "| strategy | cost | quality | on the front in |",
            "| **`cheap`** | 2 | 9.0 (9.0 to 9.0) | 100 % |",
        ] {
            assert!(table.contains(line), "{table}");
        }
        assert!(
            table.contains("| **`dear`** | 10 |") && table.contains("`lost` (a seed has no value)"),
            "{table}"
        );
        assert!(!table.contains("beaten") && !table.contains("joint"), "{table}");
        let figure = figure(&spec.paretos[0], &found);
        for word in ["cheap", "dear", "rehearsal of stored images, not on the front"] {
            assert!(figure.contains(word), "{word}");
        }
    }
}
