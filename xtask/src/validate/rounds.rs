//! The tests many times: each round in another order of executables and of the tests in them, with another number of tests
//! at a time.
//!
//! Documentation's tests are compiled one by one and have no executable: they are no part of a round.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use super::suite::{Executable, built};
use crate::order::Order;

/// The options of `cargo xtask validate --repeat`.
#[derive(Debug, clap::Args)]
pub(super) struct RoundsArgs {
    /// Only the tests, so many times, each in random order, rather than every check once
    #[arg(long, value_name = "ROUNDS", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// The seed of the first round, those after it count up; by default from the clock
    #[arg(long, requires = "repeat")]
    seed: Option<u64>,
    /// How many tests run at a time, round after round
    #[arg(long, value_name = "N,..", requires = "repeat", value_delimiter = ',', default_values_t = [1, 2, 8])]
    test_threads: Vec<usize>,
    /// Executables that are left out, by name: `kill`, `cldiff-cli::survival`. May be given several times
    #[arg(long, value_name = "NAME", requires = "repeat")]
    skip: Vec<String>,
    /// Arguments for cargo in place of `--workspace`: `-- -p ddpm-core`
    #[arg(last = true, requires = "repeat")]
    cargo: Vec<String>,
}

/// A test that failed, and how that can be seen again.
#[derive(Debug)]
struct Failure {
    executable: String,
    test: String,
    seed: u64,
    threads: usize,
}

impl RoundsArgs {
    /// How many rounds are asked for.
    pub(super) fn asked(&self) -> Option<u32> {
        self.repeat
    }

    /// Builds the executables, runs all rounds to their end, and fails if a test did.
    pub(super) fn run(&self, rounds: u32, workspace: &[&str]) -> Result<()> {
        let own: Vec<&str> = self.cargo.iter().map(String::as_str).collect();
        let mut executables = built(if own.is_empty() { workspace } else { &own })?;
        self.leave_out(&mut executables)?;
        let first = self.seed.unwrap_or_else(from_the_clock);
        eprintln!("==> {rounds} rounds of {} executables, from seed {first}", executables.len());
        let mut failures = Vec::new();
        for round in 0..rounds {
            let seed = first.wrapping_add(round.into());
            let threads = self.test_threads[round as usize % self.test_threads.len()];
            let (passed, failed, took) = run_round(&executables, seed, threads)?;
            println!(
                "round {} of {rounds}: seed {seed}, test threads {threads}: {passed} passed, {} failed ({took} s)",
                round + 1,
                failed.len()
            );
            failures.extend(failed);
        }
        println!("{rounds} rounds, {} failures", failures.len());
        for Failure { executable, test, seed, threads } in &failures {
            println!("  {executable} {test}: --repeat 1 --seed {seed} --test-threads {threads}");
        }
        if failures.is_empty() {
            Ok(())
        } else {
            bail!("tests failed in {rounds} rounds: {}", failures.len())
        }
    }

    /// Takes out what is to be skipped; a name that fits nothing is a mistake.
    fn leave_out(&self, executables: &mut Vec<Executable>) -> Result<()> {
        for skip in &self.skip {
            let before = executables.len();
            executables.retain(|executable| {
                executable.name != *skip && executable.name.rsplit("::").next() != Some(skip)
            });
            if executables.len() == before {
                let names: Vec<_> = executables.iter().map(|executable| &executable.name[..]).collect();
                bail!("--skip {skip}: no such executable; there are {}", names.join(", "));
            }
        }
        Ok(())
    }
}

/// The number of tests that passed, those that failed, and seconds.
fn run_round(executables: &[Executable], seed: u64, threads: usize) -> Result<(usize, Vec<Failure>, u64)> {
    let start = Instant::now();
    let mut order: Vec<&Executable> = executables.iter().collect();
    // Cargo names them in the order in which they were built, which says nothing.
    order.sort_by(|a, b| a.name.cmp(&b.name));
    Order::new(seed).shuffle(&mut order);
    let (mut passed, mut failures) = (0, Vec::new());
    for executable in order {
        let outcome = executable.run(seed, threads)?;
        passed += outcome.passed;
        if !outcome.failed.is_empty() {
            eprintln!("{} with seed {seed}:\n{}", executable.name, outcome.said);
        }
        let failure = |test| Failure { executable: executable.name.clone(), test, seed, threads };
        failures.extend(outcome.failed.into_iter().map(failure));
    }
    Ok((passed, failures, start.elapsed().as_secs()))
}

fn from_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
