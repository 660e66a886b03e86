//! Full disks, lost permissions, mistakes of the program, flipped bytes: a clear error, nothing lost, and nothing damaged
//! that is taken for whole.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

const FEW: [&str; 8] =
    ["--config", "smoke", "--backend", "flex", "--quiet", "--strategy", "finetune,replay-1", "--out"];
const EVERY_STEP: [&str; 4] = ["--set", "checkpoints.every_steps=1", "--set", "checkpoints.most_time=1"];

fn with_fault(scratch: &Scratch, fault: &str, arguments: &[&str]) -> Output {
    scratch.command().args(arguments).env("CLDIFF_FAULT", fault).output().unwrap()
}

fn run(scratch: &Scratch, out: &str, more: &[&str]) -> Output {
    scratch.cldiff(&[&FEW[..], &[out], &EVERY_STEP, more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Flips one bit at positions spread over a file, calls `check` with each, and restores the file.
fn with_flipped_bytes(path: &Path, positions: usize, mut check: impl FnMut(usize)) {
    let whole = fs::read(path).unwrap();
    for i in 0..positions {
        let mut bytes = whole.clone();
        let position = i * bytes.len() / positions;
        bytes[position] ^= 1 << (i % 8);
        fs::write(path, bytes).unwrap();
        check(position);
    }
    fs::write(path, whole).unwrap();
}

#[test]
fn a_disk_that_fills_up_costs_nothing_but_time() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "whole", &[]).status.success());
    let expected = results_without_cost(&scratch.path("whole"));
    for (i, fault) in
        ["full:1", "full:2", "full:9", "full:100", "short:60", "short:331", "denied:7", "denied:200"]
            .iter()
            .enumerate()
    {
        let out = format!("run-{i}");
        let output = with_fault(&scratch, fault, &[&FEW[..], &[&out], &EVERY_STEP].concat());
        let message = text(&output.stderr);
        let code = output.status.code();
        assert!(code == Some(1) || code == Some(2), "{fault}: {code:?} {message}");
        assert!(message.starts_with("error: ") && message.contains(&out), "{fault}: {message}");
        assert!(!message.contains("internal"), "{fault}: {message}");
        let resume: &[&str] =
            if scratch.path(&out).join("manifest.json").exists() { &["--resume"] } else { &[] };
        if resume.is_empty() {
            // Nothing had begun.
            let _ = fs::remove_dir_all(scratch.path(&out));
        } else {
            assert!(message.contains("--resume --out"), "{fault}: {message}");
        }
        let output = run(&scratch, &out, resume);
        assert!(output.status.success(), "{fault}: {}", text(&output.stderr));
        assert_eq!(results_without_cost(&scratch.path(&out)), expected, "{fault}");
    }
}

