//! Verdicts, ranks and marks on made-up results; what stands after a plus-minus sign.

use super::*;
use crate::{
    quantities::{columns, marks},
    ui::table,
};

/// Cells of a strategy on some seeds, which differ by far more than strategies do.
fn shifted(label: &str, by: f64, seeds: u64) -> Vec<CellResult> {
    let step = if by > 0.0 { 2 } else { 3 };
    (0..seeds)
        .map(|seed| {
            let mut cell = cell(label, seed, 2);
            let fid = 20.0 + 30.0 * seed as f64 + by + 0.1 * (step * seed % 5) as f64;
            cell.summary.insert("fid.final_average".into(), Some(fid));
            cell
        })
        .collect()
}

#[test]
fn the_seeds_doubt_is_in_every_claim() {
    // "b" is 10 better on every seed: the differences have mean 10 and standard deviation 0.22.
    let html = render(&[input([shifted("a", 10.0, 5), shifted("b", 0.0, 5)].concat(), 2)]).unwrap();
    assert!(html.contains("b is better than a beyond the seeds&#x27; doubt"));
    assert!(
        html.contains("b is better</td>")
            && html.contains("any are told apart with a probability of at most 5 %")
    );
    assert_eq!(html.matches("class=\"best").count(), 1);
    // Five seeds that disagree: not told apart.
    let mut cells = [shifted("a", 10.0, 5), shifted("b", 0.0, 5)].concat();
    cells[0].summary.insert("fid.final_average".into(), Some(0.0));
    cells[1].summary.insert("fid.final_average".into(), Some(1.0));
    let html = render(&[input(cells, 2)]).unwrap();
    assert!(html.contains("the seeds do not tell") && !html.contains("class=\"best"));
}

/// However large the differences are: nothing is called better, ranked or marked.
#[test]
fn fewer_than_five_seeds_have_no_verdict_rank_or_mark() {
    for seeds in 1..=4 {
        let input = input([shifted("a", 1e3, seeds), shifted("b", 0.0, seeds)].concat(), 2);
        assert!(
            long::rows(&[&input.results], &input.results).unwrap().iter().all(|row| row.statistic != "rank")
        );
        let table = table::render(&input.results, &columns::columns(&input.results), 200);
        assert!(!table.contains('*'), "{table}");
        let html = render(&[input]).unwrap();
        for claim in ["b is better", "class=\"best", "beyond the seeds&#x27; doubt"] {
            assert!(!html.contains(claim), "{seeds} seeds: {claim}");
        }
        assert!(html.contains("no strategy is ranked or called better than another"), "{seeds} seeds");
        assert!(html.contains("this difference is not tested"), "{seeds} seeds");
    }
}

/// Bounds stand below the others, and change no verdict.
#[test]
fn bounds_compete_with_nobody() {
    let cells = [shifted("a", 10.0, 5), shifted("b", 0.0, 5)].concat();
    let alone = statistics::pairs(&input(cells.clone(), 2).results);
    let joint = shifted("best of all", -500.0, 5).into_iter();
    let joint = joint.map(|cell| CellResult { strategy: "joint".into(), ..cell });
    let input = input(joint.chain(cells).collect(), 2);
    let pairs = statistics::pairs(&input.results);
    let of = |pair: &statistics::Pair| (pair.a.clone(), pair.b.clone(), pair.adjusted_p, pair.better.clone());
    let competing: Vec<_> = pairs.iter().filter(|pair| pair.a != "best of all").map(of).collect();
    assert_eq!(competing, alone.iter().map(of).collect::<Vec<_>>());
    assert!(pairs.iter().filter(|pair| pair.a == "best of all").all(|pair| pair.adjusted_p.is_none()));
    let standings = statistics::standings(&input.results);
    assert!(standings.iter().all(|standing| standing.rank.is_none() == standing.is_bound));
    let html = render(&[input]).unwrap();
    assert!(
        html.contains("b is better than a beyond the seeds&#x27; doubt") && html.contains("lowest under b")
    );
    assert!(!html.contains("best of all is better") && !html.contains("best of all: FID on task 1 goes"));
    let (competing, bounds) = html.split_once("<tbody class=\"bounds\">").unwrap();
    let table = competing.rsplit("<tbody>").next().unwrap();
    assert!(!table.contains("best of all") && bounds.contains("<th scope=\"row\">best of all"));
}

