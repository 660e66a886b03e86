//! The report on made-up results.

mod failed;
mod figures;
mod no_false_claims;
mod sentences;
mod verdicts;

use std::collections::BTreeMap;

use cldiff_engine::Cost;

use super::*;
use crate::results::{
    CasResult, CellResult, ChangeResult, CkaResult, Costs, DriftResult, FailedCell, HybridResult,
    JudgeResult, MissingClass, MissingValue, Readings, RemovedResult, SCHEMA, StreamInfo, TaskInfo,
    TimestepResult, WithinResult, WithinSummaries, WithinSummary,
};

pub(crate) fn cell(label: &str, seed: u64, tasks: usize) -> CellResult {
    let fid = |k: usize, j: usize| (j <= k).then_some(10.0 + (k - j.min(k)) as f64 * 30.0);
    let matrix = |f: &dyn Fn(usize, usize) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
        (0..tasks).map(|k| (0..tasks).map(|j| f(k, j)).collect()).collect()
    };
    // Twice as bad after each task.
    let row = |k: usize| vec![vec![0.1 * 2.0_f64.powi(k as i32), 0.2]; tasks];
    let bins: Vec<Vec<Vec<f64>>> = (0..tasks).map(row).collect();
    CellResult {
        failed: None,
        strategy: "finetune".into(),
        label: label.into(),
        seed,
        bound: None,
        matrices: BTreeMap::from([("fid".into(), matrix(&fid)), ("bpd".into(), matrix(&|_, _| Some(2.0)))]),
        pooled: BTreeMap::from([("fid".into(), (0..tasks).map(|k| Some(12.0 + k as f64)).collect())]),
        timestep: TimestepResult {
            edges: vec![0, 50, 100],
            log_snr: vec![9.0, 0.0, -9.0],
            denoising_loss: bins.clone(),
            vlb: bins,
            forgetting: BTreeMap::from([
                ("denoising_loss".into(), changes(tasks)),
                ("vlb".into(), changes(tasks)),
            ]),
            ..TimestepResult::default()
        },
        standard_errors: BTreeMap::new(),
        samples: BTreeMap::from([("fid".into(), vec![vec![Some(64); tasks]; tasks])]),
        pooled_samples: BTreeMap::from([("fid".into(), vec![Some(64); tasks])]),
        pooled_standard_errors: BTreeMap::from([("fid".into(), vec![Some(0.5); tasks])]),
        ema_weight_of_past: (0..tasks).map(|k| 0.1 * k as f64).collect(),
        missing: Vec::new(),
        summary_missing: BTreeMap::new(),
        untrained: BTreeMap::from([("bpd".into(), vec![Some(8.0); tasks])]),
        hybrid_sampling: vec![HybridResult {
            task: 0,
            thresholds: vec![0, 50, 100],
            old_above: vec![Some(10.0), Some(20.0 + seed as f64), Some(70.0)],
            new_above: vec![Some(70.0 + seed as f64), Some(60.0), Some(10.0)],
        }],
        gradient_cosine: Some((0..tasks).map(|k| vec![vec![Some(0.5), Some(-0.5)]; k]).collect()),
        cka: Some(CkaResult {
            blocks: vec!["mid_block".into()],
            values: (0..tasks).map(|k| vec![vec![vec![Some(0.9), None]]; k]).collect(),
        }),
        readings: Readings::default(),
        summary: BTreeMap::from([
            ("fid.final_average".into(), Some(20.0 + seed as f64)),
            ("kld.pooled_final".into(), None),
        ]),
        cost: Costs::of(&Cost { train_seconds: 3.0, ..Cost::default() }),
    }
}

