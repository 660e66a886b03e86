//! Forgetting in the results of a run: the analyses in results.json agree with each other, and mistakes in their options
//! are told.

mod common;

use std::fs;

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

fn run(scratch: &Scratch, out: &str, more: &[&str]) -> Value {
    let arguments = ["--config", "smoke", "--backend", "flex", "--quiet", "--out", out];
    let output = scratch.cldiff(&[&arguments, more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    results_without_cost(&scratch.path(out))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

const EVERYTHING: [&str; 8] = [
    "--strategy",
    "joint,finetune",
    "--set",
    "evaluation.gradients.images=16",
    "--set",
    "evaluation.cka.images=24",
    "--set",
    "evaluation.hybrid_sampling.thresholds=[0.3, 0.6]",
];

#[test]
fn the_analyses_of_a_run_agree_with_each_other() {
    let scratch = Scratch::new();
    let results = run(&scratch, "run", &EVERYTHING);
    let cell = results["cells"].as_array().unwrap().iter().find(|cell| cell["label"] == "finetune").unwrap();
    let timestep = &cell["timestep"];

    // bpd = prior + every bin's terms; the discretised term is part of the first.
    for (k, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let vlb = numbers(&timestep["vlb"][k][j]);
        let bpd = timestep["prior"][k][j].as_f64().unwrap() + vlb.iter().sum::<f64>();
        assert!((bpd - cell["matrices"]["bpd"][k][j].as_f64().unwrap()).abs() < 1e-9);
        assert!(timestep["discretized"][k][j].as_f64().unwrap() <= vlb[0]);
        assert!(cell["standard_errors"]["bpd"][k][j].as_f64().unwrap() > 0.0);
    }

    // F(t) is the difference of the losses, and its total that of the bits per dimension.
    let change = &timestep["forgetting"]["vlb"][1][0];
    let losses = |k: usize| numbers(&timestep["vlb"][k][0]);
    for (found, (after, before)) in numbers(&change["absolute"]).iter().zip(losses(1).iter().zip(losses(0))) {
        assert!((found - (after - before)).abs() < 1e-9);
    }
    let bpd = |k: usize| cell["matrices"]["bpd"][k][0].as_f64().unwrap();
    assert!((change["total"].as_f64().unwrap() - (bpd(1) - bpd(0))).abs() < 1e-9);
    assert!(numbers(&change["absolute_error"]).iter().all(|error| *error >= 0.0));
    assert_eq!(timestep["forgetting"]["vlb"][0].as_array().unwrap().len(), 0);
    let log_snr = numbers(&timestep["log_snr"]);
    assert!(log_snr.len() == 6 && log_snr.windows(2).all(|pair| pair[0] > pair[1]));

    // Hybrid trajectories begin and end at the two models alone.
    let hybrid = &cell["hybrid_sampling"][0];
    assert_eq!(numbers(&hybrid["thresholds"]), [0.0, 300.0, 600.0, 1000.0]);
    let fid = |k: usize| cell["matrices"]["fid"][k][0].as_f64().unwrap();
    let (old, new) = (numbers(&hybrid["old_above"]), numbers(&hybrid["new_above"]));
    assert_eq!((old[0], old[3], new[0], new[3]), (fid(0), fid(1), fid(1), fid(0)));
    assert!(old[1..3].iter().chain(&new[1..3]).all(|v| *v != fid(0) && *v != fid(1)));

    // The views into the network.
    assert!(numbers(&cell["gradient_cosine"][1][0]).iter().all(|cosine| (-1.0..=1.0).contains(cosine)));
    let cka = &cell["cka"];
    assert_eq!(cka["blocks"][0], "conv_in");
    assert_eq!(cka["blocks"].as_array().unwrap().len(), cka["values"][1][0].as_array().unwrap().len());
    assert!(numbers(&cka["values"][1][0][0]).iter().all(|value| *value > 0.5 && *value < 1.0 + 1e-6));

    // Summaries that need more than the matrix.
    let untrained = numbers(&cell["untrained"]["bpd"]);
    let transfer = untrained[1] - cell["matrices"]["bpd"][0][1].as_f64().unwrap();
    assert!((cell["summary"]["bpd.forward_transfer"].as_f64().unwrap() - transfer).abs() < 1e-9);
    assert!(cell["summary"]["fid.against_joint"].is_number());

    for file in ["results.csv", "results.parquet"] {
        assert!(scratch.path("run").join(file).is_file(), "{file}");
    }
    let csv = fs::read_to_string(scratch.path("run/results.csv")).unwrap();
    assert!(csv.starts_with("run,label,strategy,seed,metric,statistic,"));
    assert!(csv.contains("smoke,finetune,finetune,0,fid.hybrid.old_above,value,1,0,,,,300,,,"));
}

#[test]
fn an_unconditional_model_is_probed_too_and_several_runs_make_one_report() {
    let scratch = Scratch::new();
    let few = ["--strategy", "finetune", "--set", "training.condition_on=none"];
    let results = run(&scratch, "a", &few);
    let hybrid = &results["cells"][0]["hybrid_sampling"][0];
    assert_eq!(hybrid["old_above"].as_array().unwrap().len(), 5);
    assert_eq!(hybrid["old_above"][0], hybrid["new_above"][4]);
    run(&scratch, "b", &[&few[..], &["--seeds", "1,2"]].concat());
    let output = scratch.cldiff(&["report", "a", "b", "--out", "both.html"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let html = fs::read_to_string(scratch.path("both.html")).unwrap();
    assert!(html.contains("Over seeds") && html.contains("3 seeds"));
    let csv = fs::read_to_string(scratch.path("results.csv")).unwrap();
    assert!(csv.lines().any(|line| line.contains("bpd.final_average,low")));
}

#[test]
fn mistakes_in_likelihood_thresholds_and_objective_name_their_key() {
    let scratch = Scratch::new();
    for (assignment, key, expected) in [
        ("evaluation.likelihood.draws=0", "evaluation.likelihood.draws", "at least 1"),
        (
            "evaluation.sampler.ddim.threshold.dynamic.max=0.0",
            "evaluation.sampler.ddim.threshold.dynamic.max",
            "above 0",
        ),
        (
            "training.objective.weighting.min_snr.gamma=-5.0",
            "training.objective.weighting.min_snr.gamma",
            "above 0",
        ),
        ("process.zero_terminal_snr=true", "`prediction`", "v_prediction"),
    ] {
        let arguments = ["--config", "smoke", "--backend", "flex", "--out", "run", "--set", assignment];
        let output = scratch.cldiff(&arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(key) && message.contains(expected), "{assignment}: {message}");
        assert!(!scratch.path("run").exists());
    }
}

#[test]
fn mistakes_in_the_analyses_options_name_their_line() {
    let scratch = Scratch::new();
    let base = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml")).unwrap();
    for (options, key, line) in [
        ("hybrid_sampling = { thresholds = [0.5, 0.2] }", "thresholds", "rising"),
        ("hybrid_sampling = { thresholds = [1000] }", "thresholds", "between 0 and 1"),
        ("cka = { images = 3 }", "images", "at least 4"),
        ("gradients = { images = 0 }", "images", "at least 1"),
    ] {
        let text_of = base.replace("[evaluation]\n", &format!("[evaluation]\n{options}\n"));
        let place = text_of.lines().position(|l| l == options).unwrap() + 1;
        scratch.write("wrong.toml", &text_of);
        let output = scratch.cldiff(&["--config", "wrong.toml", "--backend", "flex", "--out", "run"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for expected in ["wrong.toml", &format!("{place}"), key, line] {
            assert!(message.contains(expected), "no {expected} in {message}");
        }
        assert!(!scratch.path("run").exists());
    }
}