/// Its forgetting is a number of a training curve: the long table has it, and no table of the page.
#[test]
fn joint_training_forgets_in_the_long_table_alone() {
    let mut cells = [shifted("a", 10.0, 2), shifted("joint", 0.0, 2)].concat();
    for cell in &mut cells {
        let forgetting = if cell.label == "joint" { 7531.0 } else { 2222.0 };
        cell.strategy = if cell.label == "joint" { "joint".into() } else { cell.strategy.clone() };
        cell.summary.insert("fid.forgetting".into(), Some(forgetting));
    }
    let input = input(cells, 2);
    let rows = long::rows(&[&input.results], &input.results).unwrap();
    let means = rows.iter().filter(|row| (row.metric.as_str(), row.statistic) == ("fid.forgetting", "mean"));
    let means: Vec<_> = means.map(|row| (row.label.as_deref(), row.value)).collect();
    assert_eq!(means, [(Some("a"), Some(2222.0)), (Some("joint"), Some(7531.0))]);
    let html = render(&[input]).unwrap();
    assert!(html.contains("2222.00") && !html.contains("7531.0"));
    assert!(html.contains("joint, FID forgetting: trained on all tasks from the start"));
}

/// The word of a result on a bound counts before the names that this program knows.
#[test]
fn a_strategy_of_another_crate_can_be_a_bound() {
    let of = |strategy: &str, bound| {
        let cells = shifted("x", 0.0, 1).into_iter();
        cells.map(|cell| CellResult { strategy: strategy.into(), bound, ..cell }).all(|cell| cell.is_bound())
    };
    assert!(of("theirs", Some(true)) && !of("theirs", None) && !of("joint", Some(false)));
    assert!(of("joint", None) && of("ensemble+l2", None) && !of("finetune", None));
}

/// A frozen model forgets nothing. It leads in forgetting only if it learned as well as the others.
#[test]
fn forgetting_is_marked_with_plasticity_alone() {
    let with = |label: &str, forgetting: f64, plasticity: Option<f64>| {
        let mut cells = shifted(label, forgetting, 5);
        for (i, cell) in cells.iter_mut().enumerate() {
            let noise = 0.1 * ((3 * i + label.len()) % 5) as f64;
            cell.summary.insert("fid.forgetting".into(), Some(forgetting + noise));
            cell.summary
                .insert("fid.plasticity".into(), plasticity.map(|v| v + 0.1 * (2 * i % 5) as f64 + noise));
        }
        cells
    };
    let marks = |frozen: Option<f64>| {
        let results = input([with("still", 0.0, frozen), with("a", 30.0, Some(10.0))].concat(), 2).results;
        let column =
            columns::qualities(&results).into_iter().find(|column| column.key == "fid.forgetting").unwrap();
        marks::marked(&results, &column)
    };
    assert_eq!(marks(Some(10.0)), ["still"]);
    assert_eq!(marks(Some(300.0)), [""; 0], "it never learned");
    assert_eq!(marks(None), [""; 0], "nobody knows whether it learned");
}

/// Two strategies whose values are shown alike are both marked or neither.
#[test]
fn a_value_is_not_marked_in_one_row_and_unmarked_in_another() {
    let mut cells = [shifted("a", 0.004, 5), shifted("b", 0.0, 5)].concat();
    for cell in &mut cells {
        let step = if cell.label == "a" { 2 } else { 3 };
        let noise = 1e-6 * (step * cell.seed % 5) as f64;
        let fid = 20.0 + noise + if cell.label == "a" { 0.004 } else { 0.0 };
        cell.summary.insert("fid.final_average".into(), Some(fid));
    }
    let results = input(cells, 2).results;
    assert_eq!(statistics::pairs(&results)[0].better.as_deref(), Some("b"));
    assert!(!render(&[input(results.cells, 2)]).unwrap().contains("class=\"best"));
}

/// Every figure after a plus-minus sign is named.
#[test]
fn every_plus_minus_says_what_it_is() {
    let mut cells = [shifted("a", 10.0, 5), shifted("b", 0.0, 5)].concat();
    for cell in &mut cells {
        cell.standard_errors.insert("fid".into(), vec![vec![Some(0.5); 2]; 2]);
    }
    for seeds in [1, 10] {
        let html = render(&[input(cells[..seeds].to_vec(), 2)]).unwrap();
        let page = html.split("<script data-page>").next().unwrap();
        let named = ["sd", "se", "is its standard error over samples"];
        for (at, _) in page.match_indices("± ") {
            let after = &page[at + "± ".len()..];
            let word = after.trim_start_matches(|c: char| c.is_ascii_digit() || ".- ".contains(c));
            // In the FID matrices the note above says what it is.
            assert!(
                named.iter().any(|name| word.starts_with(name))
                    || word.starts_with('<')
                    || word.starts_with('\n'),
                "{}",
                &after[..40]
            );
        }
        assert!(page.contains("± is its standard error over samples (mean over seeds)"));
        assert!(page.contains(if seeds == 1 { "± 0.35 se" } else { "sd</span>" }));
    }
}
