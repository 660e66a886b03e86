//! Verdicts between every two strategies as a map, with symbols as well as colours: the row against the column.

use cl_metrics::summary::{Direction, FEWEST_SEEDS};
use minijinja::{Value, context};

use super::{
    crowd,
    statistics::{self, Pair},
};
use crate::{
    quantities::{
        cells::competitors,
        columns::{Column, qualities},
    },
    results::{CellResult, Results},
};

/// The verdict on a row against a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    NotToldApart,
    TooFewSeeds,
}

impl Verdict {
    /// The verdict on `row` in its pair with another strategy; too few seeds where the pair has no difference either.
    fn of(row: &str, pair: Option<&Pair>) -> Self {
        let Some(pair) = pair else { return Self::TooFewSeeds };
        match (&pair.better, pair.adjusted_p) {
            (Some(better), _) if better == row => Self::Better,
            (Some(_), _) => Self::Worse,
            (None, Some(_)) => Self::NotToldApart,
            (None, None) => Self::TooFewSeeds,
        }
    }

    /// The class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Better => "up",
            Self::Worse => "down",
            Self::NotToldApart => "same",
            Self::TooFewSeeds => "few",
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Better => "▲",
            Self::Worse => "▼",
            Self::NotToldApart => "=",
            Self::TooFewSeeds => "·",
        }
    }
}

/// A block for each quality, the primary one first: standings, verdicts and pairs. Empty for a single seed.
pub(super) fn blocks(results: &Results) -> Vec<Value> {
    if statistics::most_seeds(results) < 2 {
        return Vec::new();
    }
    let (primary, others): (Vec<Column>, Vec<Column>) =
        qualities(results).into_iter().partition(|column| column.primary);
    primary.into_iter().chain(others).filter_map(|column| block(results, &column)).collect()
}

/// Whether any two strategies were tested in any quality.
pub(super) fn any(results: &Results) -> bool {
    let tested = |column: &Column| {
        statistics::competing_pairs_in(results, column).iter().any(|pair| pair.adjusted_p.is_some())
    };
    qualities(results).iter().any(tested)
}

fn block(results: &Results, column: &Column) -> Option<Value> {
    let standings = statistics::standings_in(results, column);
    if standings.is_empty() {
        return None;
    }
    let pairs = statistics::competing_pairs_in(results, column);
    // Of many strategies the long table has the pairs of all qualities, this page those of the primary one.
    let listed = column.primary || !crowd::is_crowd(results);
    let rows = if listed { pairs.iter().map(statistics::pair_row).collect() } else { Vec::<Value>::new() };
    Some(context! {
        title => statistics::name(column),
        found => found(&pairs),
        standings => standings.into_iter().map(statistics::standing_row).collect::<Vec<_>>(),
        map => map(results, column, &pairs),
        pairs => rows,
    })
}

/// The number of pairs that the seeds tell apart, in words.
pub(super) fn found(pairs: &[Pair]) -> String {
    let tested = pairs.iter().filter(|pair| pair.adjusted_p.is_some()).count();
    let told = pairs.iter().filter(|pair| pair.better.is_some()).count();
    let noun = if tested == 1 { "pair" } else { "pairs" };
    match tested {
        0 if pairs.is_empty() => "no two strategies to compare".to_owned(),
        0 => format!("no verdicts, which need {FEWEST_SEEDS} seeds"),
        _ => format!("{told} of {tested} {noun} told apart"),
    }
}

/// The map: strategies from the best mean to the worst. None where no pair was tested.
fn map(results: &Results, column: &Column, pairs: &[Pair]) -> Option<Value> {
    if pairs.iter().all(|pair| pair.adjusted_p.is_none()) {
        return None;
    }
    let labels = in_order(column, competitors(results));
    let pair = |a: &str, b: &str| {
        pairs.iter().find(|pair| (pair.a == a && pair.b == b) || (pair.a == b && pair.b == a))
    };
    let cell = |row: &String, other: &String| {
        if row == other {
            return context! { class => "self", symbol => "" };
        }
        let verdict = Verdict::of(row, pair(row, other));
        context! { class => verdict.class(), symbol => verdict.symbol() }
    };
    let row = |label: &String| {
        let cells: Vec<Value> = labels.iter().map(|other| cell(label, other)).collect();
        context! { label => label, cells => cells }
    };
    Some(context! { labels => labels, rows => labels.iter().map(row).collect::<Vec<_>>() })
}

