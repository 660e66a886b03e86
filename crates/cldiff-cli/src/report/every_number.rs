//! The promise of `results.csv`: every number of a `results.json` is in a row, once.

use std::{collections::BTreeSet, path::Path};

use cldiff_engine::Cost;
use serde_json::Value;

use super::{
    long::rows,
    tables::csv,
    tests::{cell, every_reading, input},
};
use crate::{
    quantities::{declared::ATTRIBUTES, walk},
    results::{CellResult, Costs, FailedCell, Results},
};

/// A run of an earlier version, with every analysis.
const FIXTURE: &str = include_str!("../../../fuzz-targets/examples/results.json");

fn fixture() -> Results {
    Results::parse(FIXTURE, Path::new("results.json")).unwrap()
}

fn made_up() -> Results {
    let costs = Costs::of(&Cost { skipped_steps: 7, peak_memory_bytes: Some(5), ..Cost::default() });
    let cell = |label: &str, seed| CellResult { cost: costs.clone(), ..cell(label, seed, 3) };
    let mut results = input(vec![cell("a", 4), cell("a", 5), cell("b", 4)], 3).results;
    results.cells[1].readings = every_reading(3);
    let failed = FailedCell::new("ewc".into(), "c".into(), 6, "none".into());
    results.failed.push(failed);
    results
}

/// A place as this test writes it: indices without names.
fn place(text: &str) -> String {
    let mut inside = false;
    let keep = |c: &char| {
        inside = (inside || *c == '[') && *c != ']';
        !inside || *c == '['
    };
    text.chars().filter(keep).collect()
}

/// The numbers in a value, with their places.
fn numbers(value: &Value, at: &str, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => found.push((at.to_owned(), number.as_f64().unwrap())),
        Value::Array(items) => items.iter().for_each(|item| numbers(item, &format!("{at}[]"), found)),
        Value::Object(entries) => {
            let dot = if at.is_empty() { "" } else { "." };
            entries.iter().for_each(|(key, item)| numbers(item, &format!("{at}{dot}{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn every_number_of_results_json_has_its_row() {
    let attributes: BTreeSet<String> = ATTRIBUTES.iter().map(|(text, _)| place(text)).collect();
    for results in [fixture(), made_up()] {
        let mut all = Vec::new();
        numbers(&serde_json::from_str(&results.to_json().unwrap()).unwrap(), "", &mut all);
        let mut expected: Vec<f64> =
            all.iter().filter(|(place, _)| !attributes.contains(place)).map(|(_, value)| *value).collect();
        let text = csv(&rows(&[&results], &results).unwrap());
        // From the right: the reason, which is empty here, the value, and twelve fields before it the statistic.
        let fields = text.lines().skip(1).map(|line| line.rsplit(',').collect::<Vec<_>>());
        let single = fields.filter(|fields| ["value", "standard_error"].contains(&fields[13]));
        // A cell that failed has rows with a reason alone.
        let with_value = single.filter(|fields| !fields[1].is_empty());
        let mut found: Vec<f64> = with_value.map(|fields| fields[1].parse().unwrap()).collect();
        expected.sort_by(f64::total_cmp);
        found.sort_by(f64::total_cmp);
        assert!(expected.len() > 150, "{}", expected.len());
        assert_eq!(found, expected, "{}", results.name);
        assert_eq!(walk::numbers(&results).unwrap().undeclared, [""; 0]);
    }
}

/// The steps that were left out were the first number to be lost.
#[test]
fn skipped_steps_have_a_row() {
    let results = made_up();
    let rows = rows(&[&results], &results).unwrap();
    let skipped: Vec<_> = rows.iter().filter(|row| row.metric == "cost.skipped_steps").collect();
    assert_eq!(skipped.len(), 4);
    assert!(skipped[..3].iter().all(|row| row.value == Some(7.0) && row.statistic == "value"));
    // Of the cell that failed.
    assert_eq!((skipped[3].seed, skipped[3].value), (Some(6), None));
    assert_eq!((skipped[1].label.as_deref(), skipped[1].seed), (Some("a"), Some(5)));
}

/// Rows of a cell stand together, and the run's own come first.
#[test]
fn rows_are_in_the_order_of_cells_and_declarations() {
    let results = made_up();
    let rows = rows(&[&results], &results).unwrap();
    let mut labels: Vec<_> = rows.iter().map(|row| (row.label.clone(), row.seed)).collect();
    labels.dedup();
    let first: Vec<_> = labels.iter().take(4).map(|(label, seed)| (label.as_deref(), *seed)).collect();
    assert_eq!(first, [(None, None), (Some("a"), Some(4)), (Some("a"), Some(5)), (Some("b"), Some(4))]);
    assert_eq!(rows[0].metric, "samples_per_task");
}
