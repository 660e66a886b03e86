//! Columns by the names of the long table (`results.csv`), and the headline: the five columns that a run ends with.
//!
//! A name is a column's if a cell has one number of that name: every summary (`fid.forgetting`), every cost
//! (`cost.train_seconds`), and the other readings without an index. Values are in the unit of the long table.

use std::collections::BTreeMap;

use cldiff_engine::COSTS;

use super::{
    columns::{Column, columns},
    place::Index,
    walk::numbers,
};
use crate::results::Results;

/// The names of the headline's columns, and their headings.
const HEADLINE: [(&str, &str); 5] = [
    ("fid.final_average", "FID"),
    ("fid.forgetting", "FID forgetting"),
    ("bpd.final_average", "bits/dim"),
    ("accuracy.final_average", "accuracy"),
    ("method_evaluations", "passes ×10³"),
];

/// The word for all names.
pub const ALL: &str = "all";

/// FID, its forgetting, bits per dimension, the share of samples in which the classifier sees the class that was asked for,
/// and the passes of the method through a network. A quality that no cell measured is left out.
pub fn headline(results: &Results) -> Vec<Column> {
    let declared = columns(results);
    let column = |(key, title): &(&str, &str)| {
        let measured = results.cells.iter().any(|cell| cell.summary.contains_key(*key));
        let known = declared.iter().find(|column| column.key == *key).cloned();
        let is_there = known.as_ref().map_or(measured, |column| measured || !column.quality);
        let column = known.or_else(|| Column::of_summary(results, key)).filter(|_| is_there)?;
        Some(column.titled(title))
    };
    HEADLINE.iter().filter_map(column).collect()
}

/// Every column that some results have, in the order of the long table.
///
/// # Errors
/// If the results cannot be written as JSON.
pub fn all(results: &Results) -> serde_json::Result<Vec<Column>> {
    let mut summaries: Vec<&String> = results.cells.iter().flat_map(|cell| cell.summary.keys()).collect();
    summaries.sort_unstable();
    summaries.dedup();
    let summaries = summaries.into_iter().filter_map(|key| Column::of_summary(results, key));
    let found = of_cells(results)?.into_iter();
    let found = found.map(|(name, numbers)| Column::of_found(results, &name, numbers));
    Ok(summaries.chain(found).collect())
}

/// The numbers that a cell has one of, by name, and by label and seed: readings, then costs.
fn of_cells(results: &Results) -> serde_json::Result<Vec<(String, BTreeMap<(String, u64), f64>)>> {
    let mut all: Vec<(String, BTreeMap<(String, u64), f64>)> = Vec::new();
    for number in numbers(results)?.values {
        let [(Index::Cell, i)] = number.indices[..] else { continue };
        let Some(cell) = results.cells.get(i).filter(|cell| !cell.summary.contains_key(&number.name)) else {
            continue;
        };
        if number.statistic != "value" {
            continue;
        }
        let at = all.iter().position(|(name, _)| *name == number.name).unwrap_or_else(|| {
            all.push((number.name.clone(), BTreeMap::new()));
            all.len() - 1
        });
        all[at].1.insert((cell.label.clone(), cell.seed), number.value);
    }
    let cost = |name: &str| COSTS.iter().position(|cost| name.strip_prefix("cost.") == Some(cost.name));
    all.sort_by_key(|(name, _)| cost(name).map_or(0, |position| position + 1));
    Ok(all)
}

/// The columns that are asked for, in this order; [`ALL`] is every one.
///
/// # Errors
/// A message that names the first unknown name and lists the known ones.
pub fn chosen(results: &Results, names: &[String]) -> Result<Vec<Column>, String> {
    let known = all(results).map_err(|error| error.to_string())?;
    if names.iter().any(|name| name == ALL) {
        return Ok(known);
    }
    let find = |name: &String| {
        known.iter().find(|column| column.key == *name).cloned().ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|column| column.key.as_str()).collect();
            format!("no column is called `{name}`; expected `{ALL}` or some of:\n  {}", names.join(" "))
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fixture() -> Results {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        Results::parse(text, Path::new("results.json")).unwrap()
    }

    fn titles(columns: &[Column]) -> Vec<&str> {
        columns.iter().map(|column| column.title.as_str()).collect()
    }

    #[test]
    fn the_headline_has_five_columns_and_leaves_out_what_was_not_measured() {
        let mut results = fixture();
        for cell in &mut results.cells {
            cell.summary.insert("accuracy.final_average".into(), Some(0.875));
        }
        let found = headline(&results);
        assert_eq!(titles(&found), ["FID", "FID forgetting", "bits/dim", "accuracy", "passes ×10³"]);
        assert_eq!(found[3].format(found[3].of(&results.cells[0])), "0.8750");
        for cell in &mut results.cells {
            cell.summary.remove("accuracy.final_average");
        }
        assert!(!titles(&headline(&results)).contains(&"accuracy"));
        // A lost value is a dash with a reason, and no column that goes.
        for cell in &mut results.cells {
            cell.summary.insert("fid.forgetting".into(), None);
        }
        assert!(titles(&headline(&results)).contains(&"FID forgetting"));
    }

    #[test]
    fn every_summary_and_cost_is_a_column_in_the_units_of_the_long_table() {
        let results = fixture();
        let found = all(&results).unwrap();
        let names = titles(&found);
        let cell = &results.cells[0];
        assert!(cell.summary.keys().all(|key| names.contains(&key.as_str())), "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "fid.forgetting").count(), 1);
        let seconds = found.iter().find(|column| column.key == "cost.train_seconds").unwrap();
        assert_eq!(seconds.of(cell), cell.cost.get("train_seconds"));
        assert!(!seconds.quality);
        assert!(names.last().unwrap().starts_with("cost."), "{names:?}");
    }

    #[test]
    fn columns_come_in_the_order_that_is_asked_for_and_unknown_names_get_a_list() {
        let results = fixture();
        let ask =
            |names: &[&str]| chosen(&results, &names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let found = ask(&["cost.train_seconds", "fid.forgetting"]).unwrap();
        assert_eq!(titles(&found), ["cost.train_seconds", "fid.forgetting"]);
        assert_eq!(ask(&["all"]).unwrap().len(), all(&results).unwrap().len());
        let message = ask(&["fid.forgeting"]).unwrap_err();
        assert!(message.contains("`fid.forgeting`") && message.contains("fid.forgetting"), "{message}");
        assert!(message.contains("cost.train_seconds"), "{message}");
    }
}
