//! The content of the template, in the form that it needs.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};
use minijinja::{Value, context};

use super::{ReportInput, heat_map, looks};
use crate::{
    quantities::{
        cells::{mean, range, range_text, strategies},
        columns::{Column, columns as all_columns},
        named::headline,
    },
    results::{CellResult, Results},
    ui::table::reasons,
};

/// Why the table has dashes: a line for each strategy and column.
pub(super) fn missing(results: &Results) -> Vec<String> {
    let mut columns = headline(results);
    let further = all_columns(results).into_iter();
    let further: Vec<Column> =
        further.filter(|column| columns.iter().all(|known| known.key != column.key)).collect();
    columns.extend(further);
    let of_strategy = |(label, cells): (String, Vec<&CellResult>)| {
        // Columns that have one reason share a line.
        let lines = reasons(&columns, &cells).into_iter();
        let line =
            |(reason, titles): (String, Vec<&str>)| format!("{label}, {}: {reason}", titles.join(", "));
        lines.map(line).collect::<Vec<_>>()
    };
    strategies(results).into_iter().flat_map(of_strategy).collect()
}

/// Why the FID matrices have dashes.
pub(super) fn missing_fid(results: &Results) -> Vec<String> {
    let of_cell = |cell: &CellResult| {
        let lost = cell.missing.iter().filter_map(|missing| {
            let on_task = missing.on_task.filter(|_| missing.metric == "fid")?;
            Some(format!(
                "{} (seed {}) on task {} after task {}: {}",
                cell.label,
                cell.seed,
                on_task + 1,
                missing.after_task + 1,
                missing.reason
            ))
        });
        lost.collect::<Vec<_>>()
    };
    results.cells.iter().flat_map(of_cell).collect()
}

/// The note on the entries of the FID matrices.
pub(super) fn fid_note(results: &Results) -> String {
    let errors = results.cells.iter().any(|cell| cell.standard_errors.contains_key("fid"));
    let errors = if errors { " ± is its standard error over samples (mean over seeds)." } else { "" };
    let known = results.cells.iter().any(|cell| cell.samples.contains_key("fid"));
    let n = match heat_map::one_n(results) {
        Some(n) => format!(" N = {n} samples behind every entry."),
        None if known => " N, below each value, is the number of samples behind it.".to_owned(),
        None => String::new(),
    };
    format!("Each entry is the mean of FID over seeds.{errors}{n}")
}

/// Every summary that any cell has: a row each, a strategy a column.
pub(super) fn summary_rows(results: &Results) -> Vec<Value> {
    let all = strategies(results);
    let names: BTreeSet<&String> = results.cells.iter().flat_map(|cell| cell.summary.keys()).collect();
    let row = |name: &String| {
        let column = Column::of_summary(results, name)?;
        let entry = |(_, cells): &(String, Vec<&CellResult>)| {
            let value = column.shown(cells);
            let text = value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"));
            context! { value => value, text => text, reason => column.reason_of_dash(cells) }
        };
        Some(context! { name => name, entries => all.iter().map(entry).collect::<Vec<_>>() })
    };
    names.into_iter().filter_map(row).collect()
}

/// The floor of FID, in words, with its N, and its standard errors where they are known.
pub(super) fn floor(results: &Results) -> Option<String> {
    let of = |name: &str| results.floor.get(name);
    let n = |n: Option<(usize, usize)>| n.map(|n| format!("N = {}", range_text(n)));
    let samples = |name: &str| results.floor_samples.get(name);
    let error = |error: Option<f64>| error.map(|error| format!("standard error over samples {error:.2}"));
    let errors = |name: &str| results.floor_standard_errors.get(name);
    let notes = |notes: [Option<String>; 2]| {
        let known: Vec<String> = notes.into_iter().flatten().collect();
        if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) }
    };
    let per_task = mean(of("fid")?.iter().copied())?;
    let of_tasks = errors("fid").and_then(|errors| {
        let squares = mean(errors.iter().map(|error| error.map(|error| error * error)))?;
        Some((squares / errors.len() as f64).sqrt())
    });
    let of_tasks = notes([n(samples("fid").and_then(|n| range(n.iter().copied()))), error(of_tasks)]);
    let pooled = of("fid_pooled").and_then(|values| values.last().copied().flatten());
    let of_all = notes([
        n(samples("fid_pooled").and_then(|n| range(n.last().copied()))),
        error(errors("fid_pooled").and_then(|errors| errors.last().copied().flatten())),
    ]);
    let pooled = pooled.map_or_else(String::new, |v| format!(", {v:.2}{of_all} over all tasks"));
    Some(format!("{per_task:.2}{of_tasks} on average over tasks{pooled}"))
}

/// The colours and markers of the line charts.
pub(super) fn legend(results: &Results) -> Vec<Value> {
    let entry = |look: looks::Look| {
        let colour = look.paint.colour.map_or_else(|| "currentColor".to_owned(), |colour| colour.to_string());
        context! { label => look.label, colour => colour, marker => look.sign() }
    };
    looks::looks(results).into_iter().map(entry).collect()
}

/// A PNG inside the page.
fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// The sample grids of every strategy that has any, of its first seed.
pub(super) fn samples(input: &ReportInput) -> Vec<Value> {
    let of = |(label, cells): &(String, Vec<&CellResult>)| {
        let grids = input.grids.get(&(label.clone(), cells[0].seed)).filter(|grids| !grids.is_empty())?;
        let images: Vec<String> = grids.iter().map(|png| data_uri(png)).collect();
        Some(context! { label => label, seed => cells[0].seed, images => images })
    };
    strategies(&input.results).iter().filter_map(of).collect()
}

/// The grid of real images, with its sides in pixels.
pub(super) fn real(png: &[u8]) -> Value {
    // The header of a PNG has both sides at fixed places.
    let side = |at: usize| {
        let bytes = png.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(1, u32::from_be_bytes).max(1)
    };
    context! { source => data_uri(png), width => side(16), height => side(20) }
}
