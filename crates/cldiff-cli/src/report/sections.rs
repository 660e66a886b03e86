//! What the template shows, in the form that it needs.

use std::collections::BTreeSet;

use anyhow::Result;
use base64::{Engine, prelude::BASE64_STANDARD};
use cl_metrics::summary::Direction;
use minijinja::{Value, context};

use super::{ReportInput, palette};
use crate::{
    quantities::{
        cells::{mean, strategies},
        columns::{Column, columns},
    },
    results::{CellResult, Results},
};

/// The table's header.
pub(super) fn table_header(results: &Results) -> Vec<Value> {
    columns(results)
        .iter()
        .map(|c| context! { title => c.title, meaning => c.meaning, quality => c.quality, arrow => arrow(c) })
        .collect()
}

fn arrow(column: &Column) -> &'static str {
    match (column.quality, column.direction) {
        (false, _) => "",
        (true, Direction::HigherIsBetter) => "↑",
        (true, Direction::LowerIsBetter) => "↓",
    }
}

/// The table's rows; the best value of each quality column is marked, the cheapest of each cost column too.
pub(super) fn table_rows(results: &Results) -> Vec<Value> {
    let columns = columns(results);
    let all = strategies(results);
    let means: Vec<Vec<Option<f64>>> =
        all.iter().map(|(_, cells)| columns.iter().map(|c| c.mean(cells)).collect()).collect();
    all.iter()
        .zip(&means)
        .map(|((label, cells), values)| {
            let entries: Vec<Value> = columns
                .iter()
                .enumerate()
                .map(|(i, column)| {
                    let best = column.best(means.iter().filter_map(|row| row[i]));
                    let over_seeds = column.over_seeds(cells);
                    let deviation = over_seeds.and_then(|s| s.standard_deviation);
                    context! {
                        text => column.format(values[i]),
                        sort => values[i],
                        deviation => deviation.map(|d| column.format(Some(d))),
                        best => column.quality && values[i].is_some() && values[i] == best,
                        quality => column.quality,
                    }
                })
                .collect();
            context! { label => label, seeds => cells.len(), entries => entries }
        })
        .collect()
}

/// Every summary that any cell has: a row each, a strategy a column.
pub(super) fn summary_rows(results: &Results) -> Vec<Value> {
    let all = strategies(results);
    let names: BTreeSet<&String> = results.cells.iter().flat_map(|cell| cell.summary.keys()).collect();
    let row = |name: &String| {
        let entry = |(_, cells): &(String, Vec<&CellResult>)| {
            let value = mean(cells.iter().filter_map(|cell| cell.summary.get(name).copied().flatten()));
            context! { value => value, text => value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}")) }
        };
        context! { name => name, entries => all.iter().map(entry).collect::<Vec<_>>() }
    };
    names.into_iter().map(row).collect()
}

/// The floor of FID, in words.
pub(super) fn floor(results: &Results) -> Option<String> {
    let of = |name: &str| results.floor.get(name);
    let per_task = mean(of("fid")?.iter().flatten().copied())?;
    let pooled = of("fid_pooled").and_then(|values| values.last().copied().flatten());
    let pooled = pooled.map_or_else(String::new, |v| format!(", {v:.2} over all tasks"));
    Some(format!("{per_task:.2} on average over tasks{pooled}"))
}

/// The colours and markers of the line charts.
pub(super) fn legend(results: &Results) -> Vec<Value> {
    let entry = |(i, (label, _)): (usize, &(String, Vec<&CellResult>))| {
        let (colour, marker) = palette::key(i);
        context! { label => label, colour => colour, marker => marker }
    };
    strategies(results).iter().enumerate().map(entry).collect()
}

/// A PNG inside the page.
pub(super) fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// The sample grids of every strategy, of its first seed.
pub(super) fn samples(input: &ReportInput) -> Vec<Value> {
    strategies(&input.results)
        .iter()
        .filter_map(|(label, cells)| {
            let grids = input.grids.get(&(label.clone(), cells[0].seed))?;
            let images: Vec<String> = grids.iter().map(|png| data_uri(png)).collect();
            Some(context! { label => label, seed => cells[0].seed, images => images })
        })
        .collect()
}

/// One figure a strategy, of those that have one.
pub(super) fn optional_figures(
    strategies: &[(String, Vec<&CellResult>)],
    draw: impl Fn(&[&CellResult]) -> Result<Option<String>>,
) -> Result<Vec<Value>> {
    let figure = |(label, cells): &(String, Vec<&CellResult>)| {
        Ok(draw(cells)?.map(|svg| context! { label => label, svg => svg }))
    };
    strategies.iter().filter_map(|entry| figure(entry).transpose()).collect()
}

/// One figure a strategy.
pub(super) fn figures(
    strategies: &[(String, Vec<&CellResult>)],
    draw: impl Fn(&[&CellResult]) -> Result<String>,
) -> Result<Vec<Value>> {
    strategies.iter().map(|(label, cells)| Ok(context! { label => label, svg => draw(cells)? })).collect()
}
