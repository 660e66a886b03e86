//! The reference pages say what the declarations say.
//!
//! The tables of quantities in docs/results.md are written here: `CLDIFF_WRITE_DOCS=1 cargo test -p cldiff-cli --lib
//! reference` puts them there. Without the variable a page that differs fails the test.

use std::{fmt::Write, fs, path::PathBuf};

use cl_metrics::{sample::SampleMetric, summary::Direction};

use super::{Better, Quantity, declared::ATTRIBUTES, declared::quantities};

const BEGIN: &str = "<!-- quantities: begin -->";
const END: &str = "<!-- quantities: end -->";
const CELL: &str = "cells[cell].";

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn tables() -> String {
    let all = quantities();
    let (of_cells, of_run): (Vec<&Quantity>, Vec<&Quantity>) =
        all.iter().partition(|quantity| quantity.place.to_string().starts_with(CELL));
    let mut attributes = String::from("| number in `results.json` | where it is in the table |\n|---|---|\n");
    for (place, column) in ATTRIBUTES {
        let _ = writeln!(attributes, "| `{place}` | {column} |");
    }
    format!(
        "Of the run:\n\n{}\nOf a cell, places within `cells[cell]`:\n\n{}\nWithout a row of their own:\n\n{attributes}",
        table(&of_run),
        table(&of_cells)
    )
}

fn table(quantities: &[&Quantity]) -> String {
    let mut text = String::from(
        "| metric | place in `results.json` | unit | better | meaning |\n|---|---|---|---|---|\n",
    );
    for Quantity { name, unit, better, meaning, place, error } in quantities {
        let within = |place: &super::Place| place.to_string().replacen(CELL, "", 1);
        let error =
            error.as_ref().map_or_else(String::new, |error| format!("; standard error `{}`", within(error)));
        let place = within(place);
        let _ = writeln!(text, "| `{name}` | `{place}`{error} | {unit} | {} | {meaning} |", word(*better));
    }
    text
}

fn word(better: Better) -> &'static str {
    match better {
        Better::Known(direction) => direction_word(direction),
        Better::AsMetric => "as METRIC",
        Better::Neither => "",
    }
}

fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::LowerIsBetter => "lower",
        Direction::HigherIsBetter => "higher",
    }
}

#[test]
fn the_page_of_results_has_every_quantity() {
    let path = page("results.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = format!("\n\n{}\n", tables());
    if std::env::var_os("CLDIFF_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "docs/results.md differs: write it by CLDIFF_WRITE_DOCS=1, see {}", file!());
}

/// The first table of docs/metrics.md: the names in results, and which way each is better.
#[test]
fn the_page_of_metrics_has_every_metric_and_its_direction() {
    let text = fs::read_to_string(page("metrics.md")).unwrap();
    let table = text.split("\n\n").find(|part| part.starts_with("| in `results.json` |")).unwrap();
    let mut told = Vec::new();
    for line in table.lines().skip(2) {
        // The first cell is what stands before the line's first bar.
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for name in cells[1].split('`').skip(1).step_by(2) {
            let metric = SampleMetric::named(name).unwrap_or_else(|| panic!("no metric is called {name}"));
            assert_eq!(cells[3], metric.direction().map_or("none", direction_word), "{name}");
            told.push(name.to_owned());
        }
    }
    let missing: Vec<&str> = SampleMetric::defaults()
        .iter()
        .map(|metric| metric.name())
        .filter(|name| !told.iter().any(|told| told == name))
        .collect();
    assert!(missing.is_empty(), "docs/metrics.md does not have {missing:?}");
}
