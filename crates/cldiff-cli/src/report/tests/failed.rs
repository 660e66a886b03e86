//! Strategies of which a seed failed.

use super::{cell, input};
use crate::{
    quantities::named::chosen,
    report::{long, statistics},
    results::{FailedCell, Results},
    ui::table,
};

/// Six seeds, of which five are left for `b`: enough for a verdict, and no sample of the six.
#[test]
fn a_strategy_with_a_failed_seed_has_no_mean_no_rank_and_no_verdict() {
    let cells = |label: &'static str, seeds: u64| (0..seeds).map(move |seed| cell(label, seed, 3));
    let results = |failed: &[u64]| {
        let mut results = input(cells("a", 6).chain(cells("b", 6)).collect(), 3).results;
        results.cells.iter_mut().filter(|cell| cell.label == "b").for_each(|cell| {
            cell.summary.insert("fid.final_average".into(), Some(30.0 + cell.seed as f64));
        });
        results.cells.retain(|cell| cell.label != "b" || !failed.contains(&cell.seed));
        let lost = |seed: &u64| FailedCell::new("finetune".into(), "b".into(), *seed, "it diverged".into());
        results.failed = failed.iter().map(lost).collect();
        results
    };
    let (whole, lost) = (results(&[]), results(&[4]));
    let column = chosen(&whole, &["fid.final_average".to_owned()]).unwrap().remove(0);
    let of = |results: &Results| {
        let standing = statistics::standings_in(results, &column).into_iter().find(|of| of.label == "b");
        let standing = standing.unwrap();
        (standing.over_seeds.map(|over| over.n), standing.rank, statistics::pairs_in(results, &column).len())
    };
    assert_eq!(of(&whole), (Some(6), Some(2), 1));
    assert_eq!(of(&lost), (None, None, 0));
    let reason = statistics::standings_in(&lost, &column)[1].reason.clone();
    assert_eq!(reason.as_deref(), Some("seed 4: failed: it diverged"));
    let rows = long::rows(&[&lost], &lost).unwrap();
    let lost_row = |row: &&long::Row| {
        (row.label.as_deref(), row.seed, row.metric.as_str()) == (Some("b"), Some(4), "fid.final_average")
    };
    let row = rows.iter().find(lost_row).unwrap();
    assert_eq!((row.value, row.reason.as_deref()), (None, Some("failed: it diverged")));
    let shown = table::render(&lost, &[column], 80);
    assert!(shown.contains("of b: seed 4: failed: it diverged"), "{shown}");
}
