//! The optional views into the network: cosines of gradients and alikeness of activations, as heat maps.

use super::{drawing::Figure, forgetting::bins, heat_map::HeatMap, palette};
use crate::{
    quantities::cells::mean,
    results::{CellResult, Results},
};

/// Cosines of the gradients of each new task with the mean of the old ones, by bin; none where not measured.
pub(super) fn gradients(results: &Results, cells: &[&CellResult]) -> Option<Figure> {
    let tasks = results.stream.tasks.len();
    let value = |k: usize, bin: usize| {
        mean(cells.iter().map(|cell| {
            let row = cell.gradient_cosine.as_ref()?.get(k)?;
            mean(row.iter().map(|bins| bins.get(bin).copied().flatten()))
        }))
    };
    let values: Vec<Vec<Option<f64>>> =
        (1..tasks).map(|k| (0..bins(results)).map(|bin| value(k, bin)).collect()).collect();
    if values.iter().flatten().all(Option::is_none) {
        return None;
    }
    let map = HeatMap {
        title: format!("cosine of gradients under {}", cells[0].label),
        column_labels: bin_labels(cells),
        row_labels: (2..=tasks).map(|k| format!("task {k}")).collect(),
        axes: ("cosine with the old tasks' gradients, by first timestep of the bin", ""),
        values,
        notes: Vec::new(),
        colour: &palette::diverging_blue_is_more,
        format: &|v| format!("{v:+.2}"),
        cell: (50, 26),
    };
    Some(map.draw())
}

/// CKA of the final model's activations with those right after task 1, by block and bin; none where not measured.
pub(super) fn cka(results: &Results, cells: &[&CellResult]) -> Option<Figure> {
    let blocks = cells.iter().find_map(|cell| cell.cka.as_ref())?.blocks.clone();
    let value =
        |block: usize, bin: usize| {
            mean(cells.iter().map(|cell| {
                cell.cka.as_ref()?.values.last()?.first()?.get(block)?.get(bin).copied().flatten()
            }))
        };
    let values: Vec<Vec<Option<f64>>> =
        (0..blocks.len()).map(|block| (0..bins(results)).map(|bin| value(block, bin)).collect()).collect();
    if values.iter().flatten().all(Option::is_none) {
        return None;
    }
    let map = HeatMap {
        title: format!("CKA of activations under {}", cells[0].label),
        column_labels: bin_labels(cells),
        row_labels: blocks.iter().map(|name| name.replace("_blocks.", " ").replace("_block", "")).collect(),
        axes: ("CKA, task 1, before and after the others, by first timestep", ""),
        values,
        notes: Vec::new(),
        colour: &|v| palette::sequential(1.0 - v),
        format: &|v| format!("{v:.2}"),
        cell: (50, 26),
    };
    Some(map.draw())
}

fn bin_labels(cells: &[&CellResult]) -> Vec<String> {
    let edges = &cells[0].timestep.edges;
    edges.iter().take(edges.len().saturating_sub(1)).map(ToString::to_string).collect()
}
