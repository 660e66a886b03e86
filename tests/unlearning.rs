//! A stream that removes a class, from a configuration to the report: every number on a task is of kept classes, and the
//! removed one has numbers of its own.

mod common;

use std::{fs, path::Path};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

/// `arrow` of the ten symbols.
const REMOVED: usize = 3;

fn arguments<'a>(config: &'a str, out: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["--config", config, "--backend", "flex", "--quiet", "--out", out];
    for change in [
        "data.glyphs.train_per_class=100",
        "training.steps_per_experience=3",
        "training.batch_size=4",
        "evaluation.samples_per_task=18",
        "evaluation.sampler.ddim.steps=2",
        "evaluation.likelihood.images_per_task=2",
        "evaluation.classifier.epochs=2",
        "stream.unlearning.images_per_class=12",
    ] {
        arguments.extend(["--set", change]);
    }
    arguments
}

fn config() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/streams/unlearning.toml");
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_removed_class_is_measured_apart_from_those_that_are_kept() {
    let (scratch, config) = (Scratch::new(), config());
    let output = scratch.cldiff(&arguments(&config, "run"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = results_without_cost(&scratch.path("run"));
    tasks_are_of_kept_classes(&results);
    let cells = results["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 5);
    for cell in cells {
        kept_classes_have_numbers(cell);
        removed_classes_have_numbers(cell);
    }
    // Noise is the same for all of them, and so is what is seen in it.
    let noise = |cell: &Value| cell["removed"]["noise_share"][REMOVED].as_f64().unwrap();
    assert!(cells.iter().all(|cell| noise(cell) == noise(&cells[0])));
    let html = fs::read_to_string(scratch.path("run/report.html")).unwrap();
    assert!(
        html.contains("Removed class: arrow is seen in ")
            && html.contains("12 images of noise in place of arrow; ")
    );
    assert!(html.contains(
        "learns one task (1000 training images in all, 720 held out) and is then to lose arrow, with"
    ));
    the_long_table_has_them(&scratch);
}

fn tasks_are_of_kept_classes(results: &Value) {
    let tasks = results["stream"]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2);
    for task in tasks {
        let classes = task["classes"].as_array().unwrap();
        assert!(classes.len() == 9 && !classes.contains(&"arrow".into()), "{task}");
        assert_eq!(task["eval"], 9 * 40);
    }
    assert_eq!((&tasks[0]["train"], &tasks[1]["train"]), (&1000.into(), &12.into()));
    assert_eq!((&tasks[0]["removes"], &tasks[1]["removes"]), (&Value::Null, &serde_json::json!(["arrow"])));
    // The classifier has learned the removed class too, from images and not from noise; there is no held-out image of it.
    let confusion = results["judge_confusion"].as_array().unwrap();
    let row =
        |class: usize| confusion[class].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((row(REMOVED), row(0)), (0, 80));
    assert!(results["floor"]["fid"].as_array().unwrap().iter().all(Value::is_number));
}

fn kept_classes_have_numbers(cell: &Value) {
    let label = &cell["label"];
    for k in 0..2 {
        let asked = |class: usize| {
            let row = cell["class_confusion"][k][class].as_array().unwrap();
            row.iter().map(|n| n.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(asked(REMOVED), 0, "{label}");
        assert!(
            (0..10).filter(|class| *class != REMOVED).all(|class| asked(class) == 2 * (k as u64 + 1)),
            "{label}"
        );
        assert!(cell["class_accuracy"][k][REMOVED].is_null());
    }
    for summary in ["bpd.forgetting", "bpd.final_average", "accuracy.final_average", "fid.pooled_final"] {
        assert!(cell["summary"][summary].is_number(), "{label}: {summary}");
    }
    // R[1][0] - R[0][0], on the same images of kept classes.
    let bits = |k: usize| cell["matrices"]["bpd"][k][0].as_f64().unwrap();
    let forgotten = cell["summary"]["bpd.forgetting"].as_f64().unwrap();
    assert!((forgotten - (bits(1) - bits(0))).abs() < 1e-9, "{label}: {forgotten}");
}

fn removed_classes_have_numbers(cell: &Value) {
    let (label, removed) = (&cell["label"], &cell["removed"]);
    assert_eq!(removed["samples"], 18);
    for (values, before) in [
        ("class_share", Some("share_before")),
        ("class_probability", None),
        ("class_entropy", None),
        ("class_share_error", Some("share_before_error")),
    ] {
        let of = |k: usize, class: usize| &removed[values][k][class];
        assert!((0..10).all(|class| of(0, class).is_null()), "{label}: {values} before the removal");
        assert!((0..10).all(|class| of(1, class).is_number() == (class == REMOVED)), "{label}: {values}");
        if let Some(before) = before {
            assert!((0..10).all(|class| removed[before][class].is_number() == (class == REMOVED)), "{label}");
        }
    }
    let number = |value: &Value| value.as_f64().unwrap();
    let share = number(&removed["class_share"][1][REMOVED]);
    let error = number(&removed["class_share_error"][1][REMOVED]);
    assert!((error - (share * (1.0 - share) / 18.0).sqrt()).abs() < 1e-9, "{label}");
    assert!((share * 18.0 - (share * 18.0).round()).abs() < 1e-9, "{label}: {share}");
    let probability = number(&removed["class_probability"][1][REMOVED]);
    let entropy = number(&removed["class_entropy"][1][REMOVED]);
    assert!((0.0..=1.0).contains(&probability) && (0.0..=10.0_f64.ln() + 1e-6).contains(&entropy), "{label}");
}

fn the_long_table_has_them(scratch: &Scratch) {
    let table = fs::read_to_string(scratch.path("run/results.csv")).unwrap();
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|found| *found == name).unwrap();
    let (metric, class, after) = (column("metric"), column("class"), column("after_task"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    for name in ["removed_class_share", "removed_class_probability", "removed_class_entropy"] {
        let of: Vec<&Vec<&str>> = rows.iter().filter(|row| row[metric] == name).collect();
        assert!(of.len() >= 5, "{name}: {} rows", of.len());
        assert!(of.iter().all(|row| row[class] == "3" && row[after] == "1"), "{name}");
    }
    let noise = rows.iter().find(|row| row[metric] == "removed_class_share.noise").unwrap();
    assert_eq!((noise[class], noise[after]), ("3", ""));
}

#[test]
fn a_removal_that_cannot_be_is_told_before_anything_is_written() {
    let (scratch, config) = (Scratch::new(), config());
    for (change, told) in [
        ("stream.unlearning.remove=[10]", "unlearning.remove"),
        ("stream.unlearning.held_out_share=1.0", "unlearning.held_out_share"),
        ("training.condition_on=none", "expected `class`"),
    ] {
        let more = ["--set", change];
        let output = scratch.cldiff(&[&arguments(&config, "wrong")[..], &more].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(told), "{message}");
        assert!(!scratch.path("wrong").exists(), "{change}");
    }
}

/// Interrupted runs are not the subject here: two runs give the same bytes.
#[test]
fn a_removal_repeats_to_the_byte() {
    let (scratch, config) = (Scratch::new(), config());
    let more = ["--strategy", "selective_amnesia"];
    let run = |out: &str| {
        let output = scratch.cldiff(&[&arguments(&config, out)[..], &more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        results_without_cost(&scratch.path(out))
    };
    assert_eq!(run("one"), run("two"));
}
