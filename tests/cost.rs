//! The counts of a run: passes by name, and the part of the past in the model that is evaluated.

mod common;

use std::fs;

use common::{Scratch, text};
use serde_json::Value;

const SMOKE: &str = include_str!("../configs/smoke.toml");

/// The first cell of a run of the smoke test with one strategy.
fn cell(scratch: &Scratch, strategy: &str, out: &str, more: &[&str]) -> Value {
    let end = SMOKE.find("[[strategy]]").unwrap();
    scratch.write("one.toml", &format!("{}[[strategy]]\n{strategy}\n", &SMOKE[..end]));
    let arguments = ["--config", "one.toml", "--backend", "flex", "--quiet", "--out", out];
    let output = scratch.cldiff(&[&arguments[..], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = fs::read_to_string(scratch.path(out).join("results.json")).unwrap();
    serde_json::from_str::<Value>(&results).unwrap()["cells"][0].clone()
}

fn passes(cell: &Value, name: &str) -> u64 {
    cell["cost"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {}", cell["cost"]))
}

/// Two tasks of 40 steps with 16 images; nine sets of 80 samples by eight steps of DDIM: three on the way, six for hybrid
/// sampling.
#[test]
fn every_pass_has_a_name_and_the_sum_has_all() {
    let scratch = Scratch::new();
    let parts = [
        "training_passes",
        "teacher_passes",
        "generator_passes",
        "classifier_passes",
        "fisher_passes",
        "sensitivity_passes",
        "probe_passes",
        "sampling_passes",
        "evaluation_passes",
    ];
    for (i, (strategy, expected)) in [
        ("finetune = {}", vec![("training_passes", 1280), ("sampling_passes", 5760), ("teacher_passes", 0)]),
        // Of each of 40 x 16 generated images ten passes of the generator, and one of training.
        ("generative_replay = {}", vec![("training_passes", 1920), ("generator_passes", 6400)]),
        ("lwf = {}", vec![("training_passes", 1920), ("teacher_passes", 640), ("generator_passes", 0)]),
        // After each of the two tasks.
        (
            "ewc = { samples = 3, timesteps_per_sample = 5 }",
            vec![("training_passes", 1280), ("fisher_passes", 30)],
        ),
        ("mas = { samples = 7 }", vec![("sensitivity_passes", 14), ("fisher_passes", 0)]),
    ]
    .into_iter()
    .enumerate()
    {
        let cell = cell(&scratch, strategy, &format!("run-{i}"), &[]);
        for (name, count) in expected {
            assert_eq!(passes(&cell, name), count, "{strategy}: {name}");
        }
        let sum: u64 = parts.iter().map(|name| passes(&cell, name)).sum();
        assert_eq!(passes(&cell, "denoiser_evaluations"), sum, "{strategy}");
        let of_evaluation = passes(&cell, "sampling_passes") + passes(&cell, "evaluation_passes");
        assert_eq!(passes(&cell, "method_evaluations"), sum - of_evaluation, "{strategy}");
        assert!(passes(&cell, "evaluation_passes") > 0);
    }
}

/// With its label and without: each image goes through twice.
#[test]
fn guidance_takes_each_image_through_twice() {
    let scratch = Scratch::new();
    let dropout = ["--set", "training.label_dropout=0.2"];
    let guided = [&dropout[..], &["--set", "evaluation.guidance=2.0"]].concat();
    let of = |out, more: &[&str]| passes(&cell(&scratch, "finetune = {}", out, more), "sampling_passes");
    assert_eq!((of("plain", &dropout), of("guided", &guided)), (5760, 2 * 5760));
}

/// The product of the decays (1 + s) / (10 + s) of the updates 41 to 80: (41 ... 49) / (81 ... 89).
#[test]
fn the_weight_of_the_past_is_told() {
    let scratch = Scratch::new();
    let weight = |out, more: &[&str]| {
        let cell = cell(&scratch, "finetune = {}", out, more);
        let weights = cell["ema_weight_of_past"].as_array().unwrap().clone();
        weights.iter().map(|weight| weight.as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(weight("restart", &[]), [0.0, 0.0]);
    let carried = weight("continue", &["--set", "training.ema.at_experience=continue"]);
    let expected: f64 = (1..=9).map(|i| f64::from(40 + i) / f64::from(80 + i)).product();
    assert_eq!(carried[0], 0.0);
    assert!((carried[1] - expected).abs() < 1e-9 && (expected - 0.003_232).abs() < 1e-6, "{carried:?}");
}

/// Under equal passes replay takes half as many steps in the second task as finetuning: the same passes.
#[test]
fn a_budget_of_passes_makes_the_compute_equal() {
    let scratch = Scratch::new();
    let budget = ["--set", "training.budget={ passes = 320 }"];
    let finetune = cell(&scratch, "finetune = {}", "finetune", &budget);
    let replay = "replay = { buffer = { class_balanced = { per_class = 10 } } }";
    let replay = cell(&scratch, replay, "replay", &budget);
    assert_eq!((passes(&finetune, "training_passes"), passes(&replay, "training_passes")), (640, 640));
    let cumulative =
        cell(&scratch, "cumulative = {}", "epochs", &["--set", "training.budget={ epochs = 1 }"]);
    // 300 images make 19 batches, 600 make 38.
    assert_eq!(passes(&cumulative, "training_passes"), (19 + 38) * 16);
}
