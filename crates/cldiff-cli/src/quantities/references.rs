//! Summaries that compare a cell with the cell of the same seed whose strategy is a reference
//! ([`ReferenceKind`]): how well tasks are learned, and how far the end is from training on everything.
//!
//! Plasticity here is Chaudhry et al. 2018's intransigence (arXiv 1801.10112, equation 4) with the sign turned round, so
//! that more is better. Their reference has trained on the tasks up to j; that is the cumulative one here, and a model
//! trained on task j alone the other.

use std::collections::BTreeMap;

use cl_metrics::summary::Direction;
use cl_strategies::ReferenceKind;
use cldiff_engine::Shown;

use super::direction;
use crate::results::{CellResult, Matrix, MissingValue, Results};

/// A summary of a metric's matrix against that of the reference of the same seed. More is better.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// The key in `summary` is `METRIC.` and this.
    pub name: &'static str,
    /// The reference.
    pub reference: ReferenceKind,
    /// One sentence without a full stop.
    pub meaning: &'static str,
    /// For which metrics the tables for the eye show it, and how.
    pub shown: &'static [(&'static str, Shown)],
    /// The row of the matrix in which task j is compared, of K tasks.
    row: fn(j: usize, tasks: usize) -> usize,
}

const fn shown(heading: &'static str, decimals: usize) -> Shown {
    Shown { heading, per: 1.0, decimals }
}

/// Every comparison. The tables show the first for which the run has a reference.
pub const COMPARISONS: [Comparison; 3] = [
    Comparison {
        name: "plasticity_against_alone",
        reference: ReferenceKind::Alone,
        meaning: "how much better METRIC is on a task right after learning it than that of a model trained from scratch on the \
                  task alone with the steps of one task and the same seed (negative: learned worse): R[j][j], mean over j; \
                  only in a run with a cell of `ensemble` alone",
        shown: &[("fid", shown("plasticity", 2))],
        row: |j, _| j,
    },
    Comparison {
        name: "plasticity_against_cumulative",
        reference: ReferenceKind::Cumulative,
        meaning: "how much better METRIC is on a task right after learning it than that of one model trained on all tasks up to \
                  it with the same seed, which has had as many steps by then, those of j + 1 tasks (negative: learned \
                  worse): R[j][j], mean over j; only in a run with a cell of `cumulative` alone",
        shown: &[("fid", shown("plasticity (tasks ≤ j)", 2))],
        row: |j, _| j,
    },
    Comparison {
        name: "against_joint",
        reference: ReferenceKind::Joint,
        meaning: "how much better METRIC is on the tasks after the last than that of joint training at its end with the same \
                  seed, which has had as many steps in all (negative: worse): R[K][j], mean over j; only in a run with a \
                  cell of `joint` alone",
        shown: &[],
        row: |_, tasks| tasks - 1,
    },
];

impl Comparison {
    /// The mean over tasks of the gain, or the first entry that is missing.
    fn of(&self, own: &Matrix, reference: &Matrix, direction: Direction) -> Result<f64, Missing> {
        let tasks = own.len();
        let mut sum = 0.0;
        for j in 0..tasks {
            let k = (self.row)(j, tasks);
            let at = |matrix: &Matrix| matrix.get(k)?.get(j).copied().flatten();
            let missing = |of_reference| Missing { after: k, on: j, of_reference };
            let own = at(own).ok_or(missing(false))?;
            sum += direction.gain(at(reference).ok_or(missing(true))?, own);
        }
        if tasks == 0 { Err(Missing::default()) } else { Ok(sum / tasks as f64) }
    }

    /// The reason why a comparison has no value.
    fn reason(&self, metric: &str, gap: Missing, missing: &[MissingValue]) -> String {
        let Missing { after, on, of_reference } = gap;
        let entry = format!("{metric} on task {} after task {}", on + 1, after + 1);
        if of_reference {
            return format!("{entry} is missing for {}", self.reference);
        }
        let is = |m: &&MissingValue| m.metric == metric && (m.after_task, m.on_task) == (after, Some(on));
        let why = missing.iter().find(is).map_or_else(String::new, |m| format!(": {}", m.reason));
        format!("{entry} is missing{why}")
    }

