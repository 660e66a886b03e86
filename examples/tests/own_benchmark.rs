//! The example with choices of its own is cldiff with them: run, interrupted, resumed, listed, checked, reported.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The example, which Cargo builds beside the tests of its package.
fn program() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let name = format!("own_benchmark{}", std::env::consts::EXE_SUFFIX);
    this.parent().unwrap().parent().unwrap().join("examples").join(name)
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.0.path()).env("HOME", self.0.path());
        command.env("XDG_CACHE_HOME", self.0.path().join("cache")).env_remove("RUST_LOG");
        // Messages on one line each, so that a test finds their words.
        command.env("COLUMNS", "10000");
        command
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn results(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("results.json")).unwrap();
    let mut results: Value = serde_json::from_str(&text).unwrap();
    for cell in results["cells"].as_array_mut().unwrap() {
        cell.as_object_mut().unwrap().remove("cost").unwrap();
    }
    results
}

/// Smoke, with a state after every step.
const RUN: [&str; 9] = [
    "--config",
    "smoke",
    "--backend",
    "flex",
    "--quiet",
    "--set",
    "checkpoints.every_steps=1",
    "--set",
    "checkpoints.most_time=1",
];

/// Kills a run as soon as its first task has been evaluated: the second is going on, or comes next.
fn kill_in_the_second_task(mut child: Child, cell: &Path) {
    let start = Instant::now();
    while !cell.join("samples/after-task-1.png").exists() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_mins(5), "no task after five minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn own_choices_are_run_resumed_and_reported() {
    let scratch = Scratch(tempfile::tempdir().unwrap());
    scratch.succeeds(&[&RUN[..], &["--out", "whole"]].concat());
    let whole = results(&scratch.path("whole"));
    let labels: Vec<&str> =
        whole["cells"].as_array().unwrap().iter().map(|cell| cell["label"].as_str().unwrap()).collect();
    // A reader who follows docs/tutorials/own-strategy.md adds a fourth.
    assert!(labels.starts_with(&["finetune", "weight_averaging", "replay+averaging"]), "{labels:?}");
    for cell in whole["cells"].as_array().unwrap() {
        assert!(cell["matrices"]["energy_distance"][1][0].is_number(), "{}", cell["label"]);
        assert!(cell["summary"]["energy_distance.final_average"].is_number());
        assert_eq!(cell["cka"]["blocks"].as_array().unwrap().len(), 3);
    }
    assert!(whole["floor"]["energy_distance"][0].is_number());
    let finetuned = &whole["cells"][0]["matrices"]["bpd"];
    assert_ne!(finetuned, &whole["cells"][1]["matrices"]["bpd"], "averaging does nothing");

    // The own strategy is interrupted in its second task, where it has weights of the past.
    let averaging = [&RUN[..], &["--strategy", "weight_averaging", "--out", "killed"]].concat();
    let child = scratch.command(&averaging).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    kill_in_the_second_task(child, &scratch.path("killed/cells/weight_averaging-0"));
    scratch.succeeds(&[&averaging[..], &["--resume"]].concat());
    assert_eq!(results(&scratch.path("killed"))["cells"][0], whole["cells"][1]);

    for file in ["report.html", "results.csv"] {
        let text = fs::read_to_string(scratch.path("whole").join(file)).unwrap();
        for own in ["weight_averaging", "energy_distance"] {
            assert!(text.contains(own), "no {own} in {file}");
        }
    }
    assert!(scratch.succeeds(&["report", "whole"]).contains("replay+averaging"));
}

#[test]
fn own_choices_are_listed_checked_and_in_the_schema() {
    let scratch = Scratch(tempfile::tempdir().unwrap());
    for (kind, own) in [
        ("strategies", "weight_averaging"),
        ("networks", "residual"),
        ("metrics", "energy_distance"),
        ("data-sets", "bars"),
    ] {
        let list: Value = serde_json::from_str(&scratch.succeeds(&["list", kind, "--json"])).unwrap();
        let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == own).unwrap();
        assert!(!entry["summary"].as_str().unwrap().is_empty(), "{own}");
    }
    let schema = scratch.succeeds(&["config", "schema"]);
    for own in ["weight_averaging", "residual", "energy_distance", "bars"] {
        assert!(schema.contains(&format!("\"{own}\"")), "{own} is not in the schema");
    }
    let mistakes = [
        ("past = 0.5", "past = 1.5", "`weight_averaging.past` is 1.5: expected 0 or more and below 1"),
        ("channels = 16", "channels = 12", "`channels` is 12: expected a multiple of 8"),
        ("orientations = 4", "orientations = 1", "`data.bars.orientations` is 1: expected 2 to 100"),
        ("size = 8", "sizes = 8", "unknown field `sizes`"),
    ];
    let smoke = include_str!("../examples/own_benchmark/smoke.toml");
    for (from, to, message) in mistakes {
        let changed = smoke.replacen(from, to, 1);
        let line = changed.lines().position(|line| line.contains(to)).unwrap() + 1;
        fs::write(scratch.path("mine.toml"), changed).unwrap();
        let Output { status, stderr, .. } =
            scratch.command(&["config", "check", "mine.toml"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        assert_eq!(status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "no \"{message}\" in {stderr}");
        // The place of a mistake inside an added choice is that of its table.
        let known = message.starts_with('`');
        assert!(!known || stderr.contains(&format!("line {line}")), "line {line} in {stderr}");
    }
}
