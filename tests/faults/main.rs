//! One seed, one schedule of faults: a small benchmark is killed, torn and starved, and two properties are checked apart.
//! Safety: whatever can be read of the run is true at any moment. Liveness: once faults end, the run that is resumed comes
//! to the results of an undisturbed one.
//!
//! `CLDIFF_FAULT_SEEDS=A..B` says which seeds (`cargo xtask fault-test`); without it ten. A seed and a commit give the same
//! faults again; processes side by side meet at other moments each time.

#![cfg(target_os = "linux")]

#[path = "../common.rs"]
mod common;

mod benchmark;
mod schedule;
mod truth;

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Output,
    thread,
    time::{Duration, Instant},
};

use benchmark::{Benchmark, Session, go_on, has_stopped, wait};
use common::{text, word_of_rust};
use schedule::Event;

/// The seeds that are asked for.
fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("CLDIFF_FAULT_SEEDS") else { return 0..10 };
    let ends = asked.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = ends.expect("CLDIFF_FAULT_SEEDS is A..B");
    from..to
}

#[test]
fn nothing_wrong_is_reported_and_every_run_comes_to_its_end() {
    let (benchmark, asked, start) = (Benchmark::new(), seeds(), Instant::now());
    let (mut struck, mut events, mut wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for seed in asked.clone() {
        let run = format!("run-{seed}");
        let (new_cache, schedule) = schedule::of(seed, benchmark.operations);
        for event in &schedule {
            *events.entry(name(event)).or_insert(0_usize) += 1;
        }
        let outcome = disturb(&benchmark, &run, new_cache, &schedule);
        for (kind, count) in benchmark.struck(&run) {
            *struck.entry(kind).or_insert(0) += count;
        }
        if let Err(problem) = outcome {
            let told = format!("seed {seed}: {problem}\n  {schedule:?}");
            eprintln!("{told}");
            wrong.push(told);
            keep(&benchmark, &run);
        }
        clear(&benchmark, &run);
        if seed % 50 == 49 {
            eprintln!("seed {seed}, {:.0} s, {} wrong", start.elapsed().as_secs_f64(), wrong.len());
        }
    }
    eprintln!("seeds {asked:?}: events {events:?}, faults that struck {struck:?}, {:?}", start.elapsed());
    assert!(wrong.is_empty(), "{} seeds are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let most = asked.end.saturating_sub(asked.start);
    assert!(struck.values().sum::<usize>() as u64 >= most, "too few faults struck: {struck:?}");
}

/// A file that is written beside the layer is never hit by a fault.
#[test]
fn every_file_of_a_run_goes_through_the_layer_that_has_the_faults() {
    fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let benchmark = Benchmark::new();
    let trace = benchmark.trace("whole").join("\n") + "\n";
    let mut files = Vec::new();
    collect(&benchmark.scratch.path("whole"), &mut files);
    assert!(files.len() > 20);
    for file in files {
        let path = file.strip_prefix(benchmark.scratch.0.path()).unwrap().display().to_string();
        // Locks and leases are worth nothing after a fault.
        if path.ends_with("/lock") {
            continue;
        }
        // A model's files, and a state's, are written before their directory gets its name.
        let name = Path::new(&path).file_name().unwrap().display();
        let parent = Path::new(&path).parent().unwrap().display().to_string();
        let (above, directory) = parent.rsplit_once('/').unwrap_or((".", &parent));
        let before = format!("{above}/unfinished-{directory}/{name}");
        let is_known = [path.clone(), before].iter().any(|path| trace.contains(&format!(" {path}\n")));
        assert!(is_known, "{path} was written beside crates/cldiff-durable");
    }
}

/// Lets everything happen to a run, looks at it each time, and lets it come to its end.
fn disturb(benchmark: &Benchmark, run: &str, new_cache: bool, schedule: &[Event]) -> Result<(), String> {
    let own = format!("{run}.cache");
    let cache = if new_cache { own.as_str() } else { "cache" };
    let directory = benchmark.scratch.path(run);
    for (i, event) in schedule.iter().enumerate() {
        // A cell's reason of failure stays until the cell is tried again, so that a later process may tell it.
        let may_panic = schedule[..=i].iter().any(|event| format!("{event:?}").contains("panic"));
        let happens = happen(benchmark, (run, cache), event, may_panic);
        let checked = happens.and_then(|()| benchmark.truth.check_safe(&directory));
        checked.map_err(|problem| format!("not safe after event {i}: {problem}"))?;
    }
    check_report(benchmark, run).map_err(|problem| format!("not safe in its report: {problem}"))?;
    let last = Session { run, cache, faults: "", locks: true };
    let ended = wait(benchmark.start(&last)).and_then(|output| match output.status.code() {
        Some(0) => benchmark.truth.check_done(&directory),
        code => Err(format!("exit status {code:?}: {}", text(&output.stderr))),
    });
    ended.map_err(|problem| format!("not alive: {problem}"))
}

/// Lets one event happen.
fn happen(
    benchmark: &Benchmark,
    (run, cache): (&str, &str),
    event: &Event,
    may_panic: bool,
) -> Result<(), String> {
    let check_end = |output: &Output, faults: &str| check_end(output, faults, may_panic);
    let session = |faults, locks| Session { run, cache, faults, locks };
    match event {
        Event::Alone(faults) => check_end(&wait(benchmark.start(&session(faults, true)))?, faults),
        Event::Stopped { faults, locks } => {
            let mut first = benchmark.start(&session(faults, *locks));
            let stopped = has_stopped(&mut first);
            let mut second = benchmark.start(&session("", *locks));
            let start = Instant::now();
            // Long enough for a lease to become stale.
            while stopped && second.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(3)
            {
                thread::sleep(Duration::from_millis(10));
            }
            if stopped {
                go_on(&first);
            }
            let ends = [wait(first), wait(second)];
            ends.into_iter().try_for_each(|end| check_end(&end?, faults))
        }
        Event::Beside(several) => {
            let children: Vec<_> =
                several.iter().map(|faults| benchmark.start(&session(faults, true))).collect();
            let ends: Vec<_> = children.into_iter().map(wait).collect();
            ends.into_iter().zip(several).try_for_each(|(end, faults)| check_end(&end?, faults))
        }
        Event::StaleLease { place } => {
            leave_lease(&benchmark.scratch.path(run), *place);
            Ok(())
        }
        Event::Damage { file, at } => {
            damage(&benchmark.scratch.path(run), *file, *at);
            Ok(())
        }
    }
}

/// Whether a process ended as one may: done, failed with a message, refused, interrupted, or killed by its fault.
fn check_end(output: &Output, faults: &str, may_panic: bool) -> Result<(), String> {
    let said = text(&output.stderr);
    let is_expected = match output.status.code() {
        Some(0) => true,
        Some(1 | 2 | 130) => said.contains("error: ") || said.contains("interrupted"),
        Some(_) => false,
        None => faults.contains("kill"),
    };
    let panics = said.contains("panicked") || said.contains("internal error") && !may_panic;
    if !is_expected || panics || word_of_rust(&said).is_some() {
        return Err(format!("{faults}: {:?}: {said}", output.status));
    }
    Ok(())
}

/// The report of a run that nobody works on says the truth, or refuses.
fn check_report(benchmark: &Benchmark, run: &str) -> Result<(), String> {
    let output = benchmark.report(run);
    let said = text(&output.stderr);
    match output.status.code() {
        Some(0) => benchmark.truth.check_safe(&benchmark.scratch.path(run)),
        Some(1 | 2) if said.starts_with("error: ") && !said.contains("internal error") => Ok(()),
        code => Err(format!("exit status {code:?}: {said}")),
    }
}

/// Leaves the lease of a process of another machine, which never beats again.
fn leave_lease(run: &Path, place: usize) {
    let mut places: Vec<PathBuf> = truth::cells(run).iter().map(|cell| run.join(cell)).collect();
    places.push(run.to_owned());
    let lease = serde_json::json!({
        "schema": 1, "host": "elsewhere", "process": 1, "machine": "another", "token": "dead", "beat": 7,
        "every_seconds": 0.05,
    });
    // Only a run that has begun has had an owner.
    if run.join("manifest.json").exists() {
        fs::write(places[place % places.len()].join("lease.json"), lease.to_string()).unwrap();
    }
}

/// Flips a bit of a file of a state.
fn damage(run: &Path, file: f64, at: f64) {
    let states = truth::cells(run).into_iter().map(|cell| run.join(cell).join("state"));
    let inner = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = states.flat_map(inner).flat_map(inner).collect();
    files.sort();
    let Some(path) = files.get((file * files.len() as f64) as usize) else { return };
    let mut bytes = fs::read(path).unwrap();
    let position = (at * bytes.len() as f64) as usize;
    if let Some(byte) = bytes.get_mut(position) {
        *byte ^= 4;
        fs::write(path, bytes).unwrap();
    }
}

/// The kind of an event in a word.
fn name(event: &Event) -> &'static str {
    match event {
        Event::Alone(_) => "a process alone",
        Event::Stopped { .. } => "a second owner",
        Event::Beside(_) => "processes at once",
        Event::StaleLease { .. } => "a stale lease",
        Event::Damage { .. } => "a damaged state",
    }
}

/// Keeps a run that is wrong where `CLDIFF_FAULT_KEEP` says.
fn keep(benchmark: &Benchmark, run: &str) {
    if let Some(place) = std::env::var_os("CLDIFF_FAULT_KEEP") {
        fs::create_dir_all(&place).unwrap();
        let place = PathBuf::from(place).join(run);
        std::process::Command::new("cp")
            .arg("-r")
            .arg(benchmark.scratch.path(run))
            .arg(&place)
            .status()
            .unwrap();
        let trace = benchmark.trace(run).join("\n");
        fs::write(place.with_extension("trace"), trace).unwrap();
    }
}

fn clear(benchmark: &Benchmark, run: &str) {
    for left in [run.to_owned(), format!("{run}.cache")] {
        let _ = fs::remove_dir_all(benchmark.scratch.path(&left));
    }
    let _ = fs::remove_file(benchmark.scratch.path(&format!("{run}.trace")));
}
