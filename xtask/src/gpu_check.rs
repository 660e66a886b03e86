//! Everything that only a machine with a GPU can say, in one command and one file: whether the backend is found and
//! computes what the CPU computes, whether a run works on it, how fast it is beside PyTorch, what cells side by side
//! gain, and where the time of a training step goes.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    bench, build,
    child::{self, OutOfTime},
    profile,
};

/// The options of `cargo xtask gpu-check`.
#[derive(Debug, clap::Args)]
pub(crate) struct GpuCheckArgs {
    /// The backend: cuda, or wgpu
    #[arg(long, default_value = "cuda")]
    backend: String,
    /// A program `cldiff` that is built already, for a machine without Rust [default: build it]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A Python with torch and diffusers, to do the same work in turn
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// PyTorch's modes, as of `cargo xtask bench` [default: all that it has on a GPU]
    #[arg(long, value_delimiter = ',', requires = "peer")]
    peer_mode: Vec<String>,
    /// Cells at a time, tried against one at a time
    #[arg(long, value_delimiter = ',', default_value = "8,4,2")]
    jobs: Vec<usize>,
    /// The workloads of the benchmark, the one that matters most first
    #[arg(long, value_delimiter = ',', default_value = "cifar-ddpm,mnist-small,fmnist-medium")]
    workload: Vec<String>,
    /// Number format of the inputs of matrix products in them [default: auto, and bf16 on CUDA or f16 on wgpu]
    #[arg(long, value_delimiter = ',')]
    precision: Vec<String>,
    /// The configuration that the time of a whole run is taken of
    #[arg(long, default_value = "default")]
    config: String,
    /// Minutes that all of it may take, the build apart; what does not fit is left out, and said to be
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Where the findings go
    #[arg(long, value_name = "FILE", default_value = "benchmarks/gpu.md")]
    out: PathBuf,
}

/// The findings, as they go into the file.
struct Findings<'a> {
    out: &'a Path,
    text: String,
    failed: Vec<String>,
    left_out: usize,
}

/// Runs every check, and writes down what each gave as soon as it has; one that fails keeps no other from being made.
pub(crate) fn run(args: &GpuCheckArgs) -> Result<()> {
    let program = build::given_or_built(args.program.as_deref())?;
    let minutes = Duration::try_from_secs_f64(60.0 * args.minutes).context("--minutes")?;
    let start = Instant::now();
    let deadline = Some(start + minutes);
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    let mut findings = Findings { out: &args.out, text: heading(args), failed: Vec::new(), left_out: 0 };
    let backend = args.backend.as_str();
    let cldiff = |arguments: &[&str]| {
        eprintln!("==> cldiff {}", arguments.join(" "));
        child::output(Command::new(&program).args(arguments).current_dir(&scratch), deadline)
    };

    let checked = cldiff(&["doctor", "--backend", backend]);
    findings.add("Does it compute what the CPU computes", checked.and_then(|output| said(&output)))?;

    let smoke = ["--config", "smoke", "--backend", backend, "--quiet", "--out", "run"];
    findings.add("A run", cldiff(&smoke).and_then(|output| said(&output)))?;

    let again = cldiff(&[&smoke[..], &["--resume"]].concat());
    findings.add("The same run, gone on with", again.and_then(|output| said(&output)))?;

    // A file of one's own is found from the scratch directory too.
    let config = fs::canonicalize(&args.config)
        .map_or_else(|_| args.config.clone(), |path| path.display().to_string());
    let run = WholeRuns { config, backend, scratch: scratch.path(), cldiff: &cldiff };
    // The first run of a configuration trains its classifier and tunes kernels, which no other has to.
    findings.add("Preparation that whole runs share", run.make_ready())?;
    let alone = run.timed(1);
    let wall = alone.as_ref().ok().copied();
    findings.add("A whole run, its cells one after another", alone.map(seconds))?;

    let chosen = if backend == "wgpu" { "f16" } else { "bf16" };
    let usual = vec!["auto".to_owned(), chosen.to_owned()];
    let precisions = if args.precision.is_empty() { usual } else { args.precision.clone() };
    let mut options = bench::BenchArgs::of_backend(backend);
    (options.precision, options.deadline) = (precisions, deadline);
    (options.peer, options.peer_mode, options.runs) = (args.peer.clone(), args.peer_mode.clone(), 1);
    // In turn, so that what does not fit is the least of both.
    let mut side_by_side = args.jobs.iter().map(|&jobs| (jobs, run.side_by_side(jobs, wall)));
    for workload in &args.workload {
        let table = bench::table(&options, &program, workload);
        let lines = table.map(|lines| lines.iter().map(|line| [line.text.trim(), "\n"].concat()).collect());
        findings.add(&format!("Speed, `{workload}`"), lines)?;
        // Kernels have been tuned now.
        for precision in &options.precision {
            let kernels = profile::gpu::table(&program, workload, backend, precision, deadline);
            findings.add(&format!("Kernels of a training step, `{workload}`, {precision}"), kernels)?;
        }
        if let Some((jobs, found)) = side_by_side.next() {
            findings.add(&beside(jobs), found)?;
        }
    }
    for (jobs, found) in side_by_side {
        findings.add(&beside(jobs), found)?;
    }

    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let left_out = match findings.left_out {
        0 => String::new(),
        parts => format!(" {parts} of its parts did not fit into {} minutes: `--minutes`.", args.minutes),
    };
    write!(findings.text, "\nAll of it took {minutes:.1} minutes.{left_out}\n")?;
    findings.save()?;
    println!("{}\nwritten to {}", findings.text, args.out.display());
    if !findings.failed.is_empty() {
        bail!("failed: {}", findings.failed.join("; "));
    }
    Ok(())
}

