//! One run by many processes: cells by number, in any order, side by side, interrupted, taken over; merged they give what one
//! process gives, byte for byte except `cost`.

#![cfg(unix)]

mod common;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use common::{Scratch, text};
use serde_json::{Value, json};

/// A benchmark of some seconds: four cells.
const SHORT: [&str; 16] = [
    "smoke",
    "--strategy",
    "finetune,replay-1",
    "--seeds",
    "0,1",
    "--set",
    "training.steps_per_experience=5",
    "--set",
    "evaluation.samples_per_task=40",
    "--set",
    "evaluation.sampler.ddim.steps=2",
    "--set",
    "evaluation.likelihood.images_per_task=2",
    "--set",
    "evaluation.classifier.epochs=1",
    "--set",
];
const LAST: &str = "evaluation.classifier.min_steps=20";
const FLEX: [&str; 2] = ["--backend", "flex"];
const EVERY_STEP: [&str; 4] = ["--set", "checkpoints.every_steps=1", "--set", "checkpoints.most_time=1"];
/// So many steps that nobody waits for the last.
const LONG: &str = "training.steps_per_experience=100000";

/// The settings with the configuration behind `--config` for `run`, and without an option for `prepare`.
fn setting(named: bool) -> Vec<&'static str> {
    let first: &[&str] = if named { &[] } else { &["--config"] };
    [first, &SHORT, &[LAST]].concat()
}

/// The settings for `prepare` with [`LONG`] in the place of the few steps: a key is set once.
fn long() -> Vec<&'static str> {
    let (key, _) = LONG.split_once('=').unwrap();
    let long = |word| if str::starts_with(word, key) { LONG } else { word };
    setting(true).into_iter().map(long).collect()
}

