//! The comparison of strategies in a column, and the entries that a table marks.
//!
//! Marked is the leading group of a quality: the strategies that the seeds do not tell from the best, if they are told
//! from all the others. Bounds compete with nobody, and costs are not marked.

use cl_metrics::summary::Comparison;

use super::{
    cells::competitors,
    columns::{Column, qualities},
};
use crate::results::{CellResult, Results};

/// A strategy with its cells.
type Strategy<'a> = (String, Vec<&'a CellResult>);

/// The comparison of some strategies in a column.
pub fn compare(column: &Column, strategies: &[Strategy<'_>]) -> Comparison {
    let values: Vec<_> = strategies.iter().map(|(_, cells)| column.by_seed(cells)).collect();
    Comparison::of(&values, column.direction)
}

/// The labels of the strategies that a column marks.
pub fn marked(results: &Results, column: &Column) -> Vec<String> {
    let strategies = competitors(results);
    if !column.quality {
        return Vec::new();
    }
    let leaders = compare(column, &strategies).leaders();
    let others: Vec<usize> = (0..strategies.len()).filter(|i| !leaders.contains(i)).collect();
    // A value is never marked in one row and unmarked in another.
    let shown = |i: &usize| column.format(column.mean(&strategies[*i].1));
    let distinct = leaders.iter().all(|i| others.iter().all(|j| shown(i) != shown(j)));
    if distinct && learned(results, column, &strategies, &leaders) {
        leaders.into_iter().map(|i| strategies[i].0.clone()).collect()
    } else {
        Vec::new()
    }
}

/// Whether leaders in forgetting may be marked: the table shows beside it how well each strategy learns, and no leader
/// is told to learn worse than a strategy that it leads. A strategy that never learned has nothing to forget.
fn learned(results: &Results, column: &Column, strategies: &[Strategy<'_>], leaders: &[usize]) -> bool {
    let Some(beside) = &column.beside else { return true };
    let Some(plasticity) = qualities(results).into_iter().find(|column| column.key == *beside) else {
        return false;
    };
    let found = compare(&plasticity, strategies);
    let known = strategies.iter().all(|(_, cells)| plasticity.mean(cells).is_some());
    let others = || (0..strategies.len()).filter(|i| !leaders.contains(i));
    known && leaders.iter().all(|&leader| others().all(|other| !found.is_better(other, leader)))
}
