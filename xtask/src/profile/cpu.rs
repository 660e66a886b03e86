//! The kernels of a CPU, by Linux' `perf`.
//!
//! They are instances of one generic function; only the newer form of symbols tells them apart, so that the program
//! is built once more, into a target directory of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::build;

/// Records, and prints the shares.
pub(super) fn run(workload: &str, backend: &str, steps: usize) -> Result<()> {
    let mut command = build::command();
    command.args(["build", "-p", "cldiff-cli", "--no-default-features", "--features", backend]);
    command.args(["--message-format", "json-render-diagnostics", "--target-dir"]);
    command.arg(std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from).join("profile"));
    let program = build::executable(command.env("RUSTFLAGS", "-Csymbol-mangling-version=v0"))?;
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    let data = scratch.path().join("perf.data");
    let status = Command::new("perf")
        .args(["record", "--quiet", "-F", "997", "-o"])
        .arg(&data)
        .arg("--")
        .arg(&program)
        .args(["bench", "--what", "train", "--workload", workload, "--backend", backend])
        .args(["--repetitions", &steps.to_string()])
        .status()
        .context("cannot run `perf`; it comes with Debian's package linux-perf")?;
    if !status.success() {
        bail!("perf record: {status}");
    }
    print(&busy(shares(&data)?));
    Ok(())
}

/// The share of each symbol, in percent.
fn shares(data: &Path) -> Result<Vec<(f64, String)>> {
    let output = Command::new("perf")
        .args(["report", "--no-children", "--stdio", "--percent-limit", "0", "-F", "overhead,sym", "-i"])
        .arg(data)
        .output()
        .context("cannot run `perf report`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let shares = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (share, symbol) = line.trim().split_once('%')?;
        Some((share.parse().ok()?, symbol.trim().to_owned()))
    });
    Ok(shares.collect())
}

/// The shares of the time in which something was done: without that in which threads waited for one another, which the
/// system's scheduler has.
fn busy(shares: Vec<(f64, String)>) -> Vec<(f64, String)> {
    const WAITING: [&str; 6] = ["schedule", "sched_yield", "switch", "spin_unlock", "futex", "do_syscall"];
    let is_waiting = |symbol: &str| WAITING.iter().any(|part| symbol.contains(part));
    let (waiting, busy): (Vec<_>, Vec<_>) = shares.into_iter().partition(|(_, symbol)| is_waiting(symbol));
    let waiting: f64 = waiting.iter().map(|(share, _)| share).sum();
    println!("{waiting:>6.1} %  of all time is spent waiting for other threads; of the rest:");
    let rest = 100.0 - waiting;
    busy.into_iter().map(|(share, symbol)| (100.0 * share / rest, symbol)).collect()
}

/// The group that a symbol counts in, and whether it is a kernel.
fn group(symbol: &str) -> (bool, String) {
    let is_kernel = symbol.contains("ddpm_kernels") || symbol.contains("gemm") || symbol.contains("faer");
    let name = match symbol.rsplit_once("ddpm_kernels::cpu::") {
        // The struct of a kernel's arguments, without the instances of its constants.
        Some((_, kernel)) => kernel.split(['<', '>']).next().unwrap_or(kernel).to_owned(),
        None if symbol.contains("gemm") => "matrix product (faer)".to_owned(),
        None if symbol.starts_with("[k]") => "the system's kernel (pages)".to_owned(),
        None if symbol.contains("mem") && symbol.contains("unaligned") => "copies and fills".to_owned(),
        None if is_kernel => "calling the kernels".to_owned(),
        None => "everything else".to_owned(),
    };
    (is_kernel, name)
}

fn print(shares: &[(f64, String)]) {
    let mut groups: BTreeMap<String, f64> = BTreeMap::new();
    let mut kernels = 0.0;
    for (share, symbol) in shares {
        let (is_kernel, name) = group(symbol);
        *groups.entry(name).or_default() += share;
        kernels += if is_kernel { *share } else { 0.0 };
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, share) in groups.iter().filter(|(_, share)| *share >= 0.05) {
        println!("{share:>6.1} %  {name}");
    }
    println!("{kernels:>6.1} %  in the kernels altogether");
}
