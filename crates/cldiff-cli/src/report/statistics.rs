//! Statistics of each quality over seeds: spread, interval and rank of every strategy, and the paired difference of
//! every two. Bounds have no rank, and no verdict.

use cl_metrics::summary::{OverSeeds, paired_difference};
use minijinja::{Value, context};

use crate::{
    quantities::{
        cells::{competitors, is_bound, strategies},
        columns::{Column, qualities},
        marks::compare,
    },
    results::{CellResult, Results},
};

/// One strategy's values of one quality.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub column: Column,
    pub label: String,
    pub is_bound: bool,
    /// None if a seed has no value.
    pub over_seeds: Option<OverSeeds>,
    /// Why there is none.
    pub reason: Option<String>,
    /// Why the page has a dash, if there are numbers that only the long table shows.
    pub hidden: Option<String>,
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
    /// The p-value with Holm's correction over all pairs of the quality; none beside a bound, and for too few seeds.
    pub adjusted_p: Option<f64>,
    /// The better of the two, where the seeds tell them apart.
    pub better: Option<String>,
}

/// The most seeds that a strategy has.
pub(super) fn most_seeds(results: &Results) -> usize {
    strategies(results).iter().map(|(_, cells)| cells.len()).max().unwrap_or(0)
}

/// Every strategy's standing in every quality that was to be computed for it.
pub(super) fn standings(results: &Results) -> Vec<Standing> {
    qualities(results).into_iter().flat_map(|column| standings_in(results, &column)).collect()
}

/// Every strategy's standing in a quality, if it has a value or a reason why there is none.
pub(super) fn standings_in(results: &Results, column: &Column) -> Vec<Standing> {
    let competing = competitors(results);
    let ranks = compare(column, &competing).ranks();
    let rank = |label: &String| competing.iter().position(|(other, _)| other == label).and_then(|i| ranks[i]);
    let standing = |(label, cells): (String, Vec<&CellResult>)| Standing {
        column: column.clone(),
        is_bound: is_bound(&cells),
        over_seeds: column.over_seeds(&cells),
        reason: column.reason(&cells),
        hidden: column.reason_of_dash(&cells).filter(|_| column.reason(&cells).is_none()),
        rank: rank(&label),
        label,
    };
    let known = |standing: &Standing| standing.over_seeds.is_some() || standing.reason.is_some();
    strategies(results).into_iter().map(standing).filter(known).collect()
}

/// The differences of every two strategies in every quality.
pub(super) fn pairs(results: &Results) -> Vec<Pair> {
    qualities(results).into_iter().flat_map(|column| pairs_in(results, &column)).collect()
}

/// The differences of every two strategies in a quality: verdicts are between those that compete.
pub(super) fn pairs_in(results: &Results, column: &Column) -> Vec<Pair> {
    let (all, competing) = (strategies(results), competitors(results));
    let found = compare(column, &competing);
    let verdict = |a: &String, b: &String| {
        let is_of =
            |pair: &&cl_metrics::summary::Pair| competing[pair.a].0 == *a && competing[pair.b].0 == *b;
        found.pairs().iter().find(is_of)
    };
    let mut pairs = Vec::new();
    for (i, (a, of_a)) in all.iter().enumerate() {
        for (b, of_b) in &all[i + 1..] {
            let difference = paired_difference(&column.by_seed(of_a), &column.by_seed(of_b));
            let Some(difference) = difference else { continue };
            let verdict = verdict(a, b);
            pairs.push(Pair {
                column: column.clone(),
                a: a.clone(),
                b: b.clone(),
                difference,
                adjusted_p: verdict.and_then(|pair| pair.adjusted_p),
                better: verdict.and_then(|pair| found.better(pair)).map(|i| competing[i].0.clone()),
            });
        }
    }
    pairs
}

/// The pairs of competing strategies in a quality.
pub(super) fn competing_pairs_in(results: &Results, column: &Column) -> Vec<Pair> {
    let competing = competitors(results);
    let competes = |wanted: &String| competing.iter().any(|(label, _)| label == wanted);
    let mut pairs = pairs_in(results, column);
    pairs.retain(|pair| competes(&pair.a) && competes(&pair.b));
    pairs
}

/// A standing as the template shows it.
pub(super) fn standing_row(standing: Standing) -> Value {
    let Standing { column, label, is_bound, over_seeds, reason, hidden, rank } = standing;
    let over_seeds = over_seeds.filter(|_| hidden.is_none());
    let rank = match rank {
        _ if is_bound => "bound".to_owned(),
        Some(rank) => rank.to_string(),
        None => "–".to_owned(),
    };
    context! { label => label, rank => rank, reason => hidden.or(reason), ..numbers(&column, over_seeds.as_ref()) }
}

/// A pair as the template shows it.
pub(super) fn pair_row(pair: &Pair) -> Value {
    let verdict = match (&pair.better, pair.adjusted_p) {
        (Some(label), _) => format!("{label} is better"),
        (None, Some(_)) => "not told apart".to_owned(),
        (None, None) => "too few seeds".to_owned(),
    };
    let p = pair.adjusted_p.map_or_else(|| "–".to_owned(), p_text);
    let numbers = numbers(&pair.column, Some(&pair.difference));
    context! { a => pair.a, b => pair.b, p => p, verdict => verdict, ..numbers }
}

/// A p-value as it is shown.
fn p_text(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// The heading of a quality, with a word for the primary one.
pub(super) fn name(column: &Column) -> String {
    format!("{}{}", column.title, if column.primary { " (primary)" } else { "" })
}

fn numbers(column: &Column, over_seeds: Option<&OverSeeds>) -> Value {
    let format = |value: Option<f64>| column.format(value);
    let interval = over_seeds.and_then(OverSeeds::interval);
    context! {
        n => over_seeds.map(|s| s.n),
        mean => format(over_seeds.map(|s| s.mean)),
        deviation => format(over_seeds.and_then(|s| s.standard_deviation)),
        low => format(interval.map(|i| i.low)),
        high => format(interval.map(|i| i.high)),
    }
}
