//! Sentences on made-up results: they say what is there.

use super::*;
use crate::quantities::named::headline;

#[test]
fn hybrid_sampling_is_only_judged_where_something_was_forgotten() {
    let seeds = |n: u64| (0..n).map(|seed| cell("a", seed, 2)).collect::<Vec<_>>();
    let html = render(&[input(seeds(5), 2)]).unwrap();
    assert!(html.contains("Over the seeds, the old model helps more at t ≥ 50 than below"));
    assert!(!render(&[input(seeds(4), 2)]).unwrap().contains("Over the seeds, the old model"));
    let mut nothing = seeds(5);
    for cell in &mut nothing {
        cell.hybrid_sampling[0].new_above[0] = Some(10.0);
    }
    let html = render(&[input(nothing, 2)]).unwrap();
    assert!(html.contains("there is nothing to place") && !html.contains("the old model helps more"));
}

/// A rise of 22 % is no rise that bits per dimension hide.
#[test]
fn what_is_said_of_bits_per_dimension_follows_the_data() {
    let with = |rise: f64| {
        let mut cell = cell("finetune", 0, 2);
        cell.matrices.insert("bpd".into(), vec![vec![Some(2.0); 2], vec![Some(2.0 + rise), Some(2.0)]]);
        for change in cell.timestep.forgetting.get_mut("vlb").unwrap().iter_mut().flatten() {
            (change.total, change.total_error) = (Some(rise), Some(0.01));
        }
        render(&[input(vec![cell], 2)]).unwrap()
    };
    let html = with(0.44);
    assert!(html.contains(
        "bits per dimension change by +0.440 from 2.000 (+22.0 %; 95 % interval over images +0.420 to +0.460)"
    ));
    assert!(html.contains("and FID from 10.00 to 40.00 (×4.00; N = 64 a task)"));
    assert!(!html.contains("do not show the loss of samples") && !html.to_lowercase().contains("pitfall"));
    let html = with(0.04);
    assert!(html.contains(
        "do not show the loss of samples under finetune (in one run; means: bits per dimension +0.040"
    ));
    // The upper end of the interval is 2.98 %, then 5.5 %.
    assert!(!with(0.09).contains("do not show the loss of samples"));
}

/// The highest of equal bins is not called the highest; shares are over all tasks.
#[test]
fn the_search_over_bins_is_taken_into_account() {
    // A loss of 1 before on every task; the errors are those of the differences.
    let with = |after: [f64; 4], error: f64| {
        let mut cell = cell("a", 0, 2);
        cell.timestep.edges = vec![0, 25, 50, 75, 100];
        cell.timestep.log_snr = vec![9.0, 3.0, 0.0, -3.0, -9.0];
        cell.timestep.denoising_loss = vec![vec![vec![1.0; 4]; 2], vec![after.to_vec(), vec![1.0; 4]]];
        cell.timestep.vlb = cell.timestep.denoising_loss.clone();
        for change in cell.timestep.forgetting.values_mut().flatten().flatten() {
            change.relative_error = vec![Some(error); 4];
            change.absolute_error = vec![Some(error); 4];
        }
        render(&[input(vec![cell], 2)]).unwrap()
    };
    // Ten statements: 2.813 standard errors on 1000 degrees of freedom; two bins differ by 2.813 times the sum of theirs.
    assert!(
        with([1.026, 1.0, 0.99, 1.01], 0.01)
            .contains("at no timestep is a rise of the denoising loss on old tasks told from 0")
    );
    let html = with([1.5, 1.46, 1.0, 1.0], 0.01);
    assert!(html.contains("rises at t = 0–24, 25–49; its highest change, +50 % at t = 0–24"));
    assert!(html.contains("is not told from that at t = 25–49"));
    let html = with([1.5, 1.4, 1.0, 1.0], 0.01);
    assert!(
        html.contains("rises most at t = 0–24, by +50 % (simultaneous 95 % interval over images +47 to +53)")
    );
    assert!(html.contains("more than in every other bin"));
}

/// A task whose change is not told from 0 counts in the share as any other.
#[test]
fn shares_are_over_all_tasks() {
    let mut cell = cell("a", 0, 3);
    let last = cell.timestep.forgetting.get_mut("denoising_loss").unwrap().last_mut().unwrap();
    last[1] = ChangeResult {
        total: Some(-0.01),
        clear: Some(-0.3),
        share: None,
        clear_share: None,
        ..last[1].clone()
    };
    let html = render(&[input(vec![cell], 3)]).unwrap();
    // (0.6 - 0.01) / 2 and (0.45 - 0.3) / 2: a quarter, not the 75 % of the task that is told from 0.
    assert!(html.contains("Of the change of the denoising loss over all timesteps, +0.295"));
    assert!(html.contains("25 %, comes from timesteps with more signal than noise"));
}

/// "On every task" is said only where it is so.
#[test]
fn the_setting_says_on_which_tasks_losses_are_measured() {
    let mut input = input(vec![cell("a", 0, 2)], 2);
    assert!(render(&[input.clone()]).unwrap().contains("fixed images and noise of every task, seen or not."));
    input.results.cells[0].matrices.get_mut("bpd").unwrap()[0][1] = None;
    let html = render(&[input]).unwrap();
    assert!(
        html.contains("fixed images and noise of some of the tasks.")
            && !html.contains("every task, seen or not")
    );
}