impl Findings<'_> {
    fn add(&mut self, title: &str, found: Result<String>) -> Result<()> {
        let text = found.unwrap_or_else(|error| {
            if error.is::<OutOfTime>() {
                self.left_out += 1;
                return "left out: the time was up".to_owned();
            }
            self.failed.push(title.to_owned());
            format!("FAILED: {error:#}")
        });
        self.text += &["\n## ", title, "\n\n```\n", text.trim_end(), "\n```\n"].concat();
        self.save()
    }

    fn save(&self) -> Result<()> {
        fs::write(self.out, &self.text).with_context(|| format!("cannot write {}", self.out.display()))
    }
}

/// Date and machine. `cldiff doctor` names the commit of the program, which may be another than the checkout's.
fn heading(args: &GpuCheckArgs) -> String {
    let line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success());
        output.map_or_else(|| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let gpu = line("nvidia-smi", &["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]);
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!(
        "# {} on a GPU\n\nBy `cargo xtask gpu-check --backend {}`, {}. GPU, driver, memory: {gpu}.\n",
        args.backend,
        args.backend,
        now.split('T').next().unwrap_or_default()
    )
}

/// The output of a command that succeeded.
fn said(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{}\n{}", output.status, child::last_words(output));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn beside(jobs: usize) -> String {
    format!("A whole run, {jobs} cells at a time")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Whole runs of a configuration.
struct WholeRuns<'a> {
    config: String,
    backend: &'a str,
    scratch: &'a Path,
    cldiff: &'a dyn Fn(&[&str]) -> Result<Output>,
}

impl WholeRuns<'_> {
    /// Trains the classifier, which later runs find in the cache, and has the kernels tuned.
    fn make_ready(&self) -> Result<String> {
        let Self { config, backend, .. } = self;
        let start = Instant::now();
        let short = ["--set", "training.steps_per_experience=1", "--quiet", "--out", "ready"];
        said(&(self.cldiff)(&[&["--config", config.as_str(), "--backend", backend], &short[..]].concat())?)?;
        Ok(seconds(start.elapsed()))
    }

    /// The wall time of a run with so many cells at a time.
    fn timed(&self, jobs: usize) -> Result<Duration> {
        let Self { config, backend, .. } = self;
        let (out, jobs) = (directory(jobs), jobs.to_string());
        let start = Instant::now();
        let run = ["--config", config, "--backend", backend, "--quiet", "--jobs", &jobs, "--out", &out];
        said(&(self.cldiff)(&run)?)?;
        Ok(start.elapsed())
    }

    /// The time with several cells at a time beside that with one, and whether the results are the same.
    fn side_by_side(&self, jobs: usize, alone: Option<Duration>) -> Result<String> {
        let took = self.timed(jobs)?;
        let Some(alone) = alone else { return Ok(seconds(took)) };
        let gain = alone.as_secs_f64() / took.as_secs_f64();
        let same = self.results(1)? == self.results(jobs)?;
        let results = if same { "the same results" } else { "OTHER RESULTS" };
        let text = format!("{}, {gain:.2} times as fast, {results}", seconds(took));
        ensure!(same, text);
        Ok(text)
    }

    /// A run's results without their cost, which no two runs have in common.
    fn results(&self, jobs: usize) -> Result<Value> {
        let path = self.scratch.join(directory(jobs)).join("results.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut results: Value = serde_json::from_str(&text)?;
        for cell in results["cells"].as_array_mut().context("no cells")? {
            cell.as_object_mut().context("a cell")?.remove("cost");
        }
        Ok(results)
    }
}

fn directory(jobs: usize) -> String {
    format!("jobs-{jobs}")
}