/// Every reading, of three classes and as many tasks.
pub(super) fn every_reading(tasks: usize) -> Readings {
    let pairs = |value: f64| -> Vec<Vec<Option<f64>>> { (0..tasks).map(|k| vec![Some(value); k]).collect() };
    let curves = |value: f64| -> Vec<Vec<Vec<Option<f64>>>> {
        (0..tasks).map(|k| vec![vec![Some(value), Some(value + 1.0), None]; k + 1]).collect()
    };
    let summary = WithinSummary {
        anytime_average: Some(0.25),
        worst: Some(0.5),
        worst_case: None,
        stability_gap: Some(0.125),
        stability_gap_recovered: Some(0.0625),
        gaps: pairs(0.75),
        recovered: pairs(0.375),
    };
    let summaries =
        WithinSummaries { denoising_loss: summary.clone(), bpd: summary.clone(), fid: Some(summary) };
    Readings {
        reference: None,
        class_names: vec!["<i>cat".into(), "dog".into(), "eel".into()],
        class_confusion: (0..tasks).map(|k| vec![vec![90 - 80 * k.min(1), 10, 80 * k.min(1)]; 3]).collect(),
        class_accuracy: vec![vec![Some(0.9), Some(0.1), None]; tasks],
        class_fid: vec![vec![Some(3.5), None, Some(4.5)]; tasks],
        class_fid_error: vec![vec![Some(0.5), None, Some(0.75)]; tasks],
        class_missing: vec![MissingClass { after_task: 0, class: 1, reason: "too few".into() }],
        cas: Some(CasResult {
            samples_per_class: 20,
            accuracy: vec![Some(0.5); tasks],
            accuracy_error: vec![Some(0.01); tasks],
            class_accuracy: vec![vec![Some(0.25), Some(0.9), None]; tasks],
            real_accuracy: vec![Some(0.8); tasks],
            real_accuracy_error: vec![Some(0.02); tasks],
            real_class_accuracy: vec![vec![Some(0.95), Some(0.85), None]; tasks],
        }),
        within: Some(WithinResult {
            images: 16,
            samples: 8,
            steps: vec![vec![0, 20, 40]; tasks],
            denoising_loss: curves(0.1),
            bpd: curves(4.0),
            fid: curves(30.0),
            summary: summaries,
        }),
        removed: Some(RemovedResult {
            samples: 14,
            class_share: vec![vec![None, Some(0.125), None]; tasks],
            class_share_error: vec![vec![None, Some(0.088), None]; tasks],
            class_probability: vec![vec![None, Some(0.15), None]; tasks],
            class_probability_error: vec![vec![None, Some(0.045), None]; tasks],
            class_entropy: vec![vec![None, Some(0.85), None]; tasks],
            share_before: vec![None, Some(0.925), None],
            share_before_error: vec![None, Some(0.072), None],
            noise_share: vec![None, Some(0.0), None],
        }),
        drift: Some(DriftResult {
            samples: 12,
            distance: pairs(0.2),
            distance_error: pairs(0.03),
            relative: pairs(0.6),
            relative_error: pairs(0.07),
        }),
    }
}

fn changes(tasks: usize) -> Vec<Vec<ChangeResult>> {
    let change = ChangeResult {
        absolute: vec![Some(0.5), Some(0.1)],
        absolute_error: vec![Some(0.01); 2],
        relative: vec![Some(0.25), Some(0.05)],
        relative_error: vec![Some(0.02); 2],
        total: Some(0.6),
        total_error: Some(0.02),
        peak: 0,
        share: Some(vec![0.8, 0.2]),
        clear_share: Some(0.75),
        clear: Some(0.45),
        clear_error: Some(0.02),
    };
    (0..tasks).map(|k| vec![change.clone(); k]).collect()
}

pub(crate) fn input(cells: Vec<CellResult>, tasks: usize) -> ReportInput {
    let task = |j: usize| TaskInfo {
        name: format!("<script>alert({j})</script>"),
        classes: vec!["a&b".into()],
        removes: Vec::new(),
        train: 5,
        eval: 3,
    };
    let results = Results {
        schema: SCHEMA,
        name: "made <b>up</b>".into(),
        features: "8-d test features".into(),
        samples_per_task: 16,
        stream: StreamInfo { tasks: (0..tasks).map(task).collect() },
        judge: Some(JudgeResult { accuracy: 0.99, n: 200 }),
        floor: BTreeMap::from([("fid".into(), vec![Some(0.5); tasks])]),
        floor_samples: BTreeMap::from([("fid".into(), vec![Some(64); tasks])]),
        floor_standard_errors: BTreeMap::from([("fid".into(), vec![Some(0.125); tasks])]),
        floor_summary: BTreeMap::from([("fid.forgetting".into(), Some(0.375))]),
        floor_draws_overlap: false,
        judge_confusion: vec![vec![9, 1], vec![0, 10]],
        cells,
        failed: Vec::new(),
    };
    ReportInput {
        place: "runs/made-up".into(),
        results,
        missing: Vec::new(),
        config_toml: "name = \"x\" # <i>".into(),
        data_sha256: BTreeMap::new(),
        manifest: vec![("backend".into(), "flex".into())],
        grids: BTreeMap::new(),
        real_grid: None,
    }
}

