//! The fuzz targets of `fuzz/`, with libFuzzer, on the stable compiler.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::build::command;

/// The compiler flags that libFuzzer needs, as cargo-fuzz sets them: counters, tables and traces of comparisons. No
/// sanitizer: the readers have no `unsafe`.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    // Decoders of pictures pass over checksums then, which no mutation would get right.
    "--cfg=fuzzing",
];
/// Build scripts must not be instrumented; that takes a target of its own.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// `cargo xtask fuzz`
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Names of the targets [default: all]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

/// The outcome of a target.
struct Outcome {
    executions: u64,
    coverage: u64,
    crashed: bool,
}

/// Builds the targets, runs each for some time, and fails if one of them did.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = std::path::absolute(Path::new(&target).join("fuzz"))?;
    let all = names(Path::new("fuzz/fuzz_targets"))?;
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        bail!("no target `{unknown}`; there is {}", all.join(", "));
    }
    let chosen = if args.targets.is_empty() { &all } else { &args.targets };
    let programs = build(&target)?;
    let mut crashed = Vec::new();
    for name in chosen {
        let program = programs.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name.as_str()));
        let program = program.with_context(|| format!("the build has no program `{name}`"))?;
        let outcome = fuzz(program, name, args.seconds, &target)?;
        println!("{name:12} {:>10} executions, coverage {:>6}", outcome.executions, outcome.coverage);
        if outcome.crashed {
            crashed.push(name.as_str());
        }
    }
    if !crashed.is_empty() {
        let place = target.join("artifacts");
        bail!("crashed: {}; logs and inputs are in {}", crashed.join(", "), place.display());
    }
    Ok(())
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    Ok(names)
}

fn build(target: &Path) -> Result<Vec<PathBuf>> {
    let mut command = command();
    command.args([
        "build",
        "--release",
        "--bins",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--target",
        PLATFORM,
    ]);
    command.args(["--message-format", "json-render-diagnostics", "--target-dir"]).arg(target);
    command.env("RUSTFLAGS", FLAGS.join(" ")).stderr(Stdio::inherit());
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed: {}", output.status);
    }
    let messages = String::from_utf8(output.stdout)?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect())
}

/// Runs a target on its seeds and on what earlier runs found.
fn fuzz(program: &Path, name: &str, seconds: u64, target: &Path) -> Result<Outcome> {
    let corpus = target.join("corpus").join(name);
    let artifacts = target.join("artifacts").join(name);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let log_path = artifacts.join("log.txt");
    let log = fs::File::create(&log_path)?;
    let mut command = Command::new(program);
    command.args([
        format!("-max_total_time={seconds}"),
        "-rss_limit_mb=1024".into(),
        "-malloc_limit_mb=600".into(),
        "-timeout=20".into(),
        "-print_final_stats=1".into(),
        format!("-max_len={}", 16384),
        format!("-artifact_prefix={}/", artifacts.display()),
    ]);
    command.arg(&corpus).arg(Path::new("fuzz/seeds").join(name));
    // Inputs go through files: those of memory wear no disk.
    if Path::new("/dev/shm").is_dir() {
        command.env("TMPDIR", "/dev/shm");
    }
    let status = command.stdout(Stdio::null()).stderr(log).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log_path)?).into_owned();
    let executions = last_number(&text, "stat::number_of_executed_units:").unwrap_or(0);
    let coverage = last_number(&text, " cov:").unwrap_or(0);
    Ok(Outcome { executions, coverage, crashed: !status.success() })
}

/// The number after the last place of a mark.
fn last_number(text: &str, mark: &str) -> Option<u64> {
    text.rsplit_once(mark)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_what_libfuzzer_prints() {
        let log = "#2\tINITED cov: 6 ft: 6\n#9\tNEW    cov: 17 ft: 9\nstat::number_of_executed_units: 1000\n";
        assert_eq!(last_number(log, " cov:"), Some(17));
        assert_eq!(last_number(log, "stat::number_of_executed_units:"), Some(1000));
        assert_eq!(last_number("nothing", " cov:"), None);
    }
}
