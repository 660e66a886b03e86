//! The benchmark that faults disturb: its undisturbed run, and processes that work on a run.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    common::{Scratch, text},
    truth::Truth,
};

/// A process that hangs. This benchmark takes less than a second of a processor, on whatever machine.
const TOO_LONG: Duration = Duration::from_mins(30);

/// The benchmark in a scratch directory, with the program as it was at the beginning.
pub struct Benchmark {
    pub scratch: Scratch,
    program: PathBuf,
    /// The undisturbed run.
    pub truth: Truth,
    /// The number of operations of the undisturbed run, with a classifier in the cache.
    pub operations: u64,
}

/// How a process is made.
pub struct Session<'a> {
    pub run: &'a str,
    pub cache: &'a str,
    pub faults: &'a str,
    pub locks: bool,
}

impl Benchmark {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        scratch.write("benchmark.toml", include_str!("benchmark.toml"));
        let program = scratch.path("cldiff");
        // A build that goes on meanwhile replaces the program's file, and not this one.
        let built = Path::new(env!("CARGO_BIN_EXE_cldiff"));
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
        let mut benchmark = Self { scratch, program, truth: Truth::default(), operations: 0 };
        let session = |run| Session { run, cache: "cache", faults: "", locks: true };
        // The first trains the classifier.
        for run in ["first", "whole"] {
            let output = benchmark.start(&session(run)).wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
        benchmark.operations = benchmark.trace("whole").len() as u64;
        benchmark.truth = Truth::of(&benchmark.scratch.path("whole"));
        benchmark
    }

    /// Starts a process that makes or resumes a run.
    pub fn start(&self, session: &Session) -> Child {
        let Session { run, cache, faults, locks } = session;
        let mut command = self.scratch.clean(Command::new(&self.program));
        command
            .args(["--threads", "1", "--config", "benchmark.toml", "--backend", "flex", "--quiet"])
            .args(["--resume", "--out", run])
            .env("COLUMNS", "10000")
            .env("CLDIFF_FAULT", faults)
            .env("CLDIFF_FAULT_TRACE", self.scratch.path(&format!("{run}.trace")))
            .env("CLDIFF_HEARTBEAT", "0.2")
            .env("XDG_CACHE_HOME", self.scratch.path(cache))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if !locks {
            command.env("CLDIFF_NO_LOCKS", "1");
        }
        command.spawn().unwrap()
    }

    /// The report of a run at this moment.
    pub fn report(&self, run: &str) -> Output {
        let mut command = self.scratch.clean(Command::new(&self.program));
        command.args(["report", run]).env("COLUMNS", "10000").output().unwrap()
    }

    /// Operations and the faults that struck in them, of all processes of a run.
    pub fn trace(&self, run: &str) -> Vec<String> {
        let trace = fs::read_to_string(self.scratch.path(&format!("{run}.trace"))).unwrap_or_default();
        trace.lines().map(str::to_owned).collect()
    }

    /// How often each kind of fault struck a run.
    pub fn struck(&self, run: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in self.trace(run) {
            let kind = line.split(' ').nth(2).unwrap_or("-").to_owned();
            if kind != "-" {
                *counts.entry(kind).or_insert(0) += 1;
            }
        }
        counts
    }
}

/// Waits for a process; one that hangs is an error.
pub fn wait(mut child: Child) -> Result<Output, String> {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > TOO_LONG {
            child.kill().unwrap();
            let said = text(&child.wait_with_output().unwrap().stderr);
            return Err(format!("a process goes on for ever: {said}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(child.wait_with_output().unwrap())
}

/// Waits until a process has stopped itself; false if it has ended.
pub fn has_stopped(child: &mut Child) -> bool {
    let stat = format!("/proc/{}/stat", child.id());
    while child.try_wait().unwrap().is_none() {
        let state = fs::read_to_string(&stat).unwrap_or_default();
        if state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Lets a stopped process go on.
pub fn go_on(child: &Child) {
    Command::new("kill").args(["-CONT", &child.id().to_string()]).status().unwrap();
}
