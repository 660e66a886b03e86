//! Numbers of several cells together: what tables, figures and sentences are made of.

use cl_metrics::summary::{OverSeeds, over_seeds};

use crate::results::{CellResult, Matrix, Results};

/// The cells of each strategy, in the order in which strategies first occur.
pub fn strategies(results: &Results) -> Vec<(String, Vec<&CellResult>)> {
    let mut strategies: Vec<(String, Vec<&CellResult>)> = Vec::new();
    for cell in &results.cells {
        match strategies.iter_mut().find(|(label, _)| *label == cell.label) {
            Some((_, cells)) => cells.push(cell),
            None => strategies.push((cell.label.clone(), vec![cell])),
        }
    }
    strategies
}

/// Some values over seeds; none of nothing.
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<OverSeeds> {
    over_seeds(values)
}

/// The mean; none of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.into_iter().fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// An entry of a matrix, averaged over seeds.
pub fn entry(cells: &[&CellResult], metric: &str, k: usize, j: usize) -> Option<f64> {
    let of = |matrix: &Matrix| matrix.get(k)?.get(j).copied().flatten();
    mean(cells.iter().filter_map(|cell| of(cell.matrices.get(metric)?)))
}

/// The metric over all tasks seen, after task k, averaged over seeds.
pub fn pooled(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean(cells.iter().filter_map(|cell| cell.pooled.get(metric)?.get(k).copied().flatten()))
}

/// The mean of a matrix's row k over the tasks seen, averaged over seeds.
pub fn average_after(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean((0..=k).filter_map(|j| entry(cells, metric, k, j)))
}
