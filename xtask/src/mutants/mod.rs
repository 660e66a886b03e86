//! Mutants: small changes to the code, one at a time, that the tests of its crate should notice. cargo-mutants
//! (<https://mutants.rs>) lists and tries them; here they are drawn with a seed and counted.

mod listed;
mod outcome;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};

use self::{
    listed::{Mutant, listed, pattern},
    outcome::{Fate, fates, table},
};
use crate::{build::command, order::Order};

/// The crates whose tests are tried.
const CRATES: [&str; 4] = ["ddpm-core", "cl-strategies", "cl-metrics", "data-streams"];

/// The message where cargo-mutants is missing.
const MISSING: &str = "cargo-mutants is not installed: `cargo install --locked cargo-mutants` gets it";

/// The options of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct MutantsArgs {
    /// The seed of the draw
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How many of all mutants are drawn
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// Only from these crates. May be given several times
    #[arg(long = "package", short = 'p', value_name = "CRATE", value_parser = CRATES)]
    packages: Vec<String>,
    /// The directory for the logs of each mutant's build and tests. What an interrupted run of the same code has left there
    /// is not tried again
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Lists all mutants, draws some, runs these, and prints how many were noticed in each crate, and each that was not.
///
/// # Errors
/// If cargo-mutants is missing or fails, or the tests fail without any mutant.
pub(crate) fn run(args: &MutantsArgs) -> Result<()> {
    let named: Vec<&str> = args.packages.iter().map(String::as_str).collect();
    let crates = if named.is_empty() { &CRATES[..] } else { &named };
    installed()?;
    let all = all(crates)?;
    let places = Order::new(args.seed).draw(all.len(), args.sample as usize);
    eprintln!("==> {} of {} mutants, seed {}", places.len(), all.len(), args.seed);
    let drawn: Vec<&Mutant> = places.into_iter().map(|place| &all[place]).collect();
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let out = args.out.clone().unwrap_or_else(|| Path::new(&target).join("mutants"));
    let fates = in_two_passes(crates, &drawn, &out)?;
    print!("{}", table(crates, &fates));
    Ok(())
}

/// Tries the unit tests of the crates, which are one executable each, and then all tests on what those did not notice:
/// most mutants never cost the build of all integration tests.
fn in_two_passes(crates: &[&str], drawn: &[&Mutant], out: &Path) -> Result<Vec<(Mutant, Fate)>> {
    eprintln!("==> unit tests");
    let mut fates = try_out(crates, drawn, &out.join("unit"), &["--cargo-arg=--lib"])?;
    let left: Vec<Mutant> =
        fates.extract_if(.., |(_, fate)| *fate == Fate::Survived).map(|(mutant, _)| mutant).collect();
    eprintln!("==> {} of {} are left: all tests", left.len(), drawn.len());
    if !left.is_empty() {
        fates.extend(try_out(crates, &left.iter().collect::<Vec<_>>(), &out.join("all"), &[])?);
    }
    Ok(fates)
}

/// Whether cargo-mutants is there.
fn installed() -> Result<()> {
    let answer = command().args(["mutants", "--version"]).output();
    if answer.is_ok_and(|output| output.status.success()) { Ok(()) } else { bail!(MISSING) }
}

/// The options that choose crates.
fn packages(crates: &[&str]) -> Vec<String> {
    crates.iter().flat_map(|name| ["--package".to_owned(), (*name).to_owned()]).collect()
}

/// All mutants of the crates.
fn all(crates: &[&str]) -> Result<Vec<Mutant>> {
    let mut command = command();
    command.args(["mutants", "--list", "--json"]).args(packages(crates)).stderr(Stdio::inherit());
    let output = command.output().context("cannot run cargo mutants")?;
    if !output.status.success() {
        bail!("cargo mutants --list: {}", output.status);
    }
    listed(&String::from_utf8(output.stdout)?)
}

/// Runs tests of their crates with each mutant, and tells what became of them. What earlier runs have left in `out-0`, `out-1`
/// and so on is taken up.
fn try_out(crates: &[&str], drawn: &[&Mutant], out: &Path, options: &[&str]) -> Result<Vec<(Mutant, Fate)>> {
    let mut found = Vec::new();
    for run in 0.. {
        let out = out.with_file_name(format!("{}-{run}", out.file_name().unwrap_or_default().display()));
        if !out.is_dir() {
            let left = left(drawn, &found);
            if !left.is_empty() {
                run_cargo_mutants(crates, &left, &out, options)?;
                found.extend(outcomes(&out)?);
            }
            break;
        }
        // A run that was stopped before its first mutant has no file.
        found.extend(outcomes(&out).unwrap_or_default());
    }
    found.retain(|(tried, _)| drawn.contains(&tried));
    match left(drawn, &found).first() {
        None => Ok(found),
        Some(left) => bail!("cargo mutants left out {}", left.name),
    }
}

/// The mutants that have not come to an end.
fn left<'m>(drawn: &[&'m Mutant], found: &[(Mutant, Fate)]) -> Vec<&'m Mutant> {
    drawn.iter().filter(|mutant| !found.iter().any(|(tried, _)| tried == **mutant)).copied().collect()
}

fn outcomes(out: &Path) -> Result<Vec<(Mutant, Fate)>> {
    let path = out.join("mutants.out/outcomes.json");
    fates(&std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
}

fn run_cargo_mutants(crates: &[&str], drawn: &[&Mutant], out: &Path, options: &[&str]) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut command = command();
    command.args(["mutants", "--no-shuffle", "--gitignore", "true", "--output"]).arg(out);
    command.args(packages(crates)).args(options);
    // Beside other work tests take many times as long: what ends by this is a loop without an end.
    command.arg("--minimum-test-timeout=600");
    for mutant in drawn {
        command.arg("--re").arg(pattern(&mutant.name));
    }
    // `--re` does not hold for deletions of fields (cargo-mutants 27.1, its issue 632): fewer files mean fewer of them.
    for file in drawn.iter().map(|mutant| mutant.file()).collect::<BTreeSet<_>>() {
        command.arg("--file").arg(file);
    }
    let status = command.status().context("cannot run cargo mutants")?;
    // 2: some survived; 3: with some the tests did not end.
    if matches!(status.code(), Some(0 | 2 | 3)) { Ok(()) } else { bail!("cargo mutants: {status}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_run_has_tried_is_not_left() {
        let mutant = |name: &str| Mutant { package: "a".into(), name: name.into() };
        let (one, two, three) = (mutant("1"), mutant("2"), mutant("3"));
        let found = [(mutant("2"), Fate::Survived), (mutant("9"), Fate::Killed)];
        assert_eq!(left(&[&one, &two, &three], &found), [&one, &three]);
    }

    #[test]
    fn the_outcomes_of_all_runs_are_taken_together() {
        let scratch = std::env::temp_dir().join(format!("cldiff-mutants-{}", std::process::id()));
        let all = fates(include_str!("../../fixtures/outcomes.json")).unwrap();
        let out = scratch.join("unit-0/mutants.out");
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join("outcomes.json"), include_str!("../../fixtures/outcomes.json")).unwrap();
        // One that was stopped at once.
        std::fs::create_dir_all(scratch.join("unit-1")).unwrap();
        let drawn: Vec<&Mutant> = all.iter().map(|(mutant, _)| mutant).collect();
        let found = try_out(&[], &drawn, &scratch.join("unit"), &[]).unwrap();
        assert_eq!(found, all);
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