/// FID of task 1 at other N is not compared; in the matrix each entry has its N.
#[test]
fn fid_at_different_n_is_not_compared() {
    let mut input = input(vec![cell("a", 0, 2)], 2);
    let html = render(&[input.clone()]).unwrap();
    assert!(html.contains(
        "a: FID on task 1 goes from 10.00 right after it to 40.00 at the end (×4.00; in one run, N = 64)"
    ));
    assert!(html.contains("N = 64 samples behind every entry"));
    input.results.cells[0].samples.get_mut("fid").unwrap()[1][0] = Some(30);
    let html = render(&[input]).unwrap();
    assert!(html.contains("is 10.00 right after it (N = 64) and 40.00 at the end (N = 30)"));
    assert!(!html.contains("goes from 10.00") && html.contains("FID is not compared: its N differs"));
    assert!(html.contains("N 30") && html.contains("FID from 30–64 samples a task"));
}

/// A lost task is told in the report, on the terminal and in the long table; a mean over seeds of which one is missing is
/// missing.
#[test]
fn what_is_missing_is_told_with_its_reason() {
    let mut cells: Vec<CellResult> = (0..5).map(|seed| cell("a", seed, 2)).collect();
    lose_task_1(&mut cells[3]);
    let reason = "task 1 has no value after task 2: fid needs at least 2 images, got 1";
    for label in ["b", "c"] {
        cells.extend((0..5).map(|seed| cell(label, seed, 2)));
    }
    let input = input(cells, 2);
    let rows = long::rows(&[&input.results], &input.results).unwrap();
    let lost: Vec<_> = rows.iter().filter(|row| row.value.is_none()).collect();
    let told: Vec<_> =
        lost.iter().map(|row| (row.metric.as_str(), row.statistic, row.seed, row.on_task)).collect();
    let mean = ("fid.final_average", "mean", None, None);
    assert_eq!(
        told,
        [("fid", "value", Some(3), Some(0)), ("fid.final_average", "value", Some(3), None), mean]
    );
    assert_eq!(lost[2].reason.as_deref(), Some(&*format!("seed 3: {reason}")));
    let csv = tables::csv(&rows);
    assert!(
        csv.starts_with("run,label,strategy,seed,metric,statistic,")
            && csv.lines().next().unwrap().ends_with(",value,reason")
    );
    assert!(csv.contains(",fid,value,1,0,,,,,,,,,,,\"fid needs at least 2 images, got 1\"\n"), "{csv}");
    assert!(csv.contains(",12,\n"), "a row with a value has no reason");
    let table = crate::ui::table::render(&input.results, &headline(&input.results), 10_000);
    assert!(table.contains(&format!("– FID of a: seed 3: {reason}")), "{table}");
    let html = render(&[input]).unwrap();
    assert!(html.contains(&format!("a, FID: seed 3: {reason}")));
    assert!(html.contains("a (seed 3) on task 1 after task 2: fid needs at least 2 images, got 1"));
    assert!(
        html.contains(
            "a: FID on task 1 has no value at the end: fid needs at least 2 images, got 1 (seed 3)."
        )
    );
    assert!(html.contains("No final average FID: a"));
}

/// The floor has its N and its error, and a row of its own: training images forget as much as noise makes them.
#[test]
fn the_floor_says_its_n_and_its_forgetting() {
    let html = render(&[input(vec![cell("a", 0, 2)], 2)]).unwrap();
    // 0.125 / sqrt(2)
    assert!(html.contains("0.50 (N = 64, standard error over samples 0.09) on average over tasks"));
    let bounds = html.split_once("<tbody class=\"bounds\">").unwrap().1;
    let row = bounds.split_once("training images as samples").unwrap().1.split("</tr>").next().unwrap();
    assert!(row.contains(">0.38</td>"), "{row}");
    assert!(html.contains("The classifier on held-out images"));
}

/// A report of many strategies has a sentence a finding, and those of single strategies where their figures are.
#[test]
fn many_strategies_have_short_findings() {
    let with = |i: u64| {
        let mut cell = cell(&format!("s{i}"), 0, 2);
        cell.matrices.get_mut("fid").unwrap()[1][0] = Some(10.0 * (i + 1) as f64);
        cell.summary.insert("fid.final_average".into(), Some(20.0 + i as f64));
        cell
    };
    let found = |n: u64| words::findings(&input((0..n).map(with).collect(), 2).results);
    // The doubt, both ends of FID, and a sentence for each strategy.
    assert_eq!(found(8).len(), 2 + 8);
    let many = found(9);
    assert_eq!(many.len(), 3, "{many:?}");
    assert_eq!(
        many[2],
        "FID on task 1 at the end, as a multiple of what it was right after the task (in one run): least under s0 (×1.00), \
         greatest under s8 (×9.00); above 1 under 8 of 9 strategies."
    );
    let html = render(&[input((0..9).map(with).collect(), 2)]).unwrap();
    assert!(html.contains("<details><summary>9 sentences on task 1, one a strategy</summary>"));
    assert!(html.contains("s3: FID on task 1 goes from 10.00 right after it to 40.00 at the end"));
}
