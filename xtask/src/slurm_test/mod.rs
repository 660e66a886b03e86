//! One run on a real Slurm: a task is preempted, one comes to its time limit, a node dies under one; the merged results are
//! those of an ordinary run.

mod cluster;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use self::cluster::{Cluster, NotHere, wait};
use crate::build::given_or_built;

/// The options of `cargo xtask slurm-test`.
#[derive(Debug, clap::Args)]
pub(crate) struct SlurmTestArgs {
    /// The program; else it is built
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Seconds that a cell takes about: it must be running when its time limit has come
    #[arg(long, value_name = "N", default_value_t = 180)]
    cell_seconds: u64,
    /// Keep the directory with the run and the logs of Slurm
    #[arg(long)]
    keep: bool,
}

/// Tasks of the array, a cell each: one for each disturbance.
const TASKS: usize = 3;

/// Steps of the training by which its speed is measured.
const TRIAL: u64 = 100;

/// How often it is tried, the second time with cells twice as long.
const TRIES: u32 = 2;

/// A task that ended before it could be disturbed. A cell's length follows from a timed trial, and is too short where the
/// machine had other work during the trial alone.
#[derive(Debug)]
struct TooShort {
    task: usize,
}

impl std::fmt::Display for TooShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {} ended before it was disturbed: --cell-seconds makes cells longer", self.task)
    }
}

impl std::error::Error for TooShort {}

/// Runs it, or says that it was skipped.
///
/// # Errors
/// If a task does not come back, or the results differ.
pub(crate) fn run(args: &SlurmTestArgs) -> Result<()> {
    if let Err(NotHere(why)) = cluster::install() {
        println!("slurm-test: skipped: {why}");
        return Ok(());
    }
    let program = given_or_built(args.program.as_deref())?;
    let mut seconds = args.cell_seconds;
    for left in (0..TRIES).rev() {
        let scratch = tempfile::tempdir()?;
        let cluster = match Cluster::start(&scratch.path().join("slurm")) {
            Ok(cluster) => cluster,
            Err(error) => {
                println!("slurm-test: skipped: Slurm does not start here: {error:#}");
                return Ok(());
            }
        };
        match once(&program, cluster, scratch, seconds, args.keep) {
            Err(error) if left > 0 && error.is::<TooShort>() => println!("again, with cells twice as long"),
            outcome => return outcome,
        }
        seconds *= 2;
    }
    unreachable!("the last try returns its outcome")
}

fn once(program: &Path, cluster: Cluster, scratch: TempDir, seconds: u64, keep: bool) -> Result<()> {
    let mut test = Test::new(program, cluster, scratch.path(), seconds)?;
    let outcome = test.run();
    if let Err(error) = &outcome {
        println!("FAILED: {error:#}");
        test.show_logs();
    }
    drop(test);
    if keep {
        println!("kept: {}", scratch.keep().display());
    }
    outcome
}

struct Test {
    program: PathBuf,
    dir: PathBuf,
    cluster: Cluster,
    steps: u64,
    begin: Instant,
}

impl Test {
    fn new(program: &Path, cluster: Cluster, dir: &Path, seconds: u64) -> Result<Self> {
        let begin = Instant::now();
        let mut test =
            Self { program: program.to_owned(), dir: dir.to_owned(), cluster, steps: TRIAL, begin };
        let version = test.cluster.call("sinfo", &["--version"])?;
        test.say(&format!("{}: slurmctld and {} slurmd are up", version.trim(), cluster::NODES.len()));
        // The first trial trains the classifier.
        let mut took = Duration::ZERO;
        for out in ["trial-1", "trial-2"] {
            let start = Instant::now();
            test.ordinary(out, &["--seeds", "0"])?;
            took = start.elapsed();
        }
        test.steps = (TRIAL as f64 * seconds as f64 / took.as_secs_f64()).ceil() as u64;
        let steps = test.steps;
        test.say(&format!(
            "a cell of {TRIAL} steps a task takes {:.1} s; cells have {steps}",
            took.as_secs_f64()
        ));
        Ok(test)
    }

    fn say(&self, line: &str) {
        println!("{:>6.1} s  {line}", self.begin.elapsed().as_secs_f64());
    }

