//! What several seeds say about each quality: spread, interval and rank of every strategy, and the paired difference of
//! every two.

use cl_metrics::summary::{BySeed, OverSeeds, is_better, paired_difference, ranks};
use minijinja::{Value, context};

use crate::{
    quantities::{
        cells::strategies,
        columns::{Column, qualities},
    },
    results::{CellResult, Results},
};

/// One strategy's values of one quality.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub column: Column,
    pub label: String,
    pub over_seeds: OverSeeds,
    pub rank: Option<usize>,
}

/// The difference of two strategies on the seeds that both have.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub column: Column,
    pub a: String,
    pub b: String,
    /// a - b
    pub difference: OverSeeds,
    /// Which of the two is better beyond the seeds' doubt.
    pub better: Option<String>,
}

/// The most seeds that a strategy has.
pub(super) fn most_seeds(results: &Results) -> usize {
    strategies(results).iter().map(|(_, cells)| cells.len()).max().unwrap_or(0)
}

/// Every strategy's standing in every quality.
pub(super) fn standings(results: &Results) -> Vec<Standing> {
    let all = strategies(results);
    qualities(results)
        .into_iter()
        .flat_map(|column| {
            let values = by_seed(&column, &all);
            let ranks = ranks(&values, column.direction);
            all.iter()
                .zip(ranks)
                .filter_map(|((label, cells), rank)| {
                    let over_seeds = column.over_seeds(cells)?;
                    Some(Standing { column: column.clone(), label: label.clone(), over_seeds, rank })
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The differences of every two strategies in every quality.
pub(super) fn pairs(results: &Results) -> Vec<Pair> {
    let all = strategies(results);
    let mut pairs = Vec::new();
    for column in qualities(results) {
        let values = by_seed(&column, &all);
        for i in 0..all.len() {
            for j in i + 1..all.len() {
                let Some(difference) = paired_difference(&values[i], &values[j]) else { continue };
                let better = [(i, j), (j, i)]
                    .into_iter()
                    .find(|&(a, b)| is_better(&values[a], &values[b], column.direction))
                    .map(|(a, _)| all[a].0.clone());
                let (a, b) = (all[i].0.clone(), all[j].0.clone());
                pairs.push(Pair { column: column.clone(), a, b, difference, better });
            }
        }
    }
    pairs
}

fn by_seed(column: &Column, all: &[(String, Vec<&CellResult>)]) -> Vec<BySeed> {
    all.iter().map(|(_, cells)| column.by_seed(cells)).collect()
}

/// The standings as the template shows them; empty for a single seed.
pub(super) fn standing_rows(results: &Results) -> Vec<Value> {
    if most_seeds(results) < 2 {
        return Vec::new();
    }
    let row = |standing: Standing| {
        let Standing { column, label, over_seeds, rank } = standing;
        context! {
            metric => column.title,
            label => label,
            rank => rank,
            ..numbers(&column, &over_seeds)
        }
    };
    standings(results).into_iter().map(row).collect()
}

/// The pairs as the template shows them; empty for a single seed.
pub(super) fn pair_rows(results: &Results) -> Vec<Value> {
    if most_seeds(results) < 2 {
        return Vec::new();
    }
    let row = |pair: Pair| {
        let Pair { column, a, b, difference, better } = pair;
        let verdict =
            better.map_or_else(|| "not told apart".to_owned(), |label| format!("{label} is better"));
        context! { metric => column.title, a => a, b => b, verdict => verdict, ..numbers(&column, &difference) }
    };
    pairs(results).into_iter().map(row).collect()
}

fn numbers(column: &Column, over_seeds: &OverSeeds) -> Value {
    let format = |value: Option<f64>| column.format(value);
    context! {
        n => over_seeds.n,
        mean => format(Some(over_seeds.mean)),
        deviation => format(over_seeds.standard_deviation),
        low => format(over_seeds.interval.map(|i| i.low)),
        high => format(over_seeds.interval.map(|i| i.high)),
    }
}
