//! Numbers of several cells together: what tables, figures and sentences are made of.
//!
//! A mean over seeds or tasks of which one value is missing is missing: it is never the mean of what is left.

use cl_metrics::summary::{OverSeeds, over_seeds};

use crate::results::{CellResult, Matrix, Results};

/// The cells of each strategy, in the order in which strategies first occur. A cell that failed stands behind the others of
/// its strategy, without a number: a mean over its seeds is none. A strategy of which all failed is not there.
pub fn strategies(results: &Results) -> Vec<(String, Vec<&CellResult>)> {
    let mut strategies: Vec<(String, Vec<&CellResult>)> = Vec::new();
    for cell in &results.cells {
        match strategies.iter_mut().find(|(label, _)| *label == cell.label) {
            Some((_, cells)) => cells.push(cell),
            None => strategies.push((cell.label.clone(), vec![cell])),
        }
    }
    for failed in &results.failed {
        let Some((_, cells)) = strategies.iter_mut().find(|(label, _)| *label == failed.label) else {
            continue;
        };
        if cells.iter().all(|cell| cell.seed != failed.seed) {
            cells.push(failed.as_result());
        }
    }
    strategies
}

/// Whether the cells of a strategy are those of a bound.
pub fn is_bound(cells: &[&CellResult]) -> bool {
    cells.iter().any(|cell| cell.is_bound())
}

/// The strategies that compete: all but the bounds.
pub fn competitors(results: &Results) -> Vec<(String, Vec<&CellResult>)> {
    strategies(results).into_iter().filter(|(_, cells)| !is_bound(cells)).collect()
}

/// Some values over seeds; none of nothing, and none if one is missing.
pub fn spread(values: impl IntoIterator<Item = Option<f64>>) -> Option<OverSeeds> {
    over_seeds(values.into_iter().collect::<Option<Vec<f64>>>()?)
}

/// The mean; none of nothing, and none if one value is missing.
pub fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn at<T: Copy>(matrix: &[Vec<Option<T>>], k: usize, j: usize) -> Option<T> {
    matrix.get(k)?.get(j).copied().flatten()
}

/// An entry of a matrix of one cell.
pub fn of_cell(cell: &CellResult, metric: &str, k: usize, j: usize) -> Option<f64> {
    at(cell.matrices.get(metric)?, k, j)
}

/// An entry of a matrix, averaged over seeds.
pub fn entry(cells: &[&CellResult], metric: &str, k: usize, j: usize) -> Option<f64> {
    mean(cells.iter().map(|cell| of_cell(cell, metric, k, j)))
}

/// The standard error of an entry over samples or images, averaged over seeds: seeds share the real images, so that it
/// is not divided by their number.
pub fn entry_error(cells: &[&CellResult], metric: &str, k: usize, j: usize) -> Option<f64> {
    let of = |matrix: &Matrix| at(matrix, k, j);
    mean(cells.iter().map(|cell| cell.standard_errors.get(metric).and_then(of)))
}

/// The metric over all tasks seen, after task k, averaged over seeds.
pub fn pooled(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean(cells.iter().map(|cell| cell.pooled.get(metric)?.get(k).copied().flatten()))
}

/// The mean of a matrix's row k over the tasks seen, averaged over seeds.
pub fn average_after(cells: &[&CellResult], metric: &str, k: usize) -> Option<f64> {
    mean((0..=k).map(|j| entry(cells, metric, k, j)))
}

/// The numbers of samples, or of images, behind an entry: fewest and most over seeds. None where a seed does not say.
pub fn samples(cells: &[&CellResult], metric: &str, k: usize, j: usize) -> Option<(usize, usize)> {
    let of = |cell: &&CellResult| at(cell.samples.get(metric)?, k, j);
    range(cells.iter().map(of))
}

/// As [`samples`], over all tasks seen.
pub fn pooled_samples(cells: &[&CellResult], metric: &str, k: usize) -> Option<(usize, usize)> {
    range(cells.iter().map(|cell| cell.pooled_samples.get(metric)?.get(k).copied().flatten()))
}

/// The least and the most of some numbers; none of nothing, and none if one is missing.
pub fn range(values: impl IntoIterator<Item = Option<usize>>) -> Option<(usize, usize)> {
    let values: Vec<usize> = values.into_iter().collect::<Option<_>>()?;
    Some((*values.iter().min()?, *values.iter().max()?))
}

/// A range of numbers as it is written.
pub fn range_text((least, most): (usize, usize)) -> String {
    if least == most { least.to_string() } else { format!("{least}–{most}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_leaves_no_mean() {
        assert_eq!(mean([Some(1.0), Some(3.0)]), Some(2.0));
        assert_eq!((mean([Some(1.0), None]), mean([])), (None, None));
        assert_eq!(spread([Some(1.0), None]), None);
        assert_eq!(spread([Some(1.0), Some(3.0)]).unwrap().mean, 2.0);
        assert_eq!((range([Some(3), Some(5)]), range([Some(3), None])), (Some((3, 5)), None));
        assert_eq!((range_text((3, 5)), range_text((4, 4))), ("3–5".into(), "4".into()));
    }
}