    /// Three cells, with a state often.
    fn setting(&self) -> Vec<String> {
        let steps = format!("training.steps_per_experience={}", self.steps);
        let words = ["--strategy", "replay-1", "--set", &steps, "--set", "checkpoints.every_steps=20"];
        let words = words.into_iter().chain(["--set", "checkpoints.most_time=0.5", "--backend", "flex"]);
        words.map(str::to_owned).collect()
    }

    fn cldiff(&self) -> Command {
        let mut command = self.cluster.command(&self.program);
        command.current_dir(&self.dir).env("XDG_CACHE_HOME", self.dir.join("cache"));
        command
    }

    fn ordinary(&self, out: &str, more: &[&str]) -> Result<()> {
        let mut command = self.cldiff();
        command.args(["run", "--config", "smoke", "--quiet", "--out", out]).args(self.setting()).args(more);
        succeeded(&mut command).map(|_| ())
    }

    fn run(&mut self) -> Result<()> {
        let mut submit = self.cldiff();
        submit.args([
            "submit",
            "slurm",
            "smoke",
            "--seeds",
            "0,1,2",
            "--out",
            "run",
            "--cells-per-task",
            "1",
        ]);
        submit.args(self.setting()).args(["--", "--partition=low", "--signal=B:TERM@30", "--export=ALL"]);
        let told = succeeded(&mut submit)?;
        told.lines().for_each(|line| self.say(line));
        let id = |job: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(&format!("{job}: job ")));
            line.map(str::to_owned).with_context(|| format!("no job of {job} in {told}"))
        };
        let (cells, merge) = (id("cells")?, id("merge")?);
        wait("the run to be prepared", Duration::from_mins(5), || Ok(self.running(&cells)?.len() == 2))?;
        self.say("the run is prepared, and two tasks of three run");

        let preempted = self.preempt(&cells)?;
        let limited = self.limit(&cells, &[preempted])?;
        self.kill_node(&cells, &[preempted, limited])?;
        self.say(&self.status()?);

        wait(
            "the merging job",
            Duration::from_mins(30),
            || Ok(self.cluster.state(&merge)?.0 == "COMPLETED"),
        )?;
        self.say(&self.status()?);
        let mut sum = 0;
        for task in 0..TASKS {
            let (state, restarts) = self.cluster.state(&format!("{cells}_{task}"))?;
            self.say(&format!("task {task}: {state}, put back {restarts} times"));
            if state != "COMPLETED" || restarts == 0 {
                bail!("task {task} was not disturbed, or has not ended well");
            }
            sum += restarts;
        }
        let resumed = self.resumed()?;
        self.say(&format!("{sum} restarts; cells went on from a state {resumed} times"));
        self.ordinary("one", &["--seeds", "0,1,2", "--jobs", "2"])?;
        if without_cost(&self.dir.join("run"))? != without_cost(&self.dir.join("one"))? {
            bail!("the merged results differ from those of an ordinary run");
        }
        self.say("results.json of the merged run equals that of an ordinary run (cost aside)");
        Ok(())
    }

    /// Tasks that run, with their nodes.
    fn running(&self, cells: &str) -> Result<Vec<(usize, String)>> {
        let job = format!("--jobs={cells}");
        let listed = self.cluster.call("squeue", &["-h", "-r", &job, "--states=RUNNING", "-o", "%K %N"])?;
        listed
            .lines()
            .map(|line| {
                let (task, node) =
                    line.trim().split_once(' ').with_context(|| format!("{line}: a task and a node"))?;
                Ok((task.parse()?, node.to_owned()))
            })
            .collect()
    }

    /// A task that runs and has kept a state, apart from some.
    fn in_the_middle(&self, cells: &str, apart: &[usize]) -> Result<(usize, String)> {
        let cell = |task: usize| self.dir.join(format!("run/cells/replay-1-{task}"));
        let (mut found, mut over) = (None, None);
        wait("a task in the middle of its cell", Duration::from_mins(10), || {
            let running = self.running(cells)?;
            found = running.into_iter().find(|(task, _)| {
                let has_state =
                    fs::read_dir(cell(*task).join("state")).is_ok_and(|mut states| states.next().is_some());
                !apart.contains(task) && has_state && cell(*task).join("lease.json").exists()
            });
            over = (0..TASKS).find(|task| !apart.contains(task) && cell(*task).join("result.json").exists());
            Ok(found.is_some() || over.is_some())
        })?;
        match (found, over) {
            (Some(found), _) => Ok(found),
            (None, Some(task)) => Err(TooShort { task }.into()),
            (None, None) => bail!("no task in the middle of its cell"),
        }
    }

    fn put_back(&self, cells: &str, task: usize, most: Duration) -> Result<()> {
        let job = format!("{cells}_{task}");
        let mut ended = false;
        wait(&format!("task {task} to be put back"), most, || {
            let (state, restarts) = self.cluster.state(&job)?;
            ended = state == "COMPLETED" && restarts == 0;
            Ok(ended || restarts > 0)
        })?;
        if ended {
            return Err(TooShort { task }.into());
        }
        Ok(())
    }

    /// A job of more importance takes a task's node.
    fn preempt(&self, cells: &str) -> Result<usize> {
        let (task, node) = self.in_the_middle(cells, &[])?;
        let place = format!("--nodelist={node}");
        self.cluster.call("sbatch", &["--partition=high", &place, "--output=/dev/null", "--wrap=sleep 5"])?;
        self.put_back(cells, task, Duration::from_mins(3))?;
        self.say(&format!("task {task} was preempted on {node} and put back by Slurm"));
        Ok(task)
    }

    /// A task's time limit comes nearer: Slurm, which looks every half minute, has time to tell it.
    fn limit(&self, cells: &str, apart: &[usize]) -> Result<usize> {
        let (task, node) = self.in_the_middle(cells, apart)?;
        let job = format!("JobId={cells}_{task}");
        let elapsed = self.cluster.call("squeue", &["-h", "-j", &format!("{cells}_{task}"), "-o", "%M"])?;
        // `M:SS`; hours would be a mistake of this test.
        let minutes: u64 = elapsed.trim().split(':').next().unwrap_or("0").parse()?;
        self.cluster.call("scontrol", &["update", &job, &format!("TimeLimit={}", minutes + 2)])?;
        self.put_back(cells, task, Duration::from_mins(4))?;
        let log = fs::read_to_string(self.dir.join(format!("run/slurm/cells-{task}.log")))?;
        if !log.contains("interrupted; nothing is lost") {
            bail!("task {task} came to its time limit without being told: {log}");
        }
        self.say(&format!(
            "task {task} came to its time limit on {node}, kept its state and put itself back"
        ));
        self.cluster.call("scontrol", &["update", &job, "TimeLimit=UNLIMITED"])?;
        Ok(task)
    }

    fn kill_node(&mut self, cells: &str, apart: &[usize]) -> Result<()> {
        let (task, node) = self.in_the_middle(cells, apart)?;
        self.cluster.kill_node(&node)?;
        self.say(&format!("{node} was killed, with task {task} on it"));
        self.put_back(cells, task, Duration::from_mins(5))?;
        self.say(&format!("task {task} was put back by Slurm"));
        self.cluster.start_node(&node)
    }

    fn status(&self) -> Result<String> {
        Ok(succeeded(self.cldiff().args(["status", "run"]))?.trim_end().replace('\n', "\n          "))
    }

    /// How often cells went on from a state.
    fn resumed(&self) -> Result<usize> {
        let log = |task: usize| {
            fs::read_to_string(self.dir.join(format!("run/cells/replay-1-{task}/metrics.jsonl")))
        };
        let logs = (0..TASKS).map(log).collect::<std::io::Result<Vec<String>>>()?;
        Ok(logs.iter().map(|log| log.matches("\"event\":\"resumed\"").count()).sum())
    }

    fn show_logs(&self) {
        for name in ["run/slurm/prepare.log", "run/slurm/merge.log", "slurm/slurmctld.log", "slurm/n1.out"] {
            let Ok(text) = fs::read_to_string(self.dir.join(name)) else { continue };
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {name}\n{}", lines[lines.len().saturating_sub(25)..].join("\n"));
        }
    }
}

fn succeeded(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `results.json` as text without its costs.
fn without_cost(run: &Path) -> Result<String> {
    let path = run.join("results.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut results: Value = serde_json::from_str(&text)?;
    for cell in results["cells"].as_array_mut().context("cells")? {
        cell.as_object_mut().and_then(|cell| cell.remove("cost")).context("a cell's cost")?;
    }
    Ok(results.to_string())
}
