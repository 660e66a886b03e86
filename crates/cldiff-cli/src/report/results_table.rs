//! The tables of results: the headline's five columns, the costs, and every other quality.

use minijinja::{Value, context};

use super::crowd;
use crate::{
    quantities::{
        cells::{is_bound, strategies},
        columns::{Column, columns},
        judge::heading,
        marks::marked,
        named::headline,
    },
    results::{CellResult, Results},
};

/// The three tables. Each has its columns, its rows by family where strategies are many, and the rows of the bounds.
pub(super) fn tables(results: &Results) -> Value {
    let shown = headline(results);
    let (others, costs): (Vec<Column>, Vec<Column>) = columns(results).into_iter().partition(|c| c.quality);
    let is_new = |column: &Column| shown.iter().all(|known| known.key != column.key);
    let others: Vec<Column> = others.into_iter().filter(is_new).collect();
    context! {
        headline => table(results, &shown),
        costs => table(results, &costs),
        others => (!others.is_empty()).then(|| table(results, &others)),
        note => beside(&shown, &others),
    }
}

fn table(results: &Results, columns: &[Column]) -> Value {
    let marks: Vec<Vec<String>> = columns.iter().map(|column| marked(results, column)).collect();
    let rows = |labels: Option<&[String]>, bounds: bool| -> Vec<Value> {
        let all = strategies(results).into_iter().filter(|(label, cells)| {
            is_bound(cells) == bounds && labels.is_none_or(|labels| labels.contains(label))
        });
        all.map(|(label, cells)| row(columns, &marks, &label, &cells)).collect()
    };
    let mut competing = strategies(results);
    competing.retain(|(_, cells)| !is_bound(cells));
    let families: Vec<Value> = if crowd::is_crowd(results) {
        let of = |group: crowd::Group| {
            let rows = rows(Some(&group.labels), false);
            context! { title => group.title, rows => rows }
        };
        crowd::families(&competing).into_iter().map(of).collect()
    } else {
        vec![context! { title => (), rows => rows(None, false) }]
    };
    context! {
        columns => header(results, columns),
        families => families,
        bounds => rows(None, true),
        floor => floor_row(results, columns),
    }
}

fn header(results: &Results, columns: &[Column]) -> Vec<Value> {
    let meaning = |c: &Column| match (c.quality, c.primary) {
        (false, _) => c.meaning.clone(),
        (true, true) => format!("{} (primary quality)", c.meaning),
        (true, false) => format!("{} (exploratory)", c.meaning),
    };
    let one =
        |c: &Column| context! { title => heading(c, results), meaning => meaning(c), arrow => c.arrow() };
    columns.iter().map(one).collect()
}

/// The row of a strategy; an entry that leads in its column is marked.
fn row(columns: &[Column], marks: &[Vec<String>], label: &String, cells: &[&CellResult]) -> Value {
    let entry = |(column, marked): (&Column, &Vec<String>)| {
        let value = column.shown(cells);
        context! {
            text => column.format(value),
            sort => value,
            spread => value.and_then(|_| spread(column, cells)),
            best => marked.contains(label),
        }
    };
    let entries: Vec<Value> = columns.iter().zip(marks).map(entry).collect();
    context! { label => label, seeds => cells.len(), entries => entries }
}

/// The spread behind an entry with its name: over seeds where there are several, else over samples where it is known.
fn spread(column: &Column, cells: &[&CellResult]) -> Option<String> {
    if let [cell] = cells {
        return column.error_over_samples(cell).map(|error| format!("± {} se", column.format(Some(error))));
    }
    let deviation = column.over_seeds(cells)?.standard_deviation?;
    Some(format!("± {} sd", column.format(Some(deviation))))
}

/// The row of training images in place of samples: the values of a model that has learned every task and forgets nothing.
/// None in results of older versions.
fn floor_row(results: &Results, columns: &[Column]) -> Option<Value> {
    let of = |column: &Column| results.floor_summary.get(&column.key).copied().flatten();
    columns.iter().any(|column| of(column).is_some()).then(|| {
        let entry = |c: &Column| context! { text => c.format(of(c)), sort => of(c), best => false };
        let entries: Vec<Value> = columns.iter().map(entry).collect();
        context! { label => "training images as samples", seeds => 1, entries => entries }
    })
}

/// A note on a column of forgetting whose column of learning stands in the other table.
fn beside(shown: &[Column], others: &[Column]) -> Option<String> {
    let alone = shown.iter().find_map(|column| Some((column, column.beside.as_ref()?)))?;
    let learned = others.iter().find(|column| column.key == *alone.1)?;
    Some(format!(
        "Read {} with “{}” in the table of the other qualities: a strategy that never learned has nothing to forget.",
        alone.0.title, learned.title
    ))
}
