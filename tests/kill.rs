//! Runs that are killed come to the same results: SIGKILL and SIGINT at moments spread over a run's life, and in the
//! middle of its writes.
//!
//! `CLDIFF_KILLS` is the number of each: 100 under `cargo xtask kill-test`, 25 in continuous integration. The default is 6,
//! so that `cargo test --workspace` stays short.

#![cfg(unix)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Scratch, results_without_cost, text};
use serde_json::Value;

/// A state after every step, so that there are as many moments as there can be.
const EVERY_STEP: [&str; 4] = ["--set", "checkpoints.every_steps=1", "--set", "checkpoints.most_time=1"];

fn kills(unless_told: u32) -> u32 {
    let told = std::env::var("CLDIFF_KILLS");
    told.map_or(unless_told, |number| number.parse().expect("CLDIFF_KILLS is a number"))
}

/// The smoke run, in a scratch directory whose cache holds the classifier already.
struct Smoke {
    scratch: Scratch,
    config: String,
    expected: Left,
    life: Duration,
}

/// The results of a run that must be the same, however often it was killed.
#[derive(PartialEq)]
struct Left {
    /// As text, so that every digit counts.
    results: String,
    /// Pictures and models, by their paths.
    files: BTreeMap<String, Vec<u8>>,
}

impl Smoke {
    fn new(more: &str) -> Self {
        let scratch = Scratch::new();
        let base =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/smoke.toml")).unwrap();
        let config = scratch.write("killed.toml", &format!("{base}\n{more}")).to_string_lossy().into_owned();
        let mut smoke = Self { scratch, config, expected: Left::nothing(), life: Duration::ZERO };
        // The first trains the classifier; the second shows how long the others will take.
        for run in ["first", "whole"] {
            let start = Instant::now();
            smoke.finish(run);
            smoke.life = start.elapsed();
        }
        smoke.expected = smoke.left("whole");
        assert!(smoke.expected == smoke.left("first"), "two runs of one configuration differ");
        smoke
    }

    fn command(&self, run: &str) -> Command {
        let mut command = self.scratch.command();
        command
            .args(["--config", &self.config, "--backend", "flex", "--quiet", "--out", run])
            .args(EVERY_STEP)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if self.scratch.path(run).exists() {
            command.arg("--resume");
        }
        command
    }

    /// Lets a run go on to its end.
    fn finish(&self, run: &str) {
        let output = self.command(run).output().unwrap();
        assert!(output.status.success(), "{run}: {}", text(&output.stderr));
        assert!(output.stderr.is_empty(), "{run}: {}", text(&output.stderr));
    }

    fn left(&self, run: &str) -> Left {
        let run = self.scratch.path(run);
        let mut files = BTreeMap::new();
        collect(&run.join("cells"), &run, &mut files);
        Left { results: results_without_cost(&run).to_string(), files }
    }

    /// Checks that a run that was killed comes to the same end, and says what happened to it.
    fn check(&self, run: &str) {
        self.finish(run);
        let left = self.left(run);
        assert_eq!(left.results, self.expected.results, "{run}: the results differ");
        let names = |left: &Left| left.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&left), names(&self.expected), "{run}: other files");
        assert!(left == self.expected, "{run}: a picture or a model differs");
        let manifest = fs::read_to_string(self.scratch.path(run).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        assert!(manifest["end"].is_string());
        fs::remove_dir_all(self.scratch.path(run)).unwrap();
    }
}

impl Left {
    fn nothing() -> Self {
        Self { results: String::new(), files: BTreeMap::new() }
    }
}

/// Pictures and models below a directory. Other files hold times, or are gone when a cell is finished.
fn collect(dir: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("unfinished") && !name.contains(".tmp"), "{name} was left behind");
        if path.is_dir() {
            collect(&path, root, files);
        } else if path.extension().is_some_and(|end| end == "png" || end == "safetensors") {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// Runs that are stopped at moments spread over their life, each in its own part of it. A machine that others keep busy
/// makes lives longer and shorter: one that is over before its moment tells how long they are now.
fn at_moments(smoke: &mut Smoke, name: &str, n: u32, mut stop: impl FnMut(Child) -> bool) {
    let mut stopped = 0;
    for i in 0..n {
        let (run, moment) = (format!("{name}-{i}"), smoke.life * (2 * i + 1) / (2 * n));
        let mut child = smoke.command(&run).spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if start.elapsed() < moment {
            smoke.life = start.elapsed();
        }
        stopped += u32::from(stop(child));
        smoke.check(&run);
    }
    assert!(2 * stopped > n, "only {stopped} of {n} were stopped in the middle");
}

fn interrupt(child: &Child) {
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
}

#[test]
fn a_killed_run_comes_to_the_same_results() {
    at_moments(&mut Smoke::new(""), "killed", kills(6), |mut child| {
        let alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        alive
    });
}

/// Strategies with much to remember, and every analysis.
const RICH: &str = r#"
[evaluation.cka]
images = 8

[evaluation.gradients]
images = 8

[[strategy]]
label = "rich"
generative_replay = {}
online_ewc = {}
"#;

#[test]
fn an_interrupted_run_says_how_to_go_on_and_comes_to_the_same_results() {
    at_moments(&mut Smoke::new(RICH), "interrupted", kills(6), |child| {
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        // Before the cells begin there is nobody to listen and nothing to lose; at the very end it is too late.
        let Some(code) = output.status.code().filter(|code| *code != 0) else { return false };
        let message = text(&output.stderr);
        assert_eq!(code, 130, "{message}");
        assert!(message.starts_with("interrupted") && message.contains("--resume --out"), "{message}");
        true
    });
}

#[test]
fn a_run_killed_in_the_middle_of_a_write_comes_to_the_same_results() {
    let (smoke, kills) = (Smoke::new(""), kills(6));
    let with_fault = |run: &str, at: u32| {
        smoke.command(run).env("CLDIFF_FAULT", format!("kill:{at}")).output().unwrap().status
    };
    // How many writes there are: the first power of two that is never reached.
    let mut most = 64;
    while !with_fault("counting", most).success() {
        fs::remove_dir_all(smoke.scratch.path("counting")).unwrap();
        most *= 2;
    }
    let mut died = 0;
    for i in 0..kills {
        let run = format!("torn-{i}");
        // Spread over all, and not always on the same file of a state.
        let at = 1 + (i * most / kills + i * 7 % 5) % most;
        let status = with_fault(&run, at);
        died += u32::from(!status.success());
        smoke.check(&run);
    }
    assert!(died * 3 > kills, "only {died} of {kills} died in a write");
}
