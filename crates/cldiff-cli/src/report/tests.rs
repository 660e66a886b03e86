//! The report on made-up results.

use std::collections::BTreeMap;

use super::*;
use crate::results::{CellResult, CostResult, SCHEMA, StreamInfo, TaskInfo, TimestepResult};

fn cell(label: &str, seed: u64, tasks: usize) -> CellResult {
    let fid = |k: usize, j: usize| (j <= k).then_some(10.0 + (k - j.min(k)) as f64 * 30.0);
    let matrix = |f: &dyn Fn(usize, usize) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
        (0..tasks).map(|k| (0..tasks).map(|j| f(k, j)).collect()).collect()
    };
    let bins = vec![vec![vec![0.1, 0.2]; tasks]; tasks];
    CellResult {
        strategy: "finetune".into(),
        label: label.into(),
        seed,
        matrices: BTreeMap::from([("fid".into(), matrix(&fid)), ("bpd".into(), matrix(&|_, _| Some(2.0)))]),
        pooled: BTreeMap::from([("fid".into(), (0..tasks).map(|k| Some(12.0 + k as f64)).collect())]),
        timestep: TimestepResult { edges: vec![0, 50, 100], denoising_loss: bins.clone(), vlb: bins },
        summary: BTreeMap::from([
            ("fid.final_average".into(), Some(20.0 + seed as f64)),
            ("kld.pooled_final".into(), None),
        ]),
        cost: CostResult { train_seconds: 3.0, ..CostResult::default() },
    }
}

fn input(cells: Vec<CellResult>, tasks: usize) -> ReportInput {
    let task = |j: usize| TaskInfo {
        name: format!("<script>alert({j})</script>"),
        classes: vec!["a&b".into()],
        train: 5,
        eval: 3,
    };
    let results = Results {
        schema: SCHEMA,
        name: "made <b>up</b>".into(),
        features: "8-d test features".into(),
        samples_per_task: 16,
        stream: StreamInfo { tasks: (0..tasks).map(task).collect() },
        floor: BTreeMap::from([("fid".into(), vec![Some(0.5); tasks])]),
        cells,
    };
    ReportInput {
        results,
        config_toml: "name = \"x\" # <i>".into(),
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
    assert!(!html.contains("NaN") && !html.contains("inf%"));
}

#[test]
fn one_task_and_several_seeds_are_shown() {
    render(&[input(vec![cell("a", 0, 1)], 1)]).unwrap();
    let html = render(&[input(vec![cell("a", 0, 2), cell("a", 2, 2)], 2)]).unwrap();
    assert!(html.contains("21.00") && html.contains("± 1.41") && html.contains("(2 seeds)"));
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
fn runs_that_differ_are_not_merged() {
    let a = input(vec![cell("a", 0, 2)], 2);
    let merged = render(&[a.clone(), input(vec![cell("a", 1, 2)], 2)]).unwrap();
    assert!(merged.contains("(2 seeds)"));
    let message = render(&[a.clone(), input(vec![cell("a", 1, 3)], 3)]).unwrap_err().to_string();
    assert!(message.contains("stream of tasks"), "{message}");
    let mut other = input(vec![cell("b", 0, 2)], 2);
    other.results.features = "others".into();
    assert!(render(&[a.clone(), other]).unwrap_err().to_string().contains("features"));
    assert!(render(&[a.clone(), a]).unwrap_err().to_string().contains("seed 0"));
}
