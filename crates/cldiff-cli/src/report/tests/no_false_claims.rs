//! The numbers of runs replaced with draws of one distribution: verdicts, marks and sentences beyond doubt appear no more
//! often than they say. Before, a verdict stood in 37 % of the columns of two equal strategies with three seeds, and in
//! 75 % with six and five.

use ddpm_core::noise::{Key, Purpose};

use super::*;
use crate::{
    quantities::{columns, marks},
    ui::table,
};

const REPORTS: u64 = 60;
const BINS: usize = 5;
/// The size of a change in a bin, and of its standard error over images.
const ERROR: f64 = 0.1;

/// A run in which no strategy differs from another, no task is forgotten, and no bin is above another.
fn equal(i: u64, strategies: usize, seeds: u64) -> Results {
    let key = Key::new(i, Purpose::named("a run of equals")).experience(strategies);
    let mut drawn = key.normal_values(seeds, 1, 40 * strategies * seeds as usize).into_iter().map(f64::from);
    let mut normal = || drawn.next().expect("40 numbers are enough for a cell");
    let labels = (0..strategies).flat_map(|s| (0..seeds).map(move |seed| (format!("s{s}"), seed)));
    let cells = labels.map(|(label, seed)| {
        let mut cell = cell(&label, seed, 2);
        let mut fid = || Some(20.0 + 3.0 * normal());
        cell.matrices.insert("fid".into(), vec![vec![fid(), None], vec![fid(), fid()]]);
        let hybrid = &mut cell.hybrid_sampling[0];
        for value in hybrid.old_above.iter_mut().chain(&mut hybrid.new_above) {
            *value = fid();
        }
        let keys = [
            "final_average",
            "stream_average",
            "pooled_final",
            "forgetting",
            "backward_transfer",
            "plasticity",
        ];
        let keys = keys.map(|name| format!("fid.{name}")).into_iter();
        let others = ["kld.pooled_final", "bpd.final_average", "bpd.forgetting", "bpd.plasticity"];
        cell.summary = keys.chain(others.map(String::from)).map(|key| (key, fid())).collect();
        let after: Vec<f64> = (0..BINS).map(|_| 1.0 + ERROR * normal()).collect();
        let timestep = &mut cell.timestep;
        timestep.edges = (0..=BINS).map(|bin| 20 * bin).collect();
        timestep.denoising_loss = vec![vec![vec![1.0; BINS]; 2], vec![after, vec![1.0; BINS]]];
        timestep.vlb = timestep.denoising_loss.clone();
        for change in timestep.forgetting.values_mut().flatten().flatten() {
            change.relative_error = vec![Some(ERROR); BINS];
            change.absolute_error = vec![Some(ERROR); BINS];
        }
        cell
    });
    input(cells.collect(), 2).results
}

/// The claims of the reports of some runs.
#[derive(Debug, Default)]
struct Claims {
    columns: usize,
    with_a_verdict: usize,
    with_a_mark: usize,
    /// Reports with any sentence beyond the seeds' doubt about task 1.
    first_task: usize,
    /// About hybrid sampling.
    hybrid: usize,
    /// About a rise along the timesteps.
    timesteps: usize,
}

fn claims(strategies: usize, seeds: u64) -> Claims {
    let mut found = Claims::default();
    for i in 0..REPORTS {
        let results = equal(i, strategies, seeds);
        let pairs = statistics::pairs(&results);
        for column in columns::qualities(&results) {
            let of_column = |pair: &&statistics::Pair| pair.column.key == column.key;
            let mut of_column = pairs.iter().filter(of_column).peekable();
            found.columns += usize::from(of_column.peek().is_some());
            found.with_a_verdict += usize::from(of_column.any(|pair| pair.better.is_some()));
            found.with_a_mark += usize::from(!marks::marked(&results, &column).is_empty());
        }
        let any =
            |sentences: Vec<String>, claim: &str| usize::from(sentences.iter().any(|s| s.contains(claim)));
        let findings: Vec<String> =
            words::findings(&results).into_iter().filter(|s| s.contains("FID on task 1")).collect();
        found.first_task += any(findings, "beyond the seeds' doubt");
        found.hybrid += any(words::hybrid(&results, 0), "the old model helps more");
        found.timesteps += any(words::timesteps(&results), "rises");
    }
    found
}

/// Five of a hundred, and three standard errors of so many draws.
fn at_most(n: usize) -> usize {
    (0.05 * n as f64 + 3.0 * (0.05 * 0.95 * n as f64).sqrt()) as usize
}

#[test]
fn two_equal_strategies_with_three_seeds_have_no_verdict() {
    let found = claims(2, 3);
    assert_eq!(found.columns, 10 * REPORTS as usize);
    let none = (found.with_a_verdict, found.with_a_mark, found.first_task, found.hybrid);
    assert_eq!(none, (0, 0, 0, 0), "{found:?}");
    assert!(found.timesteps <= at_most(REPORTS as usize), "{found:?}");
}

#[test]
fn six_equal_strategies_with_five_seeds_have_verdicts_in_five_columns_of_a_hundred() {
    let found = claims(6, 5);
    assert_eq!(found.columns, 10 * REPORTS as usize);
    assert!(found.with_a_verdict <= at_most(found.columns), "{found:?}");
    assert!(found.with_a_mark <= found.with_a_verdict, "{found:?}");
    for reports in [found.first_task, found.hybrid, found.timesteps] {
        assert!(reports <= at_most(REPORTS as usize), "{found:?}");
    }
}

/// The table on the terminal and the page have no mark that the rule did not make.
#[test]
fn a_page_of_equals_has_no_marks() {
    let results = equal(0, 3, 4);
    assert!(!table::render(&results, &columns::columns(&results), 200).contains('*'));
    let html = render(&[input(results.cells, 2)]).unwrap();
    assert!(!html.contains("class=\"best") && !html.contains("is better</td>"));
}