/// 2 would be a mistake of the user's, which no batch system tries again. Of the writes of a merge the first two are the
/// manifest's, the next two the results', two more the manifest's, then comes the page.
#[test]
fn a_report_that_cannot_be_written_is_worth_another_try() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "run", &[]).status.success());
    let page = fs::read(scratch.path("run/report.html")).unwrap();
    let last = || {
        json(&scratch.path("run/manifest.json"))["sessions"].as_array().unwrap().last().unwrap()["how"]
            .clone()
    };
    for (fault, file) in
        [("full:7", "report.html"), ("denied:7", "report.html"), ("denied:5", "manifest.json")]
    {
        let output = with_fault(&scratch, fault, &["merge", "run"]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{fault}: {message}");
        assert!(message.contains(&format!("run/{file}")), "{fault}: {message}");
        assert!(message.contains("nothing is lost: the same command goes on"), "{fault}: {message}");
        // A disk that is full takes no note either.
        assert_eq!(last() == "failed", fault != "full:7", "{fault}: {}", last());
        assert_eq!(fs::read(scratch.path("run/report.html")).unwrap(), page, "{fault}");
    }
    assert!(scratch.cldiff(&["merge", "run"]).status.success());
    assert_eq!(last(), "finished");
    let left: Vec<_> =
        fs::read_dir(scratch.path("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".tmp")), "{left:?}");
}

#[test]
fn space_is_looked_for_before_a_state_is_written() {
    let scratch = Scratch::new();
    let output = with_fault(&scratch, "space:1000", &[&FEW[..], &["run"]].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("the disk is full") && message.contains("MB are free"), "{message}");
    assert!(message.contains("--resume --out run"), "{message}");
    assert!(json(&scratch.path("run/manifest.json"))["sessions"][0]["how"] == "failed");
}

#[test]
fn a_cell_that_fails_is_noted_and_the_others_go_on_and_resuming_tries_it_again() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "whole", &[]).status.success());
    // A mistake of the program in the first cell.
    let arguments = [&FEW[..], &["run"], &EVERY_STEP].concat();
    let output = with_fault(&scratch, "panic:104", &arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("1 of 2 cells failed"), "{message}");
    assert!(
        message.contains("finetune (seed 0) failed: internal error: a fault that was asked for"),
        "{message}"
    );
    let results = json(&scratch.path("run/results.json"));
    assert_eq!(results["cells"][0]["label"], "replay-1");
    assert_eq!(results["failed"][0]["label"], "finetune");
    let status = json(&scratch.path("run/cells/finetune-0/status.json"));
    assert_eq!(status["state"], "failed");
    let html = fs::read_to_string(scratch.path("run/report.html")).unwrap();
    assert!(html.contains("Cells that failed"));

    let output = run(&scratch, "run", &["--resume"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(results_without_cost(&scratch.path("run")), results_without_cost(&scratch.path("whole")));
    assert!(!fs::read_to_string(scratch.path("run/report.html")).unwrap().contains("Cells that failed"));
    let log = fs::read_to_string(scratch.path("run/cells/finetune-0/metrics.jsonl")).unwrap();
    assert!(log.lines().any(|line| line.contains("\"resumed\"")), "{log}");
}

#[test]
fn a_training_that_diverges_fails_alone_and_every_reason_is_told() {
    let scratch = Scratch::new();
    let base = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml")).unwrap();
    let diverging = base.replace("rehearsal_coefficient = 0.1,", "rehearsal_coefficient = 1e39,");
    scratch.write("diverging.toml", &diverging);
    let arguments = ["--config", "diverging.toml", "--backend", "flex", "--quiet", "--out", "run"];
    let first = scratch.cldiff(&arguments);
    let message = text(&first.stderr);
    assert_eq!(first.status.code(), Some(1), "{message}");
    assert!(message.contains("1 of 4 cells failed") && message.contains("training diverged"), "{message}");
    // Nothing is replayed in the first task.
    assert!(message.contains(" of task 2; lower `training.optimizer.learning_rate`"), "{message}");
    assert!(text(&first.stdout).contains("replay-1"), "the others are shown");
    let again = scratch.cldiff(&[&arguments[..], &["--resume"]].concat());
    assert_eq!(text(&again.stderr), message, "the same training fails the same way");
    // Alone it leaves nothing to report.
    let alone = scratch.cldiff(&[&arguments[..6], &["alone", "--strategy", "replay-0.1"]].concat());
    assert_eq!(alone.status.code(), Some(1));
    assert!(alone.stdout.is_empty() && !scratch.path("alone/report.html").exists());
    let report = scratch.cldiff(&["report", "alone"]);
    let told = text(&report.stdout);
    assert!(report.status.success(), "{}", text(&report.stderr));
    assert!(told.contains("alone: 0 of 1 cells are done") && told.contains("training diverged"), "{told}");
    assert!(told.contains("no cell has a result yet"), "{told}");
}

/// Cells side by side give what they give one after another, and one of them that fails stops no other.
#[test]
fn several_cells_at_a_time_change_nothing() {
    let scratch = Scratch::new();
    let arguments = ["--config", "smoke", "--backend", "flex", "--quiet", "--out"];
    // More cells at a time than a small machine has threads.
    let command = || {
        let mut command = scratch.command();
        command.env("CLDIFF_MORE_THREADS_THAN_CORES", "1");
        command
    };
    let with =
        |out: &str, more: &[&str]| command().args([&arguments[..], &[out], more].concat()).output().unwrap();
    let with_fault = |fault: &str, out: &str| {
        let arguments = [&arguments[..], &[out, "--jobs", "4"]].concat();
        command().args(arguments).env("CLDIFF_FAULT", fault).output().unwrap()
    };
    assert!(with("one", &[]).status.success());
    let output = with("three", &["--jobs", "3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = results_without_cost(&scratch.path("one"));
    assert_eq!(results_without_cost(&scratch.path("three")), expected);

    let output = with_fault("panic:17", "failing");
    assert!(text(&output.stderr).contains("1 of 4 cells failed"), "{}", text(&output.stderr));
    let output = with("failing", &["--resume", "--jobs", "2"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(results_without_cost(&scratch.path("failing")), expected);

    // A full disk stops all of them, and what they had is kept.
    let output = with_fault("full:30", "full");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--resume --out full"), "{}", text(&output.stderr));
    assert!(with("full", &["--resume"]).status.success());
    assert_eq!(results_without_cost(&scratch.path("full")), expected);

    for (more, told) in [
        (&["--jobs", "0"][..], "--jobs 0"),
        (&["--devices", "0,0"][..], "device 0 occurs twice"),
        (&["--devices", "0,1"][..], "--device 1 does not exist"),
    ] {
        let output = with("wrong", more);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

#[test]
fn steps_left_out_are_counted() {
    let scratch = Scratch::new();
    let skip = ["--set", "training.on_divergence=skip"];
    assert!(run(&scratch, "run", &skip).status.success());
    assert_eq!(json(&scratch.path("run/results.json"))["cells"][0]["cost"]["skipped_steps"], 0);
}

#[test]
fn a_damaged_state_costs_some_steps_and_nothing_else() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "whole", &[]).status.success());
    let expected = results_without_cost(&scratch.path("whole"));
    for (i, name) in ["tensors.safetensors", "values.json", "manifest.json"].iter().enumerate() {
        let out = format!("run-{i}");
        // Killed in the second cell's states.
        let arguments = [&FEW[..], &[&out], &EVERY_STEP].concat();
        assert!(!with_fault(&scratch, "kill:454", &arguments).status.success());
        let states = newest_state(&scratch.path(&out));
        let path = states.join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let arguments = [&FEW[..4], &FEW[5..], &[&out], &EVERY_STEP, &["--resume"]].concat();
        let output = scratch.cldiff(&arguments);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("a damaged state is left out"), "{}", text(&output.stderr));
        assert_eq!(results_without_cost(&scratch.path(&out)), expected, "{name}");
    }
}

#[test]
fn a_state_of_another_cell_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    let arguments = ["--config", "smoke", "--backend", "flex", "--quiet", "--strategy", "replay-1,finetune"];
    let arguments = [&arguments[..], &["--out", "run"], &EVERY_STEP].concat();
    // Killed in the second task of the first cell, which has stored images by then.
    assert!(!with_fault(&scratch, "kill:304", &arguments).status.success());
    let (mine, other) = ("run/cells/finetune-0", "run/cells/replay-1-0");
    fs::create_dir_all(scratch.path(mine)).unwrap();
    fs::rename(scratch.path(other).join("state"), scratch.path(mine).join("state")).unwrap();
    let output = scratch.cldiff(&[&arguments[..], &["--resume"]].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("1 of 2 cells failed") && message.contains("finetune (seed 0) failed"),
        "{message}"
    );
    assert!(message.contains("remove run/cells/finetune-0/state to begin the cell anew"), "{message}");
    fs::remove_dir_all(scratch.path(mine).join("state")).unwrap();
    let output = scratch.cldiff(&[&arguments[..], &["--resume"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The newest state of the cell that has one.
fn newest_state(run: &Path) -> PathBuf {
    let cells = fs::read_dir(run.join("cells")).unwrap().map(|entry| entry.unwrap().path().join("state"));
    let states = cells.filter(|dir| dir.is_dir()).flat_map(|dir| fs::read_dir(dir).unwrap());
    let whole = states.map(|entry| entry.unwrap().path()).filter(|dir| dir.join("manifest.json").exists());
    whole.max().expect("a state was kept")
}

#[test]
fn a_run_that_was_changed_is_refused_or_the_same() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "run", &[]).status.success());
    let expected = scratch.cldiff(&["report", "run"]).stdout;
    for (name, positions) in [("results.json", 40), ("config.toml", 40), ("manifest.json", 200)] {
        with_flipped_bytes(&scratch.path("run").join(name), positions, |position| {
            let output = scratch.cldiff(&["report", "run"]);
            let message = text(&output.stderr);
            assert!(!message.contains("internal error"), "{name} at {position}: {message}");
            if output.status.success() {
                // Words of the manifest that no number depends on.
                assert_eq!(name, "manifest.json", "{position}");
                assert_eq!(output.stdout, expected, "{name} at {position}");
            } else {
                assert!(message.contains("run/"), "{name} at {position}: {message}");
            }
        });
    }
    // A finished cell that was changed is made again.
    let before = results_without_cost(&scratch.path("run"));
    let result = scratch.path("run/cells/replay-1-0/result.json");
    fs::write(&result, fs::read_to_string(&result).unwrap().replace("\"seed\": 0", "\"seed\": 1")).unwrap();
    let output = run(&scratch, "run", &["--resume"]);
    assert!(
        output.status.success() && text(&output.stderr).contains("made again"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(results_without_cost(&scratch.path("run")), before);
}

#[test]
fn the_second_process_is_refused_and_the_first_goes_on() {
    let scratch = Scratch::new();
    let long = [&FEW[..], &["run", "--set", "training.steps_per_experience=100000"]].concat();
    let mut first = scratch.command().args(&long).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    // It is at work on its first cell.
    let cell = scratch.path("run/cells/finetune-0");
    while !cell.join("metrics.jsonl").exists() && start.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = scratch.cldiff(&["run", "--out", "run", "--cell", "0"]);
    let third = scratch.cldiff(&long);
    let going_on = first.try_wait().unwrap().is_none();
    first.kill().unwrap();
    first.wait().unwrap();
    let message = text(&second.stderr);
    assert!(going_on, "the first was disturbed");
    // The other process may die: a retry makes sense.
    assert_eq!(second.status.code(), Some(1), "{message}");
    let told = format!("finetune (seed 0): process {} on ", first.id());
    assert!(message.contains(&told) && message.contains("is making this cell"), "{message}");
    // A new run in its directory does not.
    let message = text(&third.stderr);
    assert_eq!(third.status.code(), Some(2), "{message}");
    assert!(message.contains("holds another run"), "{message}");
    // Its lease is stale now.
    assert!(cell.join("lease.json").exists());
    let manifest = json(&scratch.path("run/manifest.json"));
    assert_eq!(manifest["sessions"][0]["how"], "running");
}

#[test]
fn another_program_other_data_and_other_settings_are_not_gone_on_with() {
    let scratch = Scratch::new();
    assert!(run(&scratch, "run", &[]).status.success());
    let refuse = |arguments: &[&str], told: &str| {
        let output = scratch.cldiff(&[&FEW[..], &["run", "--resume"], arguments].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(told), "{message}");
    };
    refuse(&["--set", "training.batch_size=8"], "`training.batch_size` is 16 there and 8 here");
    refuse(
        &["--seeds", "0,3"],
        "error: --out run: the run there has other settings: `seeds` is [0] there and [0, 3] here; run --seeds 3 into \
         another --out, and `cldiff report A B` shows both",
    );
    let manifest = scratch.path("run/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to, told) in [
        ("\"backend\": \"flex\"", "\"backend\": \"cuda\"", "its backend is cuda"),
        ("\"version\": \"", "\"version\": \"9", "its version is 9"),
        ("\"train\": \"", "\"train\": \"0", "its train images are others"),
        ("\"schema\": 1", "\"schema\": 2", "schema 2"),
    ] {
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        refuse(&EVERY_STEP, told);
    }
    fs::write(&manifest, text).unwrap();
    assert!(run(&scratch, "run", &["--resume"]).status.success());
}

#[test]
fn runs_with_other_settings_are_compared_and_make_no_common_report() {
    let scratch = Scratch::new();
    let one = ["--seeds", "1", "--set", "name=other"];
    assert!(run(&scratch, "a", &[]).status.success());
    assert!(run(&scratch, "b", &one).status.success());
    assert!(
        run(&scratch, "c", &[&one[..], &["--set", "training.optimizer.learning_rate=1e-3"]].concat())
            .status
            .success()
    );
    assert!(scratch.cldiff(&["report", "a", "b", "--out", "both.html"]).status.success());
    // Runs of one name are told apart by their settings.
    for first in ["a", "b"] {
        let output = scratch.cldiff(&["report", first, "c", "--out", "both.html"]);
        let (table, message) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{message}");
        assert!(
            table.contains("2 runs differ in 1 setting:\n  training.optimizer.learning_rate\n"),
            "{table}"
        );
        for (strategy, rate) in
            [("finetune", "0.002"), ("finetune", "0.001"), ("replay-1", "0.002"), ("replay-1", "0.001")]
        {
            let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().starts_with(&[strategy, rate]);
            assert!(table.lines().any(row), "{strategy} {rate}: {table}");
        }
        assert!(
            fs::read_to_string(scratch.path("both.html"))
                .unwrap()
                .contains("training.optimizer.learning_rate")
        );
        assert!(scratch.path("both.csv").is_file());
    }
    let output = scratch.cldiff(&["report", "a", "a", "--out", "both.html"]);
    assert!(text(&output.stderr).contains("both a and a have the cell"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("; give runs with different seeds or strategies"));
}