    /// Whether a cell is compared: not the reference itself, nor a model that sees tasks before their time.
    fn compares(&self, cell: &CellResult) -> bool {
        let kind = cell.reference();
        kind != Some(self.reference) && kind != Some(ReferenceKind::Joint)
    }
}

/// An entry that a comparison lacks: of the cell's own matrix, or of the reference's.
#[derive(Debug, Clone, Copy, Default)]
struct Missing {
    after: usize,
    on: usize,
    of_reference: bool,
}

/// Adds to each cell the comparisons with the references of its seed, where there are such.
pub fn compare(cells: &mut [CellResult]) {
    for comparison in &COMPARISONS {
        let mut references: BTreeMap<u64, BTreeMap<String, Matrix>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.reference() == Some(comparison.reference)) {
            references.entry(cell.seed).or_insert_with(|| cell.matrices.clone());
        }
        for cell in cells.iter_mut().filter(|cell| comparison.compares(cell)) {
            if let Some(reference) = references.get(&cell.seed) {
                add(comparison, cell, reference);
            }
        }
    }
}

fn add(comparison: &Comparison, cell: &mut CellResult, reference: &BTreeMap<String, Matrix>) {
    let CellResult { matrices, summary, summary_missing, missing, .. } = cell;
    for (metric, own) in matrices {
        let Some(reference) = reference.get(metric) else { continue };
        let name = format!("{metric}.{}", comparison.name);
        summary_missing.remove(&name);
        let value = match comparison.of(own, reference, direction(metric)) {
            Ok(value) => Some(value),
            Err(gap) => {
                summary_missing.insert(name.clone(), comparison.reason(metric, gap, missing));
                None
            }
        };
        summary.insert(name, value);
    }
}

