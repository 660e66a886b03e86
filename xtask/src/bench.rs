//! Speed and memory on the reference workloads, on each backend and, beside it, in PyTorch: everything in turn
//! (A B A B ..), medians and ratios.
//!
//! The machines that this runs on are shared and noisy: only ratios within one run mean anything.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    build,
    child::{self, OutOfTime},
};

/// The options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// The backends to measure
    #[arg(long, value_delimiter = ',', default_value = "flex,ndarray")]
    backend: Vec<String>,
    /// The reference workloads
    #[arg(long, value_delimiter = ',', default_value = "mnist-small,fmnist-medium,cifar-ddpm")]
    pub workload: Vec<String>,
    /// Measurements: train (with first_step and peak_memory), forward, sample
    #[arg(long, value_delimiter = ',', default_value = "train,forward,sample")]
    what: Vec<String>,
    /// A program `cldiff` that is built already, for a machine without Rust [default: build it]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A Python with torch and diffusers, to do the same work in turn
    #[arg(long, value_name = "PYTHON")]
    pub peer: Option<PathBuf>,
    /// PyTorch's modes, of which the best counts: eager, channels_last or compile, with +tf32 or +bf16 on a GPU [default:
    /// the first three; on CUDA those that can be the best]
    #[arg(long, value_delimiter = ',')]
    pub peer_mode: Vec<String>,
    /// Runs of each, in turn
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Timed repetitions within a run
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Number formats of the inputs of cldiff's matrix products: auto, f32, tf32, bf16 or f16 (PyTorch's are part of its modes)
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    pub precision: Vec<String>,
    /// Threads on both sides [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// A file for the results, one JSON object a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure single operations of the CPU kernels instead
    #[arg(long)]
    operations: bool,
    /// The time to stop at.
    #[arg(skip)]
    pub deadline: Option<Instant>,
}

/// Measures, and prints a line for each quantity.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    if args.operations {
        return build::cargo(
            &[
                "bench",
                "-p",
                "ddpm-kernels",
                "--features",
                "flex,ndarray",
                "--bench",
                "operations",
                "--profile",
                "dev",
            ],
            &[],
        );
    }
    let program = build::given_or_built(args.program.as_deref())?;
    let mut json = match &args.json {
        Some(path) => Some(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => None,
    };
    for workload in &args.workload {
        for line in table(args, &program, workload)? {
            println!("{}", line.text);
            if let (Some(file), Some(object)) = (&mut json, &line.object) {
                writeln!(file, "{object}")?;
            }
        }
    }
    Ok(())
}

impl BenchArgs {
    /// The defaults, on one backend.
    pub(crate) fn of_backend(backend: &str) -> Self {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            args: BenchArgs,
        }
        <Alone as clap::Parser>::parse_from(["bench", "--backend", backend]).args
    }
}

/// A line of the table, and what it says as JSON.
pub(crate) struct Line {
    pub text: String,
    pub object: Option<Value>,
}

/// Measures a workload: a heading and a line for each quantity.
pub(crate) fn table(args: &BenchArgs, program: &Path, workload: &str) -> Result<Vec<Line>> {
    let Measured { ours, peers, left_out } = measure(args, program, workload)?;
    let heading = format!(
        "\n{workload}\n  {:<11}{:<13}{:>12} {:<9}{:>12}  {:<14}{:>6}",
        "backend", "what", "ours", "unit", "PyTorch", "mode", "ratio"
    );
    let mut lines = vec![Line { text: heading, object: None }];
    for (backend, quantities) in &ours {
        for (what, (values, unit)) in quantities {
            let value = median(values);
            let best = best_of(&peers, what, unit);
            let object = json!({
                "workload": workload, "backend": backend, "what": what, "value": value, "unit": unit,
                "peer": best.as_ref().map(|best| best.1), "peer_mode": best.as_ref().map(|best| &best.0),
                "ratio": best.as_ref().map(|best| value / best.1),
            });
            let (peer, mode, ratio) = match &best {
                Some((mode, peer)) => (format!("{peer:.2}"), mode.as_str(), format!("{:.2}", value / peer)),
                None => (String::new(), "", String::new()),
            };
            let text =
                format!("  {backend:<11}{what:<13}{value:>12.2} {unit:<9}{peer:>12}  {mode:<14}{ratio:>6}");
            lines.push(Line { text, object: Some(object) });
        }
    }
    let stopped = left_out.iter().map(|mode| format!("  PyTorch, {mode}: stopped, its time was up"));
    lines.extend(stopped.map(|text| Line { text, object: None }));
    Ok(lines)
}

/// The values that were measured of each quantity, and their unit, in the order in which they came.
type Quantities = Vec<(String, (Vec<f64>, String))>;