#[test]
fn names_are_shown_and_never_run() {
    let html = render(&[input(vec![cell("<svg onload=1>", 0, 3)], 3)]).unwrap();
    for foreign in ["<script>", "<b>up", "<svg onload", "<i>"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("&lt;script&gt;alert(0)&lt;&#x2f;script&gt;"));
}

#[test]
fn what_was_not_measured_is_a_dash_and_nothing_is_nan() {
    let html = render(&[input(vec![cell("a", 0, 3)], 3)]).unwrap();
    assert!(html.contains("–"));
    // The page's script speaks of NaN, the page itself must not.
    let page = html.split("<script data-page>").next().unwrap();
    assert!(!page.contains("NaN") && !page.contains("inf%"));
}

/// The losses of a cell that diverged are gaps, whichever way they are not finite.
#[test]
fn a_cell_that_diverged_is_shown_with_gaps() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut diverged = cell("b", 0, 3);
        let TimestepResult { denoising_loss, vlb, .. } = &mut diverged.timestep;
        denoising_loss.iter_mut().chain(vlb).flatten().for_each(|row| row.fill(value));
        diverged.timestep.forgetting.clear();
        let html = render(&[input(vec![cell("a", 0, 3), diverged], 3)]).unwrap();
        let page = html.split("<script data-page>").next().unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf%"));
    }
}

#[test]
fn one_task_and_several_seeds_are_shown() {
    render(&[input(vec![cell("a", 0, 1)], 1)]).unwrap();
    let html = render(&[input(vec![cell("a", 0, 2), cell("a", 2, 2)], 2)]).unwrap();
    assert!(html.contains("21.00") && html.contains("± 1.41") && html.contains("(2 seeds)"));
}

/// Every section has its link in the bar of contents, and the bar links to nothing else.
#[test]
fn the_bar_of_contents_has_the_sections_of_the_page() {
    for tasks in [1, 3] {
        let read = CellResult { readings: every_reading(tasks), ..cell("a", 0, tasks) };
        let html = render(&[input(vec![read, cell("b", 1, tasks), cell("b", 2, tasks)], tasks)]).unwrap();
        let of = |begins: &str| -> Vec<String> {
            let parts = html.split(begins).skip(1);
            parts.map(|part| part.split('"').next().unwrap().to_owned()).collect()
        };
        assert_eq!(of("<a href=\"#"), of("<section id=\""), "{tasks}");
        assert_eq!(html.contains("<section id=\"timesteps\">"), tasks > 1);
        assert!(!html.contains("<h2></h2>"));
    }
}

/// The first table has the columns of the terminal; costs and the other qualities stand in tables of their own.
#[test]
fn the_first_table_has_the_headline_and_the_costs_stand_apart() {
    let html = render(&[input(vec![cell("a", 0, 2)], 2)]).unwrap();
    let headings = |after: &str| -> Vec<String> {
        let head = html.split_once(after).unwrap().1.split("</thead>").next().unwrap();
        head.split("\">").skip(2).map(|cell| cell.split("</th>").next().unwrap().trim().to_owned()).collect()
    };
    let first = headings("<section id=\"results\">");
    assert!(first.ends_with(&["FID ↓", "passes ×10³"].map(str::to_owned)), "{first:?}");
    let costs = headings("<summary>Costs</summary>");
    assert!(
        costs.contains(&"state kB".to_owned()) && costs.iter().all(|heading| !heading.contains("FID")),
        "{costs:?}"
    );
    assert!(html.contains("<summary>All other qualities ("));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let html = render(&[input(vec![cell("a", 0, 2)], 2)]).unwrap();
    let without_namespace = html.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http://", "https://", "<link", "src=\"/", "@import"] {
        assert!(!without_namespace.contains(outside), "{outside}");
    }
}

