//! The test executables of the workspace, and what one of them says.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{build::command, child::last_words};

/// A test executable.
#[derive(Debug, PartialEq)]
pub(super) struct Executable {
    /// Its name, with that of its package: `ddpm-core::parity_unet`, `ddpm-core::lib`.
    pub(super) name: String,
    path: PathBuf,
    /// The package's directory, in which Cargo runs its tests.
    package: PathBuf,
}

/// The outcome of all tests of an executable.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    /// The names of the tests that failed, or why there are no names.
    pub(super) failed: Vec<String>,
    /// The end of the output, if something failed.
    pub(super) said: String,
}

/// Builds the test executables of a selection of packages and features.
///
/// # Errors
/// If the build fails.
pub(super) fn built(selection: &[&str]) -> Result<Vec<Executable>> {
    let arguments =
        [&["test"], selection, &["--no-run", "--message-format", "json-render-diagnostics"]].concat();
    eprintln!("==> cargo {}", arguments.join(" "));
    let output = command().args(arguments).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed: {}", output.status);
    }
    Ok(executables(&String::from_utf8(output.stdout)?))
}

/// The test executables in Cargo's messages.
fn executables(messages: &str) -> Vec<Executable> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| executable(&message)).collect()
}

fn executable(message: &Value) -> Option<Executable> {
    message["profile"]["test"].as_bool().filter(|test| *test)?;
    let package = Path::new(message["manifest_path"].as_str()?).parent()?;
    let target = &message["target"];
    let name = match target["kind"][0].as_str()? {
        "test" => target["name"].as_str()?,
        kind => kind,
    };
    Some(Executable {
        name: format!("{}::{name}", package.file_name()?.to_str()?),
        path: message["executable"].as_str()?.into(),
        package: package.to_owned(),
    })
}

impl Executable {
    /// Runs all tests, in the order of a seed, so many at a time.
    ///
    /// # Errors
    /// If the executable cannot be run.
    pub(super) fn run(&self, seed: u64, threads: usize) -> Result<Outcome> {
        let output = Command::new(&self.path)
            .args(["-Zunstable-options", "--shuffle-seed", &seed.to_string()])
            .args(["--test-threads", &threads.to_string()])
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            // The order is an option of the nightly library that the stable one has as well.
            .env("RUSTC_BOOTSTRAP", "1")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.path.display()))?;
        Ok(outcome(&output))
    }
}

fn outcome(output: &Output) -> Outcome {
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = text.lines().rev().find_map(|line| line.strip_prefix("test result: ")).and_then(passed);
    let mut outcome = Outcome { passed: passed.unwrap_or(0), ..Outcome::default() };
    if output.status.success() && passed.is_some() {
        return outcome;
    }
    // The names come last, below a line of their own; a process that died has not come so far.
    let (_, names) = text.rsplit_once("\nfailures:\n").unwrap_or_default();
    let names = names.lines().map_while(|line| line.strip_prefix("    "));
    outcome.failed = names.map(str::to_owned).collect();
    if outcome.failed.is_empty() {
        outcome.failed.push(format!("(no test: {})", output.status));
    }
    outcome.said = last_words(output);
    outcome
}

/// The number of `ok. 5 passed; 0 failed; ..`.
fn passed(result: &str) -> Option<usize> {
    let (before, _) = result.split_once(" passed;")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_executables_of_tests_alone() {
        let messages = r#"
            {"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":true},"executable":"/t/a-1"}
            {"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["test"],"name":"far"},"profile":{"test":true},"executable":"/t/far-1"}
            {"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["lib"],"name":"a"},"profile":{"test":false},"executable":null}
            {"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml","target":{"kind":["bin"],"name":"a"},"profile":{"test":false},"executable":"/t/a"}
            {"reason":"build-finished","success":true}
            no message"#;
        let found = executables(messages);
        let names: Vec<_> = found.iter().map(|executable| &executable.name[..]).collect();
        assert_eq!(names, ["a::lib", "a::far"]);
        assert_eq!((&found[1].path, &found[1].package), (&"/t/far-1".into(), &"/w/crates/a".into()));
    }

    #[cfg(unix)]
    #[test]
    fn failures_are_named_and_deaths_are_seen() {
        let run = |script: &str| outcome(&Command::new("sh").args(["-c", script]).output().unwrap());
        let good = run("echo 'test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured'");
        assert_eq!(good, Outcome { passed: 12, ..Outcome::default() });
        let bad = run(
            "printf '\nfailures:\n\n---- a::b stdout ----\n    not a name\n\n\nfailures:\n    a::b\n    c\n\n\
                       test result: FAILED. 3 passed; 2 failed; 0 ignored\n'; exit 101",
        );
        assert_eq!((bad.passed, &bad.failed[..]), (3, &["a::b".to_owned(), "c".to_owned()][..]));
        assert!(bad.said.contains("---- a::b stdout ----"));
        let dead = run("echo 'test a ... '; kill -9 $$");
        assert_eq!(dead.passed, 0);
        assert!(dead.failed[0].contains("signal: 9"), "{dead:?}");
        // An end without a result is no success, whatever the status.
        assert_eq!(run("exit 0").failed.len(), 1);
    }
}