/// The measurements on each backend, and in each of PyTorch's modes.
struct Measured {
    ours: Vec<(String, Quantities)>,
    peers: Vec<(String, Quantities)>,
    /// Modes for which there was no time.
    left_out: Vec<String>,
}

/// The longest time for one mode of PyTorch: compiling a UNet can take all of a limited time.
const PEER_TIME: Duration = Duration::from_secs(75);

fn measure(args: &BenchArgs, program: &Path, workload: &str) -> Result<Measured> {
    let empty = |names: &[String]| names.iter().map(|name| (name.clone(), Vec::new())).collect::<Vec<_>>();
    let ours = args.backend.iter().flat_map(|backend| args.precision.iter().map(move |p| (backend, p)));
    let ways: Vec<(&String, &String)> = ours.collect();
    let mut ours =
        empty(&ways.iter().map(|(backend, precision)| way(backend, precision)).collect::<Vec<_>>());
    // Beside CUDA PyTorch is measured there too.
    let on_gpu = args.backend.iter().any(|backend| backend == "cuda");
    let modes = if args.peer_mode.is_empty() { usual_modes(on_gpu) } else { args.peer_mode.clone() };
    let mut peers = if args.peer.is_some() { empty(&modes) } else { Vec::new() };
    let mut left_out = Vec::new();
    for run in 0..args.runs {
        for ((name, found), (backend, precision)) in ours.iter_mut().zip(&ways) {
            eprintln!("{workload}, run {} of {}: {name}", run + 1, args.runs);
            let mut command = Command::new(program);
            command.args(["bench", "--json", "--workload", workload, "--backend", backend]);
            command.args(["--what", &args.what.join(","), "--repetitions", &args.repetitions.to_string()]);
            command.args(["--precision", precision]);
            if let Some(threads) = args.threads {
                command.args(["--threads", &threads.to_string()]);
            }
            collect(command, args.deadline, found)?;
        }
        for (mode, found) in &mut peers {
            eprintln!("{workload}, run {} of {}: PyTorch, {mode}", run + 1, args.runs);
            let mut command = Command::new(args.peer.as_ref().context("a Python")?);
            command.args(["tools/bench/peer.py", "--workload", workload, "--mode", mode]);
            command.args(["--what", &args.what.join(","), "--steps", &args.repetitions.to_string()]);
            command.args(["--threads", &args.threads.unwrap_or(0).to_string()]);
            command.args(["--device", if on_gpu { "cuda" } else { "cpu" }]);
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            command.args(["--started", &now.to_string()]);
            let deadline = args.deadline.map(|deadline| deadline.min(Instant::now() + PEER_TIME));
            match collect(command, deadline, found) {
                Err(error) if error.is::<OutOfTime>() => left_out.push(mode.clone()),
                done => done?,
            }
        }
    }
    Ok(Measured { ours, peers, left_out })
}

/// A backend's name, and what it multiplies where that is chosen: `cuda+bf16`, as PyTorch's modes are named.
fn way(backend: &str, precision: &str) -> String {
    if precision == "auto" { backend.to_owned() } else { [backend, precision].join("+") }
}

fn usual_modes(on_gpu: bool) -> Vec<String> {
    let modes: &[&str] = if on_gpu {
        &["channels_last+bf16", "channels_last+tf32", "compile+bf16", "compile+tf32"]
    } else {
        &["eager", "channels_last", "compile"]
    };
    modes.iter().map(|&mode| mode.to_owned()).collect()
}

/// Runs a command that prints an object a line, and adds its values to those found before.
fn collect(mut command: Command, deadline: Option<Instant>, found: &mut Quantities) -> Result<()> {
    let output = child::output(&mut command, deadline)?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, child::last_words(&output));
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let line: Value =
            serde_json::from_str(line).with_context(|| format!("{command:?} printed {line:?}"))?;
        let text = |key: &str| {
            line[key].as_str().map(str::to_owned).with_context(|| format!("no {key:?} in {line}"))
        };
        let (what, unit) = (text("what")?, text("unit")?);
        let value = line["value"].as_f64().with_context(|| format!("no value in {line}"))?;
        match found.iter_mut().find(|(name, _)| *name == what) {
            Some((_, (values, _))) => values.push(value),
            None => found.push((what, (vec![value], unit))),
        }
    }
    Ok(())
}

/// The mode in which a quantity is best, and its value there.
fn best_of(peers: &[(String, Quantities)], what: &str, unit: &str) -> Option<(String, f64)> {
    let larger_is_better = unit.ends_with("/s");
    let values: BTreeMap<&String, f64> = peers
        .iter()
        .filter_map(|(mode, found)| {
            let (_, (values, _)) = found.iter().find(|(name, _)| name == what)?;
            Some((mode, median(values)))
        })
        .collect();
    let best = values
        .into_iter()
        .max_by(|a, b| if larger_is_better { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) })?;
    Some((best.0.clone(), best.1))
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
