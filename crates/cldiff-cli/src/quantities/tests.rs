//! Declarations are distinct, and an unknown metric is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use cl_metrics::summary::Direction;

use super::{Better, columns, declared::quantities, named, summaries::summarise, walk};
use crate::results::Results;

fn fixture() -> Results {
    let text = include_str!("../../../fuzz-targets/examples/results.json");
    Results::parse(text, Path::new("results.json")).unwrap()
}

#[test]
fn no_two_quantities_have_a_name_or_a_place_in_common() {
    let all = quantities();
    let names: BTreeSet<&str> = all.iter().map(|quantity| quantity.name.as_str()).collect();
    let places: BTreeSet<String> = all
        .iter()
        .flat_map(|quantity| quantity.error.iter().chain([&quantity.place]))
        .map(ToString::to_string)
        .collect();
    assert_eq!(names.len(), all.len());
    assert_eq!(places.len(), all.len() + all.iter().filter(|quantity| quantity.error.is_some()).count());
    assert!(all.iter().all(|quantity| !quantity.meaning.ends_with('.')));
}

#[test]
fn the_tables_columns_are_quality_then_cost() {
    let titles: Vec<String> = columns::columns(&fixture()).into_iter().map(|column| column.title).collect();
    let expected = [
        "FID",
        "FID on the way",
        "FID pooled",
        "forgetting",
        "BWT",
        "FID learned",
        "KLD",
        "bpd",
        "bpd forg.",
        "bpd learned",
        "train s",
        "sample s",
        "eval. s",
        "images/s",
        "passes ×10³",
        "peak MB",
        "state kB",
    ];
    assert_eq!(titles, expected);
}

/// Forgetting is read with what was learned, which stands beside it; one quality is primary.
#[test]
fn forgetting_has_plasticity_beside_it() {
    let columns = columns::qualities(&fixture());
    let place = |key: &str| columns.iter().position(|column| column.key == key).unwrap();
    for (forgets, learns, apart) in [
        ("fid.forgetting", "fid.plasticity", 2),
        ("fid.backward_transfer", "fid.plasticity", 1),
        ("bpd.forgetting", "bpd.plasticity", 1),
    ] {
        assert_eq!(place(learns) - place(forgets), apart, "{forgets}");
        assert_eq!(columns[place(forgets)].beside.as_deref(), Some(learns));
        assert!(columns[place(forgets)].meaning.contains("nothing to forget"), "{forgets}");
    }
    let primary = columns.iter().filter(|column| column.primary).map(|column| column.key.as_str());
    assert_eq!(primary.collect::<Vec<_>>(), ["fid.final_average"]);
}

#[test]
fn a_metric_of_another_crate_has_a_column_and_its_summaries_directions() {
    let mut results = fixture();
    results.cells[0].matrices.insert("sharpness".into(), vec![vec![Some(3.0), None], vec![Some(4.0); 2]]);
    results.cells[0].summary.insert("sharpness.final_average".into(), Some(4.0));
    let columns = columns::qualities(&results);
    let column = columns.last().unwrap();
    assert_eq!((column.title.as_str(), column.of(&results.cells[0])), ("sharpness", Some(4.0)));
    assert_eq!(column.direction, Direction::LowerIsBetter);
    assert!(column.meaning.contains("SHARPNESS on the task after the last task"), "{}", column.meaning);
    // A metric of the defaults has none: the table of summaries has it.
    assert!(columns::qualities(&fixture()).iter().all(|column| column.title != "kid"));
}

/// Memorisation describes: its means are summaries, and nothing says that one is better or forgotten.
#[test]
fn a_metric_that_ranks_nothing_has_means_and_no_comparisons() {
    let rows = vec![vec![Some(0.1), None], vec![Some(0.2), Some(0.3)]];
    let of = |metric: &str| {
        let matrices = BTreeMap::from([(metric.to_owned(), rows.clone())]);
        let pooled = BTreeMap::from([(metric.to_owned(), vec![Some(0.1), Some(0.2)])]);
        summarise(&matrices, &pooled, &BTreeMap::new(), &[]).values
    };
    let names = |metric: &str| {
        of(metric).into_keys().map(|key| key.replace(&format!("{metric}."), "")).collect::<Vec<_>>()
    };
    let means = ["final_average", "plasticity", "pooled_final", "stream_average"];
    assert_eq!(names("memorisation"), means);
    assert!(names("fid").contains(&"forgetting".to_owned()) && names("fid").len() > means.len());
    assert_eq!(of("memorisation")["memorisation.final_average"], Some(0.25));
    assert_eq!(Better::AsMetric.of("memorisation"), None);
    let mut results = fixture();
    results.cells[0].matrices.insert("ct".into(), rows);
    assert!(columns::qualities(&results).iter().all(|column| column.title != "ct"));
}