/// The comparison that the tables show for a metric: the first that any cell has.
pub fn shown_for(results: &Results, metric: &str) -> Option<(&'static Comparison, Shown)> {
    COMPARISONS.iter().find_map(|comparison| {
        let (_, shown) = comparison.shown.iter().find(|(of, _)| *of == metric)?;
        let key = format!("{metric}.{}", comparison.name);
        let there = results.cells.iter().any(|cell| cell.summary.contains_key(&key));
        there.then_some((comparison, *shown))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Readings;

    fn cells() -> Vec<CellResult> {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        let results = Results::parse(text, std::path::Path::new("results.json")).unwrap();
        let cell = results.cells[0].clone();
        let of = |label: &str, seed, reference, rows: [[Option<f64>; 2]; 2]| CellResult {
            label: label.into(),
            strategy: "some".into(),
            seed,
            matrices: BTreeMap::from([
                ("fid".to_owned(), rows.map(Vec::from).to_vec()),
                ("precision".to_owned(), rows.map(Vec::from).to_vec()),
            ]),
            summary: BTreeMap::new(),
            readings: Readings { reference, ..Readings::default() },
            ..cell.clone()
        };
        let some = |rows: [[f64; 2]; 2]| rows.map(|row| row.map(Some));
        vec![
            of("own", 0, None, some([[4.0, 70.0], [9.0, 2.0]])),
            of("alone", 0, Some(ReferenceKind::Alone), some([[5.0, 80.0], [5.0, 6.0]])),
            of("cumulative", 0, Some(ReferenceKind::Cumulative), some([[4.0, 80.0], [3.0, 1.0]])),
            // A third of its steps, then all: the first row is no reference.
            of("joint", 0, Some(ReferenceKind::Joint), some([[50.0, 50.0], [3.0, 4.0]])),
            of("own", 1, None, some([[1.0, 1.0], [1.0, 1.0]])),
        ]
    }

    #[test]
    fn each_reference_at_the_time_that_it_is_one() {
        let mut cells = cells();
        compare(&mut cells);
        let of = |i: usize, name: &str| cells[i].summary.get(name).copied().flatten();
        // 5 - 4 and 6 - 2; 4 - 4 and 1 - 2; 3 - 9 and 4 - 2.
        assert_eq!(of(0, "fid.plasticity_against_alone"), Some(2.5));
        assert_eq!(of(0, "fid.plasticity_against_cumulative"), Some(-0.5));
        assert_eq!(of(0, "fid.against_joint"), Some(-2.0));
        // More is better of precision.
        assert_eq!(of(0, "precision.plasticity_against_alone"), Some(-2.5));
        // The comparison with a half-trained joint, 46 and 2, is gone.
        assert_eq!(of(0, "fid.plasticity_against_joint"), None);
        // References are compared with others, but not with themselves; joint with none.
        assert_eq!(of(1, "fid.plasticity_against_alone"), None);
        assert_eq!(of(1, "fid.against_joint"), Some(-2.0));
        assert_eq!(of(2, "fid.plasticity_against_alone"), Some(3.0));
        assert!(cells[3].summary.is_empty());
        // Another seed has no references.
        assert!(cells[4].summary.is_empty());
    }

    #[test]
    fn a_missing_value_makes_the_comparison_null_with_its_reason() {
        let mut cells = cells();
        cells[0].matrices.get_mut("fid").unwrap()[1][0] = None;
        let (metric, reason) = ("fid".to_owned(), "too few".to_owned());
        cells[0].missing = vec![MissingValue { metric, after_task: 1, on_task: Some(0), reason }];
        cells[1].matrices.get_mut("fid").unwrap()[1][1] = None;
        compare(&mut cells);
        let (summary, reasons) = (&cells[0].summary, &cells[0].summary_missing);
        assert_eq!(summary["fid.against_joint"], None);
        assert_eq!(reasons["fid.against_joint"], "fid on task 1 after task 2 is missing: too few");
        assert_eq!(summary["fid.plasticity_against_alone"], None);
        let reason = "fid on task 2 after task 2 is missing for a model trained on the task alone";
        assert_eq!(reasons["fid.plasticity_against_alone"], reason);
        assert_eq!(summary["fid.plasticity_against_cumulative"], Some(-0.5));
        // Once the value is there, the reason goes.
        cells[0].matrices.get_mut("fid").unwrap()[1][0] = Some(9.0);
        compare(&mut cells);
        assert_eq!(cells[0].summary["fid.against_joint"], Some(-2.0));
        assert!(!cells[0].summary_missing.contains_key("fid.against_joint"));
    }

    #[test]
    fn cells_of_older_versions_are_references_by_their_strategy() {
        let mut cells = cells();
        for (cell, strategy) in cells.iter_mut().zip(["ewc+replay", "ensemble", "cumulative", "joint"]) {
            (cell.strategy, cell.readings.reference) = (strategy.into(), None);
        }
        let kinds: Vec<_> = cells.iter().map(CellResult::reference).collect();
        let [alone, cumulative, joint] = COMPARISONS.map(|comparison| Some(comparison.reference));
        assert_eq!(kinds, [None, alone, cumulative, joint, None]);
    }

    #[test]
    fn tables_show_the_first_comparison_that_there_is() {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        let mut results = Results::parse(text, std::path::Path::new("results.json")).unwrap();
        assert!(shown_for(&results, "fid").is_none());
        results.cells = cells();
        results.cells.remove(1);
        compare(&mut results.cells);
        assert_eq!(shown_for(&results, "fid").unwrap().1.heading, "plasticity (tasks ≤ j)");
        results.cells = cells();
        compare(&mut results.cells);
        assert_eq!(shown_for(&results, "fid").unwrap().1.heading, "plasticity");
        assert!(shown_for(&results, "bpd").is_none());
    }
}
