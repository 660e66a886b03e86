//! Whether removed classes are gone: what the classifier sees in samples that are asked for as them, in a table.

use minijinja::{Value, context};

use super::classes::class_name;
use crate::{
    quantities::cells::mean,
    results::{CellResult, RemovedResult},
};

/// None where no cell has removed a class.
pub(super) fn section(strategies: &[(String, Vec<&CellResult>)]) -> Option<Value> {
    let rows: Vec<Value> = strategies.iter().flat_map(|(label, cells)| rows(label, cells)).collect();
    let mut cells = strategies.iter().flat_map(|(_, cells)| cells);
    let samples = cells.find_map(|cell| cell.readings.removed.as_ref())?.samples;
    Some(context! { rows => rows, samples => samples })
}

/// A row for each removed class of the cells of a strategy.
fn rows(label: &str, cells: &[&CellResult]) -> Vec<Value> {
    let found: Option<Vec<&RemovedResult>> =
        cells.iter().map(|cell| cell.readings.removed.as_ref()).collect();
    let Some(found) = found.filter(|found| !found.is_empty()) else { return Vec::new() };
    let of =
        |value: &dyn Fn(&RemovedResult) -> Option<f64>| mean(found.iter().map(|&removed| value(removed)));
    let row = |class: usize| {
        let end = |matrix: fn(&RemovedResult) -> &Vec<Vec<Option<f64>>>| {
            of(&|removed| matrix(removed).last()?.get(class).copied().flatten())
        };
        let once = |values: fn(&RemovedResult) -> &Vec<Option<f64>>| {
            of(&|removed| values(removed).get(class).copied().flatten())
        };
        context! {
            label => label,
            class => class_name(cells, class),
            before => shown(once(|r| &r.share_before), once(|r| &r.share_before_error)),
            share => shown(end(|r| &r.class_share), end(|r| &r.class_share_error)),
            probability => shown(end(|r| &r.class_probability), end(|r| &r.class_probability_error)),
            noise => shown(once(|r| &r.noise_share), None),
        }
    };
    let last = found[0].class_share.last();
    let is_removed = |class: &usize| last.is_some_and(|of_k| of_k[*class].is_some());
    (0..last.map_or(0, Vec::len)).filter(is_removed).map(row).collect()
}

fn shown(value: Option<f64>, error: Option<f64>) -> String {
    match (value, error) {
        (Some(value), Some(error)) => format!("{value:.3} ± {error:.3} se"),
        (Some(value), None) => format!("{value:.3}"),
        (None, _) => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::tests::{cell, every_reading},
        *,
    };

    #[test]
    fn a_removed_class_has_a_row_with_its_means_over_seeds() {
        let with = |seed: u64, share: f64| {
            let mut cell = cell("a", seed, 2);
            cell.readings = every_reading(2);
            let removed = cell.readings.removed.as_mut().unwrap();
            removed.class_share[1][1] = Some(share);
            cell
        };
        let (first, second) = (with(0, 0.1), with(1, 0.3));
        let section = section(&[("a".to_owned(), vec![&first, &second])]).unwrap();
        let rows = section.get_attr("rows").unwrap();
        assert_eq!(rows.len(), Some(1));
        let row = rows.get_item_by_index(0).unwrap();
        let text = |key: &str| row.get_attr(key).unwrap().to_string();
        assert_eq!(text("class"), "dog");
        assert_eq!(text("before"), "0.925 ± 0.072 se");
        assert_eq!(text("share"), "0.200 ± 0.088 se");
        assert_eq!((text("probability").as_str(), text("noise").as_str()), ("0.150 ± 0.045 se", "0.000"));
        // A seed without the reading leaves no row, and cells without it no section.
        let without = cell("a", 1, 2);
        assert!(rows_of(&[&first, &without]).is_empty());
        assert!(super::section(&[("a".to_owned(), vec![&without])]).is_none());
    }

    fn rows_of(cells: &[&CellResult]) -> Vec<Value> {
        rows("a", cells)
    }
}