/// Labels from the best mean to the worst; strategies without a mean come last.
fn in_order(column: &Column, strategies: Vec<(String, Vec<&CellResult>)>) -> Vec<String> {
    let sign = if column.direction == Direction::LowerIsBetter { 1.0 } else { -1.0 };
    let key = |cells: &[&CellResult]| column.mean(cells).map_or(f64::INFINITY, |mean| sign * mean);
    let mut keyed: Vec<(f64, String)> =
        strategies.into_iter().map(|(label, cells)| (key(&cells), label)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, label)| label).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{cell, input},
        *,
    };

    /// Strategies whose FID differs by `by` on every seed, but for a little noise.
    fn results(strategies: &[(&str, f64, u64)]) -> Results {
        let of = |(label, by, seeds): &(&str, f64, u64)| {
            let (by, step) = (*by, 2 + label.len() as u64);
            (0..*seeds)
                .map(|seed| {
                    let mut cell = cell(label, seed, 2);
                    let noise = 0.1 * (step * seed % 5) as f64;
                    cell.summary
                        .insert("fid.final_average".into(), Some(20.0 + 30.0 * seed as f64 + by + noise));
                    cell
                })
                .collect::<Vec<_>>()
        };
        input(strategies.iter().flat_map(of).collect(), 2).results
    }

    fn symbols(results: &Results) -> Vec<String> {
        let map = blocks(results)[0].get_attr("map").unwrap();
        let rows = map.get_attr("rows").unwrap();
        let row = |row: Value| {
            let label = row.get_attr("label").unwrap().to_string();
            let cells = row.get_attr("cells").unwrap();
            let symbol = |cell: Value| match cell.get_attr("symbol").unwrap().to_string() {
                empty if empty.is_empty() => " ".to_owned(),
                symbol => symbol,
            };
            format!("{label} {}", cells.try_iter().unwrap().map(symbol).collect::<String>())
        };
        rows.try_iter().unwrap().map(row).collect()
    }

    #[test]
    fn the_row_is_better_or_worse_than_the_column_or_not_told_apart_or_has_too_few_seeds() {
        // `bb` equals `a` but for the noise, `ccc` is worse than both, `dddd` has two seeds.
        let results = results(&[("ccc", 10.0, 5), ("a", 0.0, 5), ("bb", 0.01, 5), ("dddd", 50.0, 2)]);
        assert_eq!(symbols(&results), ["a  =·▲", "bb = ·▲", "dddd ·· ·", "ccc ▼▼· "]);
    }

    #[test]
    fn a_map_is_antisymmetric_and_a_run_without_verdicts_has_none() {
        let results_of = |seeds| results(&[("a", 0.0, seeds), ("bb", 10.0, seeds)]);
        assert_eq!(symbols(&results_of(5)), ["a  ▲", "bb ▼ "]);
        for seeds in 2..=4 {
            let block = &blocks(&results_of(seeds))[0];
            assert!(block.get_attr("map").unwrap().is_none());
            assert_eq!(block.get_attr("found").unwrap().to_string(), "no verdicts, which need 5 seeds");
        }
        assert!(blocks(&results_of(1)).is_empty());
    }

    #[test]
    fn what_was_found_is_counted() {
        let results = results(&[("a", 0.0, 5), ("bb", 0.0, 5), ("ccc", 10.0, 5)]);
        let pairs = statistics::competing_pairs_in(&results, &qualities(&results)[0]);
        assert_eq!(found(&pairs), "2 of 3 pairs told apart");
        assert_eq!(found(&[]), "no two strategies to compare");
    }
}
