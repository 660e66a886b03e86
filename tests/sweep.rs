//! Keys inside strategies, sweeps, `--resume` of what is not there and of what is done, and reports of unfinished runs.

mod common;

use std::{fs, path::Path, process::Output};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

/// A run of some seconds.
const SHORT: [&str; 17] = [
    "--config",
    "smoke",
    "--backend",
    "flex",
    "--quiet",
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
    "evaluation.classifier.min_steps=20",
];
const EVERY_STEP: [&str; 4] = ["--set", "checkpoints.every_steps=1", "--set", "checkpoints.most_time=1"];

fn run(scratch: &Scratch, more: &[&str]) -> Output {
    scratch.cldiff(&[&SHORT[..], more].concat())
}

fn succeeds(scratch: &Scratch, arguments: &[&str]) -> String {
    let output = scratch.cldiff(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn manifest(run: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(run.join("manifest.json")).unwrap()).unwrap()
}

fn config(run: &Path) -> toml::Table {
    fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap()
}

#[test]
fn set_reaches_into_a_strategy_by_its_label() {
    let scratch = Scratch::new();
    let shown = succeeds(
        &scratch,
        &[
            "config",
            "show",
            "--config",
            "smoke",
            "--set",
            "strategy.replay-0.1.replay.rehearsal_coefficient=0.25",
            "--strategy",
            "replay-0.1,ewc",
            "--set",
            "strategy.ewc.ewc.lambda=7.5",
        ],
    );
    let shown: toml::Table = shown.parse().unwrap();
    let strategies = shown["strategy"].as_array().unwrap();
    assert_eq!(strategies.len(), 2);
    assert_eq!(strategies[0]["replay"]["rehearsal_coefficient"].as_float(), Some(0.25));
    assert_eq!(strategies[1]["ewc"]["lambda"].as_float(), Some(7.5));
}

/// Two sweeps multiply; each run is whole in its directory, resuming does only what is not done, and the comparison names
/// the keys.
#[test]
fn two_sweeps_make_four_runs_and_a_comparison() {
    let scratch = Scratch::new();
    let coefficient = "strategy.replay-1.replay.rehearsal_coefficient";
    let (first, second) = (format!("{coefficient}=0.1,1.0"), "training.batch_size=8,16");
    let arguments = ["--strategy", "replay-1", "--sweep", &first, "--sweep", second, "--out", "sweep"];
    let output = run(&scratch, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let place = |c: &str, b: &str| scratch.path(&format!("sweep/rehearsal_coefficient={c},batch_size={b}"));
    let of_all = |look: &mut dyn FnMut(&str, &str)| {
        ["0.1", "1.0"].iter().for_each(|c| ["8", "16"].iter().for_each(|b| look(c, b)));
    };
    of_all(&mut |c, b| {
        let run = place(c, b);
        assert!(run.join("report.html").is_file(), "{}", run.display());
        let config = config(&run);
        let replay = &config["strategy"][0]["replay"];
        assert_eq!(replay["rehearsal_coefficient"].as_float(), c.parse().ok());
        assert_eq!(config["training"]["batch_size"].as_integer(), b.parse().ok());
        assert_eq!(
            config["name"].as_str().unwrap(),
            format!("smoke rehearsal_coefficient={c},batch_size={b}")
        );
        let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().starts_with(&["replay-1", c, b]);
        assert!(table.lines().any(row), "{c} {b}: {table}");
    });
    assert!(
        table.contains(&format!("4 runs differ in 2 settings:\n  {coefficient}\n  training.batch_size\n")),
        "{table}"
    );
    let page = fs::read_to_string(scratch.path("sweep/comparison.html")).unwrap();
    assert!(page.contains(coefficient) && page.contains("training.batch_size"));
    let csv = fs::read_to_string(scratch.path("sweep/comparison.csv")).unwrap();
    assert!(csv.lines().next().unwrap().ends_with(&format!(",{coefficient},training.batch_size")));
    // The coefficient changes the training.
    let of =
        |c: &str| results_without_cost(&place(c, "8"))["cells"][0]["summary"]["bpd.final_average"].clone();
    assert_ne!(of("0.1"), of("1.0"));

    // One run is lost: it is made again, and the others are left alone.
    let before = results_without_cost(&place("1.0", "8"));
    let kept = manifest(&place("0.1", "16"));
    fs::remove_dir_all(place("1.0", "8")).unwrap();
    let again = run(&scratch, &[&arguments[..], &["--resume"]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(results_without_cost(&place("1.0", "8")), before);
    assert_eq!(manifest(&place("0.1", "16")), kept);
    // Without --resume nothing is written over.
    let refused = run(&scratch, &arguments);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("holds another run"), "{}", text(&refused.stderr));

    // A disk that is full stops the sweep: cells that have results of earlier are not told to have failed. Writes 1 and 2 are
    // the manifest's; the third is the picture of real images.
    fs::remove_file(place("0.1", "8").join("cells/replay-1-0/status.json")).unwrap();
    let all = [&SHORT[..], &arguments, &["--resume"]].concat();
    let full = scratch.command().args(all).env("CLDIFF_FAULT", "full:3").output().unwrap();
    let message = text(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{message}");
    assert!(message.contains("real.png") && message.contains("--resume --out sweep"), "{message}");
    assert!(!message.contains("cells that failed"), "{message}");
    let again = run(&scratch, &[&arguments[..], &["--resume"]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));

    // The same by hand, for some of the runs.
    let one = "sweep/rehearsal_coefficient=0.1,batch_size=8";
    let two = "sweep/rehearsal_coefficient=0.1,batch_size=16";
    let two_runs = succeeds(&scratch, &["report", one, two, "--columns", "bpd.final_average"]);
    assert!(two_runs.contains("2 runs differ in 1 setting:\n  training.batch_size\n"), "{two_runs}");
    assert!(scratch.path(one).join("comparison.csv").is_file());
    // The report of the run alone is still that.
    assert!(
        !fs::read_to_string(scratch.path(one).join("report.html")).unwrap().contains("different settings")
    );
}

#[test]
fn resuming_starts_what_is_not_there_and_ends_at_once_where_all_is_done() {
    let scratch = Scratch::new();
    let arguments = ["--strategy", "finetune", "--out", "run", "--resume"];
    let first = run(&scratch, &arguments);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let before = manifest(&scratch.path("run"));
    assert_eq!(before["sessions"].as_array().unwrap().len(), 1);
    // Without the cache a session that began would train the classifier again.
    fs::remove_dir_all(scratch.path("cache")).unwrap();
    let told = scratch.cldiff(&[&SHORT[..4], &SHORT[5..], &arguments].concat());
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert!(text(&told.stderr).contains("all cells are done"), "{}", text(&told.stderr));
    assert_eq!(told.stdout, first.stdout);
    assert_eq!(manifest(&scratch.path("run")), before);
    assert!(!scratch.path("cache").exists());
    // Other settings are another run all the same, and a further seed is work.
    let other = run(&scratch, &[&arguments[..], &["--set", "training.batch_size=8"]].concat());
    assert_eq!(other.status.code(), Some(2));
    assert!(
        text(&other.stderr).contains("`training.batch_size` is 16 there and 8 here"),
        "{}",
        text(&other.stderr)
    );
    // A report that was lost is made again.
    fs::remove_file(scratch.path("run/results.csv")).unwrap();
    assert!(run(&scratch, &arguments).status.success());
    assert!(scratch.path("run/results.csv").is_file());
}

/// At whatever write a run is killed: its report says what is done and what is not, and changes nothing of it.
#[test]
fn a_report_can_be_made_at_any_moment_of_a_run() {
    let scratch = Scratch::new();
    let arguments =
        [&SHORT[..], &["--strategy", "finetune,replay-1"], &EVERY_STEP, &["--out", "run"]].concat();
    assert!(scratch.cldiff(&[&arguments[..arguments.len() - 1], &["whole"]].concat()).status.success());
    let mut seen = [false; 3];
    for at in [1, 3, 5, 7, 9, 30, 60, 90, 120, 150, 180] {
        let _ = fs::remove_dir_all(scratch.path("run"));
        let killed =
            scratch.command().args(&arguments).env("CLDIFF_FAULT", format!("kill:{at}")).output().unwrap();
        let report = scratch.cldiff(&["report", "run"]);
        let (table, message) = (text(&report.stdout), text(&report.stderr));
        if !scratch.path("run/manifest.json").exists() {
            assert_eq!(report.status.code(), Some(2), "{at}: {message}");
            assert!(message.contains("run holds no run"), "{at}: {message}");
            continue;
        }
        assert!(report.status.success(), "{at}: {message}");
        if killed.status.success() {
            assert!(!table.contains("cells are done"), "{at}: {table}");
            continue;
        }
        let is_done = |label: &str| scratch.path(&format!("run/cells/{label}-0/status.json")).exists();
        let done = usize::from(is_done("finetune")) + usize::from(is_done("replay-1"));
        if done == 2 {
            continue;
        }
        seen[done] = true;
        assert!(table.contains(&format!("run: {done} of 2 cells are done; these are not:")), "{at}: {table}");
        assert!(table.contains("replay-1 (seed 0): "), "{at}: {table}");
        assert!(table.contains("not begun") || table.contains("interrupted, "), "{at}: {table}");
        if done == 0 {
            assert!(table.contains("no cell has a result yet"), "{at}: {table}");
            assert!(!scratch.path("run/report.html").exists());
        } else {
            assert!(table.lines().any(|line| line.starts_with("finetune  ")), "{at}: {table}");
            let page = fs::read_to_string(scratch.path("run/report.html")).unwrap();
            assert!(
                page.contains("Cells without a result yet") && page.contains("replay-1 (seed 0)"),
                "{at}"
            );
        }
        // The run goes on as if nothing had looked at it.
        if at == 60 || done == 1 {
            let rest = scratch.cldiff(&[&arguments[..], &["--resume"]].concat());
            assert!(rest.status.success(), "{at}: {}", text(&rest.stderr));
            assert_eq!(
                results_without_cost(&scratch.path("run")),
                results_without_cost(&scratch.path("whole")),
                "{at}"
            );
            assert!(
                !fs::read_to_string(scratch.path("run/report.html"))
                    .unwrap()
                    .contains("Cells without a result yet")
            );
        }
    }
    assert!(seen[0] && seen[1], "killed before the first result and between the two: {seen:?}");
}
