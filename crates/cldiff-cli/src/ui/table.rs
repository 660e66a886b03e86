//! The table of results on stdout: a strategy a row, quality beside cost.

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    quantities::{cells::strategies, columns::columns},
    results::Results,
};

/// The table, the best value of each quality column marked with a star.
pub fn render(results: &Results) -> String {
    let columns = columns(results);
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    let header = std::iter::once("strategy".to_owned()).chain(columns.iter().map(|c| c.title.clone()));
    table.set_header(header);
    let rows: Vec<(String, Vec<Option<f64>>)> = strategies(results)
        .into_iter()
        .map(|(label, cells)| (label, columns.iter().map(|c| c.mean(&cells)).collect()))
        .collect();
    for (label, values) in &rows {
        let cells = values.iter().zip(&columns).enumerate().map(|(i, (value, column))| {
            let best = column.best(rows.iter().filter_map(|(_, values)| values[i]));
            let star = column.quality && value.is_some() && *value == best;
            format!("{}{}", column.format(*value), if star { "*" } else { " " })
        });
        table.add_row(std::iter::once(label.clone()).chain(cells));
    }
    for i in 1..=columns.len() {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "{table}\n* best; FID from {} samples a task in the features of the {}; floor (real against real) {}",
        results.samples_per_task,
        results.features,
        results.floor.get("fid").map_or_else(String::new, |floor| {
            let known: Vec<f64> = floor.iter().flatten().copied().collect();
            format!("{:.2} on average", known.iter().sum::<f64>() / known.len().max(1) as f64)
        })
    )
}
