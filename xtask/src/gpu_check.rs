//! Everything that only a machine with a GPU can say, in one command and one file: whether the backend is found and
//! computes what the CPU computes, whether a run works on it, how fast it is beside PyTorch, and what cells side by side
//! gain.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};

use crate::{bench, build};

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
    /// Cells at a time, tried against one at a time
    #[arg(long, value_delimiter = ',', default_value = "2,4,8")]
    jobs: Vec<usize>,
    /// The workloads of the benchmark
    #[arg(long, value_delimiter = ',', default_value = "mnist-small,fmnist-medium,cifar-ddpm")]
    workload: Vec<String>,
    /// The configuration that the time of a whole run is taken of
    #[arg(long, default_value = "default")]
    config: String,
    /// Where the findings go
    #[arg(long, value_name = "FILE", default_value = "benchmarks/gpu.md")]
    out: PathBuf,
}

/// What was found, as it goes into the file.
struct Findings {
    text: String,
    failed: Vec<&'static str>,
}

/// Runs every check, and writes down what each gave; one that fails keeps no other from being made.
pub(crate) fn run(args: &GpuCheckArgs) -> Result<()> {
    let start = Instant::now();
    let program = match &args.program {
        Some(program) => program.clone(),
        None => build::program(&[args.backend.clone(), "ndarray".into(), "flex".into()])?,
    };
    let program = program.canonicalize().with_context(|| format!("cannot find {}", program.display()))?;
    let scratch = std::env::temp_dir().join(format!("cldiff-gpu-check-{}", std::process::id()));
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let mut findings = Findings { text: heading(args), failed: Vec::new() };
    let cldiff = |arguments: &[&str]| {
        eprintln!("==> cldiff {}", arguments.join(" "));
        Command::new(&program).args(arguments).current_dir(&scratch).output().context("cannot run cldiff")
    };

    let checked = cldiff(&["doctor", "--backend", &args.backend]);
    findings.add("Does it compute what the CPU computes", checked.and_then(|output| said(&output)));

    let smoke = ["--config", "smoke", "--backend", &args.backend, "--quiet", "--out", "smoke"];
    findings.add("A run", cldiff(&smoke).and_then(|output| said(&output)));

    let again = cldiff(&[&smoke[..], &["--resume"]].concat());
    findings.add("The same run, gone on with", again.and_then(|output| said(&output)));

    findings.add("A whole run, cells one after another and side by side", whole_runs(args, &cldiff));
    findings
        .add("Reference workloads in f32, or TF32 where there is that", workloads(args, "auto", &program));
    findings.add("Reference workloads in bf16", workloads(args, "bf16", &program));

    fs::remove_dir_all(&scratch).ok();
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    write!(findings.text, "\nAll of it took {minutes:.1} minutes.\n")?;
    fs::write(&args.out, &findings.text).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{}\nwritten to {}", findings.text, args.out.display());
    if !findings.failed.is_empty() {
        bail!("failed: {}", findings.failed.join("; "));
    }
    Ok(())
}

impl Findings {
    fn add(&mut self, title: &'static str, found: Result<String>) {
        let text = found.unwrap_or_else(|error| {
            self.failed.push(title);
            format!("FAILED: {error:#}")
        });
        self.text += &["\n## ", title, "\n\n```\n", text.trim_end(), "\n```\n"].concat();
    }
}

/// Date, machine and commit.
fn heading(args: &GpuCheckArgs) -> String {
    let line = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success());
        output.map_or_else(|| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let gpu = line("nvidia-smi", &["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]);
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let commit = line("git", &["rev-parse", "--short=12", "HEAD"]);
    format!(
        "# {} on a GPU\n\nBy `cargo xtask gpu-check --backend {}`, {}, commit {commit}. GPU, driver, memory: {gpu}.\n",
        args.backend,
        args.backend,
        now.split('T').next().unwrap_or_default()
    )
}

/// What a command printed, if it went well.
fn said(output: &Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

/// The wall time of a run, with one cell at a time and with several. The classifier comes from the cache.
fn whole_runs(args: &GpuCheckArgs, cldiff: &dyn Fn(&[&str]) -> Result<Output>) -> Result<String> {
    let timed = |jobs: usize| -> Result<Duration> {
        let (out, number) = (format!("jobs-{jobs}"), jobs.to_string());
        let arguments = [
            "--config",
            &args.config,
            "--backend",
            &args.backend,
            "--quiet",
            "--jobs",
            &number,
            "--out",
            &out,
        ];
        let start = Instant::now();
        said(&cldiff(&arguments)?)?;
        Ok(start.elapsed())
    };
    let alone = timed(1)?;
    let mut lines = format!("--jobs 1   {:8.1} s", alone.as_secs_f64());
    for &jobs in &args.jobs {
        let took = timed(jobs)?;
        let gain = alone.as_secs_f64() / took.as_secs_f64();
        write!(lines, "\n--jobs {jobs:<3} {:8.1} s   {gain:.2} times as fast", took.as_secs_f64())?;
    }
    Ok(lines)
}

fn workloads(args: &GpuCheckArgs, precision: &str, program: &Path) -> Result<String> {
    let mut options = bench::BenchArgs::of_backend(&args.backend);
    options.precision = precision.into();
    options.runs = 1;
    // PyTorch's best mode is looked for once.
    options.peer = args.peer.clone().filter(|_| precision == "auto");
    options.workload.clone_from(&args.workload);
    let mut table = String::new();
    for workload in &args.workload {
        for line in bench::table(&options, program, workload)? {
            table.push_str(&line.text);
            table.push('\n');
        }
    }
    Ok(table)
}