#[test]
fn every_analysis_has_its_figure_and_its_words() {
    let html = render(&[input(vec![cell("a", 0, 3)], 3)]).unwrap();
    for expected in [
        "Hybrid sampling",
        "FID on task 1 is 10.00 by the model right after it and 70.00 by the final one; 20.00 with the old model at t ≥ 50",
        "Hybrid sampling of task 1",
        "cosine of gradients under a",
        "CKA of activations under a",
        "Relative change of the denoising loss, by timestep",
        "rises most at t = 0–49",
        "75 %, comes from timesteps with more signal than noise",
        "Quality against memory",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
}

/// FID on task 1 has no value after task 2.
pub(super) fn lose_task_1(cell: &mut CellResult) {
    let reason = "fid needs at least 2 images, got 1".to_owned();
    cell.matrices.get_mut("fid").unwrap()[1][0] = None;
    cell.samples.get_mut("fid").unwrap()[1][0] = Some(1);
    cell.summary.insert("fid.final_average".into(), None);
    let of_summary = format!("task 1 has no value after task 2: {reason}");
    cell.summary_missing.insert("fid.final_average".into(), of_summary);
    let missing = MissingValue { metric: "fid".into(), after_task: 1, on_task: Some(0), reason };
    cell.missing.push(missing);
}

#[test]
fn the_long_table_has_every_number_and_quotes_what_needs_it() {
    let mut results = input(vec![cell("a", 7, 2)], 2).results;
    results.name = "a \"run\", quoted".into();
    let rows = long::rows(&[&results], &results).unwrap();
    let one = |metric: &str, statistic: &str| -> Vec<&long::Row> {
        rows.iter().filter(|r| r.metric == metric && r.statistic == statistic).collect()
    };
    // R[0][0], R[1][0] and R[1][1]: what was not measured has no row.
    assert_eq!(one("fid", "value").len(), 3);
    let bins = one("timestep.vlb", "value");
    assert_eq!((bins.len(), bins[1].t_low, bins[1].t_high), (2 * 2 * 2, Some(50), Some(100)));
    assert_eq!(one("timestep_forgetting.vlb.absolute", "standard_error")[0].value, Some(0.01));
    assert_eq!(one("fid.hybrid.old_above", "value")[1].threshold, Some(50));
    assert_eq!(one("gradient_cosine", "value")[1].value, Some(-0.5));
    assert_eq!(one("cka", "value")[0].block.as_deref(), Some("mid_block"));
    assert_eq!(one("fid.final_average", "value")[0].seed, Some(7));
    assert_eq!(one("fid.final_average", "mean")[0].value, Some(27.0));
    assert_eq!(one("cost.train_seconds", "value")[0].value, Some(3.0));
    assert!(rows.iter().all(|row| row.value.is_some_and(f64::is_finite)));
    let csv = tables::csv(&rows);
    assert_eq!(csv.lines().count(), rows.len() + 1);
    assert!(
        csv.lines().nth(1).unwrap().starts_with("\"a \"\"run\"\", quoted\",,,,samples_per_task,value,,,")
    );
    assert!(csv.contains(",,,,floor.fid,value,,0,"));
}

#[test]
fn parquet_is_written_and_read_back() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let mut results = input(vec![cell("a", 7, 2)], 2).results;
    lose_task_1(&mut results.cells[0]);
    let rows = long::rows(&[&results], &results).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.parquet");
    std::fs::write(&path, tables::parquet(&rows).unwrap()).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    assert_eq!(metadata.num_rows() as usize, rows.len());
    let notes = metadata.key_value_metadata().unwrap();
    assert!(notes.iter().any(|note| note.key == "cldiff.schema" && note.value.as_deref() == Some("1")));
    for (found, row) in reader.get_row_iter(None).unwrap().zip(&rows) {
        let found = found.unwrap();
        assert_eq!(found.get_double(17).ok(), row.value);
        assert_eq!(found.get_string(4).unwrap(), &row.metric);
        assert_eq!(found.get_long(6).ok(), row.after_task.map(|k| k as i64));
        assert_eq!(found.get_string(18).ok(), row.reason.as_ref());
    }
    assert!(rows.iter().any(|row| row.value.is_none()) && rows.iter().any(|row| row.value.is_some()));
}

#[test]
fn results_of_the_first_version_are_still_read() {
    let mut value = serde_json::to_value(input(vec![cell("a", 0, 3)], 3).results).unwrap();
    let cell = value["cells"][0].as_object_mut().unwrap();
    let added = ["standard_errors", "untrained", "hybrid_sampling", "gradient_cosine", "cka", "samples"];
    for key in added.into_iter().chain(["pooled_samples", "pooled_standard_errors"]) {
        cell.remove(key);
    }
    cell["cost"].as_object_mut().unwrap().remove("extra_parameters");
    for key in ["log_snr", "prior", "discretized", "standard_errors", "forgetting"] {
        cell["timestep"].as_object_mut().unwrap().remove(key);
    }
    let results: Results = serde_json::from_value(value).unwrap();
    let html = render(&[ReportInput { results, ..input(vec![], 3) }]).unwrap();
    assert!(html.contains("Forgetting along the timesteps") && !html.contains("Hybrid sampling"));
}