#[test]
fn a_summary_has_the_direction_of_its_metric_or_its_own() {
    assert_eq!(Better::AsMetric.of("precision"), Some(Direction::HigherIsBetter));
    assert_eq!(Better::AsMetric.of("bpd"), Some(Direction::LowerIsBetter));
    assert_eq!(Better::LOWER.of("precision"), Some(Direction::LowerIsBetter));
    assert_eq!(Better::Neither.of("fid"), None);
}

/// Older versions compared with joint training on its way. Their results have a row, and no column.
#[test]
fn a_summary_of_older_versions_is_read_and_shown_in_no_table() {
    let mut results = fixture();
    results.cells[0].summary.insert("fid.plasticity_against_joint".into(), Some(-2.0));
    let text = results.to_json().unwrap();
    let results = Results::parse(&text, Path::new("results.json")).unwrap();
    let found = walk::numbers(&results).unwrap();
    assert!(found.undeclared.is_empty(), "{:?}", found.undeclared);
    let values: Vec<f64> = found
        .values
        .iter()
        .filter(|number| number.name == "fid.plasticity_against_joint")
        .map(|number| number.value)
        .collect();
    assert_eq!(values, [-2.0]);
    assert!(columns::columns(&results).iter().all(|column| !column.title.starts_with("plasticity")));
}

/// The numbers of joint training on its way are in the files, and in no table.
#[test]
fn joint_training_has_no_forgetting_plasticity_and_transfer_in_tables() {
    let mut results = fixture();
    let names = ["forgetting", "backward_transfer", "forward_transfer", "plasticity"];
    let all: Vec<String> = names.iter().map(|name| format!("bpd.{name}")).collect();
    for cell in &mut results.cells {
        cell.strategy = "joint".into();
        cell.readings.reference = None;
        cell.summary.extend(all.iter().map(|key| (key.clone(), Some(7.0))));
        cell.summary.insert("bpd.final_average".into(), Some(3.0));
    }
    let found = walk::numbers(&results).unwrap().values;
    for key in &all {
        assert!(found.iter().any(|number| number.name == *key && number.value == 7.0), "{key}");
        let column = named::chosen(&results, std::slice::from_ref(key)).unwrap().remove(0);
        let cells: Vec<_> = results.cells.iter().collect();
        let reason = Some("trained on all tasks from the start".to_owned());
        assert_eq!((column.shown(&cells), column.reason_of_dash(&cells)), (None, reason), "{key}");
        // The long table has its mean over seeds.
        assert_eq!((column.mean(&cells), column.reason(&cells)), (Some(7.0), None), "{key}");
    }
    let end = named::chosen(&results, &["bpd.final_average".into()]).unwrap().remove(0);
    let cells = [&results.cells[0]];
    assert_eq!((end.shown(&cells), end.reason_of_dash(&cells)), (Some(3.0), None));
    // A value that is missing for another reason keeps it.
    let column = |results: &Results| {
        let column = named::chosen(results, &["bpd.forgetting".into()]).unwrap().remove(0);
        (column.shown(&[&results.cells[0]]), column.reason_of_dash(&[&results.cells[0]]))
    };
    let mut lost = results.clone();
    lost.cells[0].summary.insert("bpd.forgetting".into(), None);
    lost.cells[0].summary_missing.insert("bpd.forgetting".into(), "it was lost".into());
    assert_eq!(column(&lost), (None, Some("it was lost".into())));
    // Training on the tasks so far learns them in turn.
    results.cells[0].strategy = "cumulative".into();
    assert_eq!(column(&results), (Some(7.0), None));
}
