//! A GPU's kernels, each with its time on the device, as CubeCL measures them when it is asked to. It waits for each kernel
//! before it launches the next, so that the time of a step is not true, and what it measures has a start and an end in it
//! that are no kernel's: at least 11 us on an H200, longer than many kernels. The time of the shortest launch is taken off all.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use crate::child;

/// Asks for a line with the time of each launch.
const CONFIG: &str = "[profiling.logger]\nlevel = \"basic\"\nfile = \"kernels.log\"\n";

/// Steps of `cldiff bench` with one repetition on a GPU: ten of them, and twenty before.
const STEPS: usize = 30;

/// Kernels with a line of their own.
const LINES: usize = 16;

/// The kernels of training steps by their share of the device's time. Kernels should have been tuned before: trials would be
/// counted as well.
pub(crate) fn table(
    program: &Path,
    workload: &str,
    backend: &str,
    precision: &str,
    deadline: Option<Instant>,
) -> Result<String> {
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    fs::write(scratch.path().join("cubecl.toml"), CONFIG).context("cannot write cubecl.toml")?;
    let mut command = Command::new(program);
    command.args(["bench", "--what", "train", "--repetitions", "1", "--workload", workload]);
    command.args(["--backend", backend, "--precision", precision]).current_dir(&scratch);
    let output = child::output(&mut command, deadline)?;
    if !output.status.success() {
        bail!("{}\n{}", output.status, child::last_words(&output));
    }
    let log =
        fs::read_to_string(scratch.path().join("kernels.log")).context("no launches were written down")?;
    Ok(summary(&log, STEPS))
}

/// Times and launches of a step, and the largest shares.
fn summary(log: &str, steps: usize) -> String {
    let measured: Vec<(String, f64)> = log.lines().filter_map(launch).collect();
    let shortest = measured.iter().map(|(_, seconds)| *seconds).fold(f64::INFINITY, f64::min);
    let mut kernels: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for (name, seconds) in measured {
        let (launches, sum) = kernels.entry(name).or_default();
        *launches += 1;
        *sum += seconds - shortest;
    }
    let launches: usize = kernels.values().map(|(launches, _)| launches).sum();
    let total: f64 = kernels.values().map(|(_, seconds)| seconds).sum();
    let of_a_step = |number: f64| number / steps as f64;
    let mut text = format!(
        "{:.0} launches and {:.3} ms of kernels a step, less {:.1} us for each launch",
        of_a_step(launches as f64),
        of_a_step(total) * 1e3,
        shortest * 1e6
    );
    let mut kernels: Vec<_> = kernels.into_iter().collect();
    kernels.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    for (name, (launches, seconds)) in kernels.iter().take(LINES) {
        let (share, launches) = (100.0 * seconds / total, of_a_step(*launches as f64));
        let ms = of_a_step(*seconds) * 1e3;
        write!(text, "\n{share:>6.1} %  {ms:>8.3} ms  {launches:>7.1} launches  {name}").expect("text");
    }
    text
}

/// A line `| 1.5ms | Kernel | arguments | Runtime`: the kernel, and its seconds.
fn launch(line: &str) -> Option<(String, f64)> {
    let mut parts = line.strip_prefix('|')?.split('|').map(str::trim);
    let seconds = seconds(parts.next()?)?;
    let kernel = parts.next()?;
    // Element-wise operations are instances of one kernel.
    let name = match parts.next() {
        Some(operation) if operation.ends_with("Op") => format!("{kernel} {operation}"),
        _ => kernel.to_owned(),
    };
    Some((name, seconds))
}

/// The seconds of a duration as Rust's `Debug` writes it.
fn seconds(text: &str) -> Option<f64> {
    let units = [("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    units.iter().find_map(|(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_are_summed_by_kernel() {
        let log = "| 1.5ms      | MatmulEntry | TensorArgs | WgpuRuntime\n\
                   | 500µs      | KernelBinop | AddOp | WgpuRuntime\n\
                   not a launch\n\
                   | 2ms        | MatmulEntry | FusedMatmulArgs | WgpuRuntime\n";
        // The shortest took half a millisecond.
        assert_eq!(
            summary(log, 2),
            "2 launches and 1.250 ms of kernels a step, less 500.0 us for each launch\n \
             100.0 %     1.250 ms      1.0 launches  MatmulEntry\n   \
             0.0 %     0.000 ms      0.5 launches  KernelBinop AddOp"
        );
        assert_eq!(seconds("1.25s"), Some(1.25));
        assert_eq!(seconds("80ns"), Some(80e-9));
        assert_eq!(seconds("soon"), None);
    }
}