/// A cell without results is in the report by its name and its reason alone.
#[test]
fn cells_that_failed_are_told() {
    let mut input = input(vec![cell("a", 0, 3)], 3);
    let reason = "it <i>diverged</i>".to_owned();
    let failed = FailedCell::new("ewc".into(), "b".into(), 4, reason);
    input.results.failed.push(failed);
    input.results.cells[0].cost = Costs::of(&Cost { skipped_steps: 7, ..Cost::default() });
    let html = render(&[input]).unwrap();
    assert!(html.contains("b (seed 4) failed: it &lt;i&gt;diverged"));
    assert!(html.contains("left out of training: 7 under a (seed 0)"));
}

#[test]
fn runs_that_differ_are_not_merged() {
    let a = input(vec![cell("a", 0, 2)], 2);
    let merged = render(&[a.clone(), input(vec![cell("a", 1, 2)], 2)]).unwrap();
    assert!(merged.contains("(2 seeds)"));
    let message = render(&[a.clone(), input(vec![cell("a", 1, 3)], 3)]).unwrap_err().to_string();
    assert!(message.contains("stream of tasks"), "{message}");
    // A joint cell of one run is the reference for the cells of another.
    let mut joint = input(vec![cell("joint", 0, 2)], 2);
    joint.results.cells[0].strategy = "joint".into();
    joint.results.cells[0].matrices.insert("fid".into(), vec![vec![Some(8.0), None], vec![Some(8.0); 2]]);
    let both = merge::merge(&[joint, a.clone()]).unwrap().results;
    // At the end: 8 against 40 on the first task, and against 10 on the second.
    assert_eq!(both.cells[1].summary["fid.against_joint"], Some(-17.0));
    let mut other = input(vec![cell("b", 0, 2)], 2);
    other.config_toml = "name = \"y\"\n[training]\nsteps = 3".into();
    let message = render(&[a.clone(), other.clone()]).unwrap_err().to_string();
    assert!(message.contains("`training` is absent in"), "{message}");
    other = input(vec![cell("b", 0, 2)], 2);
    other.data_sha256 = BTreeMap::from([("eval".into(), "x".into())]);
    assert!(render(&[a.clone(), other.clone()]).unwrap_err().to_string().contains("eval images"));
    other = input(vec![cell("b", 0, 2)], 2);
    other.results.features = "others".into();
    let message = render(&[a.clone(), other]).unwrap_err().to_string();
    assert!(message.contains("8-d test features; others") && message.contains("copy the cache"), "{message}");
    let twice = render(&[a.clone(), a]).unwrap_err().to_string();
    assert!(twice.ends_with("with seed 0; give runs with different seeds or strategies"), "{twice}");
}

#[test]
fn every_reading_has_its_section_and_absent_ones_have_none() {
    let headings = [
        "Classes asked for and seen: ",
        "Removed class",
        "A classifier that learned from samples is right on 50 % of real images",
        "Denoising loss of task 1 within 3 experiences",
        "Drift of samples of task 1: relative distance 0.60 at the end",
    ];
    let html = render(&[input(vec![cell("a", 0, 3)], 3)]).unwrap();
    assert!(headings.iter().all(|heading| !html.contains(heading)));
    let read = CellResult { readings: every_reading(3), ..cell("a", 0, 3) };
    let html = render(&[input(vec![read, cell("b", 0, 3)], 3)]).unwrap();
    for heading in headings {
        assert!(html.contains(heading), "{heading}");
    }
    // Of class 0, 10 of 100 are left, from 90, and 80 are seen as the third; of the others as many as before or more.
    assert!(
        html.contains(
            "is seen in 10 % of its samples (90 % right after its task), and “eel” is seen in 80 %"
        )
    );
    assert!(html.contains("0.500 ± 0.010") && html.contains("0.800 ± 0.020"));
    assert!(!html.contains("<i>cat") && html.contains("&lt;i&gt;cat"));
    let page = html.split("<script data-page>").next().unwrap();
    assert!(!page.contains("NaN"));
}
