//! The readings beside the evaluation matrices: classes, drift, training on samples, curves within experiences, and the
//! comparisons with references. They agree with the other numbers, change none of them, and survive a kill.

mod common;

use std::fs;

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

/// Smoke with other strategies; two tasks of five classes, 80 samples and so 16 of each class.
fn config(scratch: &Scratch, name: &str, evaluation: &str) {
    let base = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml")).unwrap();
    let (settings, _) = base.split_once("[[strategy]]").unwrap();
    let settings = settings.replace("[evaluation]\n", &format!("[evaluation]\n{evaluation}\n"));
    let strategies =
        ["joint", "cumulative", "ensemble", "finetune"].map(|s| format!("[[strategy]]\n{s} = {{}}\n"));
    scratch.write(name, &(settings + &strategies.concat()));
}

const EVERYTHING: &str = "every_steps = 15
within = { images_per_task = 8, samples = 20 }
cas = { samples_per_class = 12, every_task = true }
classes = { fewest = 16 }";

fn arguments<'a>(config: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["--config", config, "--backend", "flex", "--quiet", "--out", out]
}

fn run(scratch: &Scratch, config: &str, out: &str, more: &[&str]) -> Value {
    let output = scratch.cldiff(&[&arguments(config, out)[..], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    results_without_cost(&scratch.path(out))
}

fn cell<'a>(results: &'a Value, label: &str) -> &'a Value {
    results["cells"].as_array().unwrap().iter().find(|cell| cell["label"] == label).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn len(value: &Value) -> usize {
    value.as_array().map_or_else(|| panic!("{value} is no list"), Vec::len)
}

#[test]
fn readings_agree_with_the_other_numbers_and_change_none_of_them() {
    let scratch = Scratch::new();
    config(&scratch, "off.toml", "");
    config(&scratch, "on.toml", EVERYTHING);
    let (mut off, mut on) = (run(&scratch, "off.toml", "off", &[]), run(&scratch, "on.toml", "on", &[]));
    for cell in on["cells"].as_array().unwrap() {
        classes_have_their_shapes(cell);
        cas_has_its_shape(cell);
        within_has_its_shape(cell);
    }
    references_are_compared(&on);
    what_an_ensemble_keeps_does_not_move(&on);
    few_samples_are_told(cell(&off, "finetune"));
    for file in ["results.csv", "results.parquet", "report.html"] {
        assert!(scratch.path("on").join(file).is_file(), "{file}");
    }
    let csv = fs::read_to_string(scratch.path("on/results.csv")).unwrap();
    // After task 2, class 0, seen as itself; and a loss after 15 steps of it.
    assert!(
        csv.lines()
            .any(|line| line.starts_with("smoke,finetune,finetune,0,class_confusion,value,1,,,,,,,0,0,,,"))
    );
    assert!(
        csv.lines()
            .any(|line| line.starts_with("smoke,finetune,finetune,0,within.bpd,value,1,0,,,,,,,,15,,"))
    );
    // Nothing else differs: the training does not notice that it is looked at.
    for results in [&mut off, &mut on] {
        for cell in results["cells"].as_array_mut().unwrap() {
            for key in ["cas", "within", "class_fid", "class_fid_error", "class_missing"] {
                cell.as_object_mut().unwrap().remove(key);
            }
        }
    }
    assert_eq!(on, off);
}

fn classes_have_their_shapes(cell: &Value) {
    for k in 0..2 {
        let rows = &cell["class_confusion"][k];
        assert_eq!((len(rows), len(&cell["class_accuracy"][k]), len(&cell["class_fid"][k])), (10, 10, 10));
        // Of the classes of each task: those that the first evaluation asked for are of the first.
        let (mut right, mut all) = ([0.0; 2], 0.0);
        for class in 0..10 {
            let row: Vec<f64> = rows[class].as_array().unwrap().iter().map(number).collect();
            let n: f64 = row.iter().sum();
            let (accuracy, fid) = (&cell["class_accuracy"][k][class], &cell["class_fid"][k][class]);
            assert_eq!((n == 0.0, n == 0.0), (accuracy.is_null(), fid.is_null()), "{n} {accuracy} {fid}");
            if n > 0.0 {
                assert_eq!(n, 16.0);
                assert_eq!(number(accuracy), row[class] / n);
                assert!(number(fid) > 0.0);
            }
            right[usize::from(cell["class_accuracy"][0][class].is_null())] += row[class];
            all += n;
        }
        assert_eq!(all, 80.0 * (k + 1) as f64);
        // The metric on a task is the share of the diagonal.
        for (j, right) in right.iter().enumerate().take(k + 1) {
            assert!((number(&cell["matrices"]["accuracy"][k][j]) - right / 80.0).abs() < 1e-12);
        }
    }
    assert_eq!(len(&cell["class_names"]), 10);
    assert!(cell.get("class_missing").is_none());
}

fn cas_has_its_shape(cell: &Value) {
    let cas = &cell["cas"];
    assert_eq!(cas["samples_per_class"], 12);
    for k in 0..2 {
        for side in ["", "real_"] {
            let accuracy = number(&cas[format!("{side}accuracy")][k]);
            // 40 eval images of each class.
            let n = 200.0 * (k + 1) as f64;
            let error = (accuracy * (1.0 - accuracy) / n).sqrt();
            assert!((0.0..=1.0).contains(&accuracy));
            assert!((number(&cas[format!("{side}accuracy_error")][k]) - error).abs() < 1e-12);
            let classes = cas[format!("{side}class_accuracy")][k].as_array().unwrap();
            let known: Vec<f64> = classes.iter().filter(|value| !value.is_null()).map(number).collect();
            assert_eq!(known.len(), 5 * (k + 1));
            assert!((known.iter().sum::<f64>() / known.len() as f64 - accuracy).abs() < 1e-12);
        }
    }
}

fn within_has_its_shape(cell: &Value) {
    let within = &cell["within"];
    assert_eq!((&within["images"], &within["samples"]), (&Value::from(8), &Value::from(20)));
    for k in 0..2 {
        assert_eq!(within["steps"][k], serde_json::json!([0, 15, 30, 40]));
        for loss in ["denoising_loss", "bpd", "fid"] {
            assert_eq!(len(&within[loss][k]), k + 1);
            for j in 0..=k {
                assert_eq!(len(&within[loss][k][j]), 4);
                assert!(within[loss][k][j].as_array().unwrap().iter().all(|value| number(value) > 0.0));
            }
        }
    }
    for loss in ["denoising_loss", "bpd", "fid"] {
        // The first look at task 2 sees the model that the last look at task 1 saw.
        let curves = &within[loss];
        assert_eq!(curves[1][0][0], curves[0][0][3], "{loss} under {}", cell["label"]);
        let values: Vec<f64> = curves[1][0].as_array().unwrap().iter().map(number).collect();
        let worst = values.iter().copied().fold(f64::MIN, f64::max);
        let summary = &within["summary"][loss];
        assert_eq!(number(&summary["worst"]), worst);
        assert_eq!(number(&summary["gaps"][1][0]), (worst - values[0]).max(0.0));
        assert!((number(&summary["recovered"][1][0]) - (worst - values[3])).abs() < 1e-9);
        assert_eq!(number(&summary["stability_gap"]), number(&summary["gaps"][1][0]));
        let last = number(&curves[1][1][3]);
        assert!((number(&summary["worst_case"]) - f64::midpoint(last, worst)).abs() < 1e-9);
        assert!(number(&summary["anytime_average"]) > 0.0);
        assert_eq!(len(&summary["gaps"][0]), 0);
    }
}

fn references_are_compared(results: &Value) {
    let kinds: Vec<Value> =
        results["cells"].as_array().unwrap().iter().map(|cell| cell["reference"].clone()).collect();
    assert_eq!(kinds, [Value::from("joint"), "cumulative".into(), "alone".into(), Value::Null]);
    let fid = |label: &str, k: usize, j: usize| number(&cell(results, label)["matrices"]["fid"][k][j]);
    let of = |label: &str, name: &str| cell(results, label)["summary"].get(format!("fid.{name}")).cloned();
    let finetune = |name: &str| number(&of("finetune", name).unwrap());
    // The first task alone is what every strategy begins with: the second decides.
    assert_eq!(fid("finetune", 0, 0), fid("ensemble", 0, 0));
    let alone = (fid("ensemble", 1, 1) - fid("finetune", 1, 1)) / 2.0;
    assert!((finetune("plasticity_against_alone") - alone).abs() < 1e-9);
    let cumulative: f64 = (0..2).map(|j| fid("cumulative", j, j) - fid("finetune", j, j)).sum();
    assert!((finetune("plasticity_against_cumulative") - cumulative / 2.0).abs() < 1e-9);
    // The end of joint training, not its first half.
    let joint: f64 = (0..2).map(|j| fid("joint", 1, j) - fid("finetune", 1, j)).sum();
    assert!((finetune("against_joint") - joint / 2.0).abs() < 1e-9);
    assert_eq!(of("finetune", "plasticity_against_joint"), None);
    assert_eq!(of("joint", "plasticity_against_alone"), None);
    assert_eq!(of("ensemble", "plasticity_against_alone"), None);
}

fn what_an_ensemble_keeps_does_not_move(results: &Value) {
    let drift = |label: &str| &cell(results, label)["drift"];
    for label in ["ensemble", "finetune"] {
        let drift = drift(label);
        assert_eq!(drift["samples"], 64);
        assert_eq!((len(&drift["distance"][0]), len(&drift["distance"][1])), (0, 1));
    }
    let first = |label: &str, key: &str| number(&drift(label)[key][1][0]);
    assert_eq!((first("ensemble", "distance"), first("ensemble", "relative")), (0.0, 0.0));
    assert!(first("finetune", "distance") > 0.0 && first("finetune", "distance_error") > 0.0);
    assert!(first("finetune", "relative") > 0.0 && first("finetune", "relative_error") > 0.0);
    let ensemble = &cell(results, "ensemble")["within"]["summary"]["denoising_loss"];
    assert_eq!(number(&ensemble["stability_gap"]), 0.0);
}

/// 16 samples of a class are fewer than 20.
fn few_samples_are_told(cell: &Value) {
    assert!(cell["class_fid"][1].as_array().unwrap().iter().all(Value::is_null));
    let missing = cell["class_missing"].as_array().unwrap();
    assert_eq!(missing.len(), 15);
    assert_eq!((&missing[0]["after_task"], len(&cell["class_fid"])), (&Value::from(0), 2));
    let reason = "FID of a class needs at least 20 samples, got 16";
    assert!(missing.iter().all(|missing| missing["reason"] == reason), "{missing:?}");
    assert!(cell.get("cas").is_none() && cell.get("within").is_none());
}

#[test]
fn a_killed_run_comes_to_the_same_readings() {
    let scratch = Scratch::new();
    let everything = EVERYTHING.replace("every_steps = 15", "every_steps = 7");
    config(&scratch, "on.toml", &everything);
    let few = ["--strategy", "ensemble,finetune"];
    let expected = run(&scratch, "on.toml", "whole", &few);
    let every_step = ["--set", "checkpoints.every_steps=1", "--set", "checkpoints.most_time=1"];
    // Each session is killed after some writes: in the midst of the first cell and of the second.
    for (session, fault) in ["kill:45", "kill:130", "kill:211", "kill:60"].iter().enumerate() {
        let resume: &[&str] = if session == 0 { &[] } else { &["--resume"] };
        let arguments = [&arguments("on.toml", "run")[..], &few, &every_step, resume].concat();
        let output = scratch.command().args(arguments).env("CLDIFF_FAULT", fault).output().unwrap();
        assert!(!output.status.success(), "{fault} came too late");
    }
    let found = run(&scratch, "on.toml", "run", &[&few[..], &every_step, &["--resume"]].concat());
    assert_eq!(found, expected);
    let steps = &cell(&found, "finetune")["within"]["steps"][1];
    assert_eq!(*steps, serde_json::json!([0, 7, 14, 21, 28, 35, 40]));
}

#[test]
fn an_unconditional_model_has_drift_and_curves_but_no_classes() {
    let scratch = Scratch::new();
    config(&scratch, "off.toml", "every_steps = 40\nwithin = { images_per_task = 4 }");
    let few = ["--strategy", "finetune", "--set", "training.condition_on=none"];
    let results = run(&scratch, "off.toml", "run", &few);
    let cell = &results["cells"][0];
    assert!(cell.get("class_confusion").is_none() && cell.get("class_fid").is_none());
    assert!(number(&cell["drift"]["relative"][1][0]) > 0.0);
    // Before and after each task alone; no FID was asked for.
    assert_eq!(cell["within"]["steps"], serde_json::json!([[0, 40], [0, 40]]));
    assert!(cell["within"].get("fid").is_none());
}

#[test]
fn mistakes_in_the_readings_options_name_their_key() {
    let scratch = Scratch::new();
    for (options, more, expected) in [
        ("every_steps = 0", &[][..], "`evaluation.every_steps` is 0: expected at least 1"),
        (
            "within = { samples = 1 }",
            &[],
            "`evaluation.within.samples` is 1: expected 0 (no FID) or at least 2",
        ),
        ("classes = { fewest = 1 }", &[], "`evaluation.classes.fewest` is 1: expected at least 2"),
        (
            "cas = { samples_per_class = 0 }",
            &[],
            "`evaluation.cas.samples_per_class` is 0: expected at least 1",
        ),
        ("cas = {}", &["--set", "training.condition_on=none"], "set training.condition_on to \"class\""),
    ] {
        config(&scratch, "wrong.toml", options);
        let output = scratch.cldiff(&[&arguments("wrong.toml", "run")[..], more].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        // Messages are broken into lines of the terminal's width.
        let flat = message.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(expected), "no {expected} in {flat}");
        assert!(!scratch.path("run").exists());
    }
}

/// Of 320 passes replay takes 20 steps of 16 images in the first task and 10 of 32 in the second; of one epoch `cumulative`
/// takes 19 batches of 300 images, then 38 of 600. The last look is after the last step, and none changes the training.
#[test]
fn looks_end_where_an_experience_ends_under_any_budget() {
    let scratch = Scratch::new();
    let base = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml")).unwrap();
    let (settings, _) = base.split_once("[[strategy]]").unwrap();
    let replay = "replay = { buffer = { class_balanced = { per_class = 10 } } }";
    for (strategy, label, budget, every, expected) in [
        (replay, "replay", "{ passes = 320 }", 5, [&[0, 5, 10, 15, 20][..], &[0, 5, 10]]),
        (replay, "replay", "{ passes = 320 }", 15, [&[0, 15, 20], &[0, 10]]),
        ("cumulative = {}", "cumulative", "{ epochs = 1 }", 15, [&[0, 15, 19], &[0, 15, 30, 38]]),
    ] {
        let budget = format!("training.budget={budget}");
        let train = |name: &str, looks: &str| {
            let settings = settings.replace("[evaluation]\n", &format!("[evaluation]\n{looks}\n"));
            scratch.write(&format!("{name}.toml"), &format!("{settings}[[strategy]]\n{strategy}\n"));
            run(&scratch, &format!("{name}.toml"), &format!("{name}-{label}-{every}"), &["--set", &budget])
        };
        let off = train("off", "");
        let on = train("on", &format!("every_steps = {every}\nwithin = {{ images_per_task = 4 }}"));
        assert_eq!(cell(&on, label)["within"]["steps"], serde_json::json!(expected), "{label}, {every}");
        assert_eq!(cell(&on, label)["matrices"], cell(&off, label)["matrices"], "{label}, {every}");
    }
}