fn succeeds(scratch: &Scratch, arguments: &[&str]) -> Output {
    let output = scratch.cldiff(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output
}

fn whole(scratch: &Scratch, out: &str, more: &[&str]) {
    succeeds(scratch, &[&setting(false)[..], &FLEX, &["--quiet", "--out", out], more].concat());
}

fn prepare(scratch: &Scratch, out: &str, more: &[&str]) -> Output {
    succeeds(scratch, &[&["prepare"], &setting(true)[..], &FLEX, &["--out", out], more].concat())
}

/// Prepares a run that nobody waits for, with a state after every step.
fn prepare_long(scratch: &Scratch) {
    succeeds(scratch, &[&["prepare"], &long()[..], &FLEX, &["--out", "run"], &EVERY_STEP].concat());
}

fn cell(out: &str, cell: &str) -> Vec<String> {
    ["run", "--out", out, "--cell", cell].map(str::to_owned).to_vec()
}

fn make(scratch: &Scratch, out: &str, which: &str) -> Output {
    let arguments = cell(out, which);
    scratch.cldiff(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The text of `results.json` without the lines of costs, byte for byte: each `cost` is an object of numbers.
fn bytes_without_cost(run: &Path) -> String {
    let text = fs::read_to_string(run.join("results.json")).unwrap();
    let (mut kept, mut rest) = (String::new(), text.as_str());
    while let Some(at) = rest.find("\"cost\": {") {
        kept.push_str(&rest[..at]);
        let cost = &rest[at..];
        let end = cost.find('}').unwrap();
        assert!(!cost["\"cost\": {".len()..end].contains('{'), "a cost within a cost");
        rest = &cost[end + 1..];
    }
    assert!(kept.len() > text.len() / 2 && kept.contains("\"summary\""), "{}", kept.len());
    kept + rest
}

fn same(scratch: &Scratch, out: &str) {
    let [merged, one] = [out, "one"].map(|run| bytes_without_cost(&scratch.path(run)));
    assert!(merged == one, "{out}/results.json differs from that of one run");
}

/// How often each cell of a run was begun, and gone on with.
fn begun(run: &Path) -> Vec<(usize, usize)> {
    let mut cells: Vec<_> =
        fs::read_dir(run.join("cells")).unwrap().map(|cell| cell.unwrap().path()).collect();
    cells.sort();
    let count = |cell: &Path| {
        let log = fs::read_to_string(cell.join("metrics.jsonl")).unwrap();
        let lines =
            |event: &str| log.lines().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count();
        (lines("begun"), lines("resumed"))
    };
    cells.iter().map(|cell| count(cell)).collect()
}

/// Everything in a run directory but what is below `cells/`, with its bytes.
fn outside_cells(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_file() {
            found.push((name, fs::read(entry).unwrap()));
        } else if name != "cells" {
            found.extend(
                outside_cells(&entry).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        }
    }
    found.sort();
    found
}

fn waits_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < Duration::from_mins(5), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is in the middle of a cell: it has kept a state.
fn in_the_middle(scratch: &Scratch, arguments: &[&str], cell: &str) -> Child {
    let mut command = scratch.command();
    let child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (state, lease) = (scratch.path(cell).join("state"), scratch.path(cell).join("lease.json"));
    // An earlier process may have left a state.
    let process = format!("\"process\": {},", child.id());
    waits_for("its lease", || fs::read_to_string(&lease).is_ok_and(|lease| lease.contains(&process)));
    waits_for("a state", || {
        fs::read_dir(&state)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.path().join("manifest.json").exists()))
    });
    child
}

fn signal(child: &Child, name: &str) {
    assert!(
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success()
    );
}

#[test]
fn cells_are_listed_in_their_order() {
    let scratch = Scratch::new();
    let list =
        |more: &[&str]| text(&succeeds(&scratch, &[&["cells"], &setting(true)[..], more].concat()).stdout);
    assert_eq!(list(&["--count"]), "4\n");
    let cells: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let expected = [("finetune", 0), ("replay-1", 0), ("finetune", 1), ("replay-1", 1)];
    for (i, (label, seed)) in expected.into_iter().enumerate() {
        let strategy = label.split('-').next().unwrap();
        let directory = format!("cells/{label}-{seed}");
        assert_eq!(
            cells[i],
            json!({"cell": i, "label": label, "strategy": strategy, "seed": seed, "directory": directory})
        );
    }
    let table = list(&[]);
    assert!(
        table.lines().any(|line| line.split_whitespace().eq(["3", "replay-1", "replay", "1"])),
        "{table}"
    );
    let wrong = scratch.cldiff(&["cells", "smoke", "--seeds", "0,0"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// Prepared, made in another order, one of them twice, one interrupted, two at a time by one process, merged.
#[test]
fn cells_in_any_order_give_what_one_run_gives() {
    let scratch = Scratch::new();
    whole(&scratch, "one", &EVERY_STEP);
    prepare(&scratch, "run", &EVERY_STEP);
    let end = || {
        let manifest = fs::read_to_string(scratch.path("run/manifest.json")).unwrap();
        serde_json::from_str::<Value>(&manifest).unwrap()["end"].clone()
    };
    assert_eq!(end(), Value::Null, "a run that is only prepared goes on");
    let prepared = outside_cells(&scratch.path("run"));
    let names: Vec<&str> = prepared.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["config.toml", "manifest.json", "reference.json", "real.png"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("prepared/classifier-")), "{names:?}");

    // Neither the cache nor the configuration of the machine that prepared it is needed.
    let elsewhere = |arguments: &[String]| {
        scratch.command().args(arguments).env("XDG_CACHE_HOME", scratch.path("another")).output().unwrap()
    };
    let output = elsewhere(&cell("run", "3"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("training the classifier"), "{}", text(&output.stderr));
    let again = make(&scratch, "run", "3");
    assert!(again.status.success() && text(&again.stderr).contains("replay-1 (seed 1): finished already"));

    // Not all are there yet.
    let early = scratch.cldiff(&["merge", "run"]);
    let message = text(&early.stderr);
    assert_eq!(early.status.code(), Some(1), "{message}");
    assert!(message.contains("3 of 4 cells have no result:"), "{message}");
    assert!(message.contains("finetune (seed 0): not begun"), "{message}");
    assert!(text(&early.stdout).contains("replay-1"), "{}", text(&early.stdout));
    assert!(scratch.path("run/report.html").is_file());
    assert_eq!(end(), Value::Null, "cells are missing");
    let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
    assert!(status.starts_with("run: 4 cells: 1 done, 3 waiting\n"), "{status}");

    let before = outside_cells(&scratch.path("run"));
    let killed = scratch.command().args(cell("run", "0")).env("CLDIFF_FAULT", "kill:20").output().unwrap();
    assert!(!killed.status.success());
    let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
    assert!(
        status.contains("finetune (seed 0): process ") && status.contains("task 1 of 2, step "),
        "{status}"
    );
    let output = make(&scratch, "run", "0-2");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("goes on in task 1"), "{}", text(&output.stderr));
    assert!(before == outside_cells(&scratch.path("run")), "cells write into their own directories alone");
    assert_eq!(begun(&scratch.path("run")), [(1, 1), (1, 0), (1, 0), (1, 0)]);
    let merged = succeeds(&scratch, &["merge", "run"]);
    assert!(text(&merged.stdout).contains("means over 2 seeds"), "{}", text(&merged.stdout));
    assert!(end().is_string());
    same(&scratch, "run");
    let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
    assert!(status.starts_with("run: 4 cells: 4 done\n"), "{status}");
    // The run is one that is finished, to every command.
    let resumed = [&setting(false)[..], &FLEX, &EVERY_STEP, &["--out", "run", "--resume"]].concat();
    let output = succeeds(&scratch, &resumed);
    assert!(text(&output.stderr).contains("all cells are done (4 of 4)"), "{}", text(&output.stderr));
}

/// A batch system numbers its tasks; the last has the rest.
#[test]
fn a_task_of_a_batch_system_makes_its_share_of_the_cells() {
    let scratch = Scratch::new();
    whole(&scratch, "one", &[]);
    prepare(&scratch, "run", &[]);
    // Repeated blindly, as the first container of each pod does.
    let before = outside_cells(&scratch.path("run"));
    let again = prepare(&scratch, "run", &[]);
    assert!(text(&again.stderr).contains("prepared already"), "{}", text(&again.stderr));
    assert!(before == outside_cells(&scratch.path("run")), "a prepared run was changed");
    let task = |variable: &str, value: &str| {
        let mut command = scratch.command();
        command.args(["run", "--out", "run", "--cell", "auto", "--cells-per-task", "3", "--quiet"]);
        for variable in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"] {
            command.env_remove(variable);
        }
        command.env(variable, value).output().unwrap()
    };
    for (variable, value) in [("JOB_COMPLETION_INDEX", "1"), ("SLURM_ARRAY_TASK_ID", "0")] {
        let output = task(variable, value);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    }
    let output = task("SLURM_ARRAY_TASK_ID", "2");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("4 cells, 3 a task: tasks 0 to 1"), "{}", text(&output.stderr));
    succeeds(&scratch, &["merge", "run"]);
    same(&scratch, "run");
}

#[test]
fn several_processes_on_one_directory_make_each_cell_once() {
    let scratch = Scratch::new();
    whole(&scratch, "one", &[]);
    let arguments = [&setting(false)[..], &FLEX, &["--quiet", "--out", "run", "--resume"]].concat();
    let start =
        || scratch.command().args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let all = [start(), start(), start()];
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        // Each of them waits for the others' cells, and shows the whole.
        assert!(text(&output.stdout).contains("means over 2 seeds"), "{}", text(&output.stdout));
    }
    assert_eq!(begun(&scratch.path("run")), [(1, 0); 4]);
    same(&scratch, "run");
    let manifest = fs::read_to_string(scratch.path("run/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let sessions = manifest["sessions"].as_array().unwrap();
    assert!(sessions.len() == 3 && sessions.iter().all(|session| session["how"] == "finished"), "{manifest}");
}

/// Where locks cannot be had, the leases alone keep processes apart.
#[test]
fn without_locks_each_cell_is_made_once_and_a_dead_ones_cell_is_taken_over() {
    let scratch = Scratch::new();
    whole(&scratch, "one", &EVERY_STEP);
    prepare(&scratch, "run", &EVERY_STEP);
    let without_locks = |arguments: &[String]| {
        let mut command = scratch.command();
        command.args(arguments).env("CLDIFF_NO_LOCKS", "1").env("CLDIFF_HEARTBEAT", "0.05");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut killed = without_locks(&cell("run", "1"));
    assert!(!killed.env("CLDIFF_FAULT", "kill:20").output().unwrap().status.success());
    assert!(scratch.path("run/cells/replay-1-0/lease.json").is_file());
    let resume = [&setting(false)[..], &FLEX, &EVERY_STEP, &["--quiet", "--out", "run", "--resume"]].concat();
    let resume: Vec<String> = resume.into_iter().map(str::to_owned).collect();
    let both = [(); 2].map(|()| without_locks(&resume).spawn().unwrap());
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(begun(&scratch.path("run")), [(1, 0), (1, 0), (1, 1), (1, 0)]);
    assert!(!scratch.path("run/cells/replay-1-0/lease.json").exists());
    same(&scratch, "run");
}

/// Another machine whose clock says anything: it is dead when its lease does not change, and lives as long as it does.
#[test]
fn the_cell_of_another_machine_is_taken_over_when_that_is_silent() {
    let scratch = Scratch::new();
    prepare(&scratch, "run", &[]);
    let dir = scratch.path("run/cells/finetune-0");
    fs::create_dir_all(&dir).unwrap();
    let lease = |beat: u64| {
        json!({
            "schema": 1, "host": "node7", "process": 12, "machine": "another", "token": "far", "beat": beat,
            "every_seconds": 0.2,
        })
    };
    let write = |beat: u64| {
        fs::write(dir.join("aside"), lease(beat).to_string()).unwrap();
        fs::rename(dir.join("aside"), dir.join("lease.json")).unwrap();
    };
    write(0);
    let mut child = scratch
        .command()
        .args(cell("run", "0"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut beat = 0;
    waits_for("a refusal", || {
        beat += 1;
        write(beat);
        child.try_wait().unwrap().is_some()
    });
    let output = child.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("finetune (seed 0): process 12 on node7 is making this cell"), "{message}");
    let output = make(&scratch, "run", "0");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Two owners of one cell: the first notices, writes nothing more, and says who has it.
#[test]
fn an_owner_that_was_taken_over_stops() {
    let scratch = Scratch::new();
    prepare_long(&scratch);
    let arguments = cell("run", "0");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let child = in_the_middle(&scratch, &arguments, "run/cells/finetune-0");
    let dir = scratch.path("run/cells/finetune-0");
    let text_of = fs::read_to_string(dir.join("lease.json")).unwrap();
    let mut lease: Value = serde_json::from_str(&text_of).unwrap();
    assert_eq!(lease["process"], child.id());
    lease["token"] = "another".into();
    lease["host"] = "node7".into();
    lease["machine"] = "another".into();
    fs::write(dir.join("aside"), lease.to_string()).unwrap();
    fs::rename(dir.join("aside"), dir.join("lease.json")).unwrap();
    let output = child.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("on node7 has taken this cell over"), "{message}");
    assert!(!dir.join("status.json").exists());
    let there: Value = serde_json::from_str(&fs::read_to_string(dir.join("lease.json")).unwrap()).unwrap();
    assert_eq!(there["token"], "another", "the other's lease is left alone");
}

/// SIGTERM, SIGUSR1 and SIGINT; batch systems send more than one.
#[test]
fn signals_keep_the_state_and_end_with_130() {
    let scratch = Scratch::new();
    prepare_long(&scratch);
    let arguments = cell("run", "0");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for signals in [&["TERM", "TERM", "TERM"][..], &["USR1"], &["INT"], &["USR1", "TERM"]] {
        let child = in_the_middle(&scratch, &arguments, "run/cells/finetune-0");
        let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
        assert!(status.contains("0 running  finetune (seed 0): process "), "{status}");
        // One that came while the first is dealt with may find the process gone.
        signal(&child, signals[0]);
        for name in &signals[1..] {
            let _ = Command::new("kill")
                .args([&format!("-{name}"), &child.id().to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let output = child.wait_with_output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{signals:?}: {message}");
        assert!(message.contains("interrupted; nothing is lost"), "{signals:?}: {message}");
        let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
        assert!(status.contains("0 waiting  finetune (seed 0): begun, "), "{status}");
    }
    let log = fs::read_to_string(scratch.path("run/cells/finetune-0/metrics.jsonl")).unwrap();
    assert_eq!(log.matches("\"event\":\"resumed\"").count(), 3, "{log}");
}

/// 2 is never worth a retry.
#[test]
fn mistakes_end_with_2_and_change_nothing() {
    let scratch = Scratch::new();
    let refused = |arguments: &[&str], told: &str| {
        let output = scratch.cldiff(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(told), "{arguments:?}: {message}");
    };
    refused(&["run", "--out", "run", "--cell", "0"], "run: no such directory");
    refused(&["merge", "run"], "run: no such directory");
    refused(&["status", "run"], "run: no such directory");
    refused(&["run", "--cell", "0"], "--out");
    refused(&["run", "--out", "run", "--cell", "0", "--seeds", "1"], "--seeds");
    // Killed behind its manifest, before anything that the cells share is there.
    let half = [&["prepare"], &setting(true)[..], &FLEX, &["--out", "half"]].concat();
    let killed = scratch.command().args(&half).env("CLDIFF_FAULT", "kill:5").output().unwrap();
    assert!(!killed.status.success() && scratch.path("half/manifest.json").is_file());
    let before = outside_cells(&scratch.path("half"));
    refused(&["merge", "half"], "half: the run is not prepared; cldiff prepare does that");
    assert!(before == outside_cells(&scratch.path("half")), "a refusal wrote something");
    prepare(&scratch, "run", &[]);
    refused(&["run", "--out", "run", "--cell", "4"], "--cell 4: the run has 4 cells, 0 to 3");
    refused(
        &["run", "--out", "run", "--cell", "0", "--backend", "ndarray"],
        "its backend is flex, here it is ndarray",
    );
    refused(&["prepare", "smoke", "--out", "run"], "--out run: the run there has other settings: `");
    // Of another classifier, or damaged, nothing is measured against.
    let prepared = scratch.path("run/prepared/000001/tensors.safetensors");
    let bytes = fs::read(&prepared).unwrap();
    fs::write(&prepared, &bytes[1..]).unwrap();
    let output = make(&scratch, "run", "0");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("cldiff prepare makes it"), "{}", text(&output.stderr));
    prepare(&scratch, "run", &[]);
    assert!(make(&scratch, "run", "0").status.success());
}

#[test]
fn a_cell_that_fails_is_told_by_status_and_merge_and_tried_again() {
    let scratch = Scratch::new();
    prepare(&scratch, "run", &[]);
    let failing = scratch.command().args(cell("run", "2")).env("CLDIFF_FAULT", "panic:3").output().unwrap();
    let message = text(&failing.stderr);
    assert_eq!(failing.status.code(), Some(1), "{message}");
    assert!(
        message.contains("1 of 1 cells failed") && message.contains("a fault that was asked for"),
        "{message}"
    );
    let status = text(&succeeds(&scratch, &["status", "run"]).stdout);
    assert!(status.contains("2 failed   finetune (seed 1): internal error: a fault"), "{status}");
    let merged = scratch.cldiff(&["merge", "run"]);
    assert_eq!(merged.status.code(), Some(1));
    assert!(
        text(&merged.stderr).contains("finetune (seed 1) failed: internal error"),
        "{}",
        text(&merged.stderr)
    );
    assert!(make(&scratch, "run", "2").status.success());
}

/// `sbatch` of a batch system that remembers what it was given.
#[test]
fn submitting_writes_three_scripts_that_wait_for_each_other() {
    let scratch = Scratch::new();
    let submit = [
        &["submit", "slurm"],
        &setting(true)[..],
        &FLEX,
        &["--out", "run", "--cells-per-task", "2", "--at-once", "1"],
    ]
    .concat();
    let behind = ["--", "--partition=short", "--time=10"];
    let dry = succeeds(&scratch, &[&submit[..], &["--dry-run"], &behind].concat());
    let shown = text(&dry.stdout);
    for expected in
        ["#SBATCH --array=0-1%1", "#SBATCH --signal=B:TERM@120", "#SBATCH --time=10", "--cells-per-task 2"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!scratch.path("run").exists(), "a dry run writes nothing");

    let without = scratch.command().args(&submit).env("PATH", scratch.path("nothing")).output().unwrap();
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without.stderr).contains("sbatch cannot be called"), "{}", text(&without.stderr));

    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    let sbatch = bin.join("sbatch");
    fs::write(&sbatch, "#!/bin/sh\necho \"$@\" >> given\necho \"$(wc -l < given);cluster\"\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&sbatch).status().unwrap().success());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = scratch.command().args(&submit).args(behind).env("PATH", &path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("4 cells in 2 tasks"), "{}", text(&output.stdout));
    let given = fs::read_to_string(scratch.path("given")).unwrap();
    let given: Vec<&str> = given.lines().collect();
    let script = |job: &str| scratch.path(&format!("run/slurm/{job}.sbatch"));
    let place = |job: &str| fs::canonicalize(script(job)).unwrap();
    for (line, (before, job)) in given.iter().zip([
        ("--parsable ", "prepare"),
        ("--parsable --dependency=afterok:1 --kill-on-invalid-dep=yes ", "cells"),
        ("--parsable --dependency=afterany:2 --kill-on-invalid-dep=yes ", "merge"),
    ]) {
        let path = line.strip_prefix(before).unwrap_or_else(|| panic!("{job}: {line}"));
        assert_eq!(fs::canonicalize(path).unwrap(), place(job));
    }
    assert_eq!(given.len(), 3);

    // The scripts are whole: run by hand they make the run.
    whole(&scratch, "one", &[]);
    let by_hand = |job: &str, task: Option<&str>| {
        let mut bash = scratch.clean(Command::new("bash"));
        bash.arg(script(job)).envs(task.map(|task| ("SLURM_ARRAY_TASK_ID", task)));
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{job}: {}", text(&output.stderr));
    };
    by_hand("prepare", None);
    by_hand("cells", Some("1"));
    by_hand("cells", Some("0"));
    by_hand("merge", None);
    same(&scratch, "run");
}

/// The script of a task that is told to stop has the program keep its state, and puts the task back if it still runs.
#[test]
fn a_task_that_is_told_to_stop_puts_itself_back() {
    let scratch = Scratch::new();
    let submit =
        [&["submit", "slurm"], &long()[..], &FLEX, &EVERY_STEP, &["--out", "run", "--cells-per-task", "1"]]
            .concat();
    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    for (name, body) in
        [("sbatch", "echo 1"), ("squeue", "cat state"), ("scontrol", "echo \"$@\" >> requeued")]
    {
        fs::write(bin.join(name), format!("#!/bin/sh\n{body}\n")).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(bin.join(name)).status().unwrap().success());
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let bash = |job: &str| {
        let mut bash = scratch.clean(Command::new("bash"));
        bash.arg(scratch.path(&format!("run/slurm/{job}.sbatch"))).env("PATH", &path);
        bash.env("SLURM_ARRAY_JOB_ID", "7").env("SLURM_ARRAY_TASK_ID", "0");
        bash
    };
    assert!(scratch.command().args(&submit).env("PATH", &path).output().unwrap().status.success());
    assert!(bash("prepare").output().unwrap().status.success());
    for (state, requeued) in [("RUNNING", "requeue 7_0\n"), ("CANCELLED", "")] {
        let _ = fs::remove_file(scratch.path("requeued"));
        scratch.write("state", state);
        let mut task = bash("cells").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dir = scratch.path("run/cells/finetune-0");
        waits_for("a state", || {
            dir.join("lease.json").exists() && dir.join("state/000001").exists() || {
                fs::read_dir(dir.join("state")).is_ok_and(|mut entries| entries.next().is_some())
                    && dir.join("lease.json").exists()
            }
        });
        signal(&task, "TERM");
        assert_eq!(task.wait().unwrap().code(), Some(130), "{state}");
        assert_eq!(fs::read_to_string(scratch.path("requeued")).unwrap_or_default(), requeued, "{state}");
        assert!(!dir.join("lease.json").exists(), "the program has ended before the script");
    }
}
