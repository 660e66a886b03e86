//! Slurm on this machine: munged, slurmctld and two slurmd, each a node of one core, with all of their files in a scratch
//! directory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The nodes and their ports.
pub(super) const NODES: [(&str, u16); 2] = [("n1", 17_001), ("n2", 17_002)];
const CONTROL_PORT: u16 = 16_817;

/// Why there is no Slurm here.
#[derive(Debug)]
pub(super) struct NotHere(pub String);

/// Finds Slurm, or installs Debian's packages.
///
/// # Errors
/// [`NotHere`] where that cannot be done.
pub(super) fn install() -> Result<(), NotHere> {
    let found = || ["munged", "slurmctld", "slurmd", "sbatch"].into_iter().all(is_program);
    let is_root = output("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        return Err(NotHere("slurmd wants root".into()));
    }
    if !found() {
        if !is_program("apt-get") {
            return Err(NotHere("neither Slurm nor apt-get is here".into()));
        }
        let install = "apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge";
        // The installation gets two minutes; after that the test is skipped.
        let installed = Command::new("timeout")
            .args(["120", "sh", "-c", install])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !installed.is_ok_and(|status| status.success()) || !found() {
            return Err(NotHere("slurm-wlm and munge cannot be installed".into()));
        }
    }
    // Even with proctrack/linuxproc.
    if !Path::new("/sys/fs/cgroup").exists() {
        return Err(NotHere("slurmd wants /sys/fs/cgroup".into()));
    }
    Ok(())
}

fn is_program(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&paths).chain(usual).any(|dir| dir.join(name).is_file())
}

/// The output of a program.
pub(super) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A cluster, which ends with this.
#[derive(Debug)]
pub(super) struct Cluster {
    dir: PathBuf,
    daemons: Vec<(String, Child)>,
}

impl Cluster {
    /// Starts all daemons, and waits until both nodes are idle.
    pub(super) fn start(dir: &Path) -> Result<Self> {
        let mut cluster = Self { dir: dir.to_owned(), daemons: Vec::new() };
        fs::create_dir_all(dir.join("state"))?;
        fs::write(dir.join("munge.key"), [0x5a; 128])?;
        Command::new("chmod").arg("400").arg(dir.join("munge.key")).status()?;
        fs::write(dir.join("slurm.conf"), cluster.configuration()?)?;
        let at = |name: &str| dir.join(name).display().to_string();
        let options = [
            "--foreground".to_owned(),
            "--force".to_owned(),
            format!("--socket={}", at("munge.socket")),
            format!("--key-file={}", at("munge.key")),
            format!("--pid-file={}", at("munged.pid")),
            format!("--log-file={}", at("munged.log")),
            format!("--seed-file={}", at("munged.seed")),
        ];
        cluster.daemon("munged", "munged", &options)?;
        wait("munged", Duration::from_secs(30), || Ok(dir.join("munge.socket").exists()))?;
        cluster.daemon("slurmctld", "slurmctld", &["-D".to_owned()])?;
        for (node, _) in NODES {
            cluster.start_node(node)?;
        }
        wait("the nodes", Duration::from_mins(2), || {
            Ok(cluster
                .call("sinfo", &["-h", "-N", "-p", "low", "-o", "%T"])?
                .lines()
                .all(|state| state == "idle"))
        })?;
        Ok(cluster)
    }

    fn configuration(&self) -> Result<String> {
        let (host, dir) = (output("hostname", &[])?, self.dir.display());
        let host = host.trim();
        let nodes: Vec<String> = NODES
            .iter()
            .map(|(node, port)| {
                format!("NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1")
            })
            .collect();
        Ok(format!(
            "ClusterName=cldiff\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\n\
             # A requeued job waits as long as a credential lives: two minutes unless this says otherwise.\n\
             AuthInfo=socket={dir}/munge.socket,cred_expire=10\n\
             SlurmctldPort={CONTROL_PORT}\nStateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool-%n\n\
             SlurmctldPidFile={dir}/slurmctld.pid\nSlurmdPidFile={dir}/slurmd-%n.pid\n\
             SlurmctldLogFile={dir}/slurmctld.log\nSlurmdLogFile={dir}/slurmd-%n.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\n\
             MailProg=/bin/true\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
             SchedulerType=sched/backfill\nPreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n\
             SlurmdParameters=config_overrides\nReturnToService=2\nSlurmdTimeout=20\nKillWait=30\nMinJobAge=3600\n\
             {}\n\
             PartitionName=low Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE GraceTime=20\n\
             PartitionName=high Nodes=ALL PriorityTier=10 MaxTime=INFINITE PreemptMode=off\n",
            nodes.join("\n")
        ))
    }

    fn daemon(&mut self, name: &str, program: &str, arguments: &[String]) -> Result<()> {
        let log = fs::File::create(self.dir.join(format!("{name}.out")))?;
        let child = self
            .command(program)
            .args(arguments)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        self.daemons.push((name.to_owned(), child));
        Ok(())
    }

    /// A node comes up, for the first time or again.
    pub(super) fn start_node(&mut self, node: &str) -> Result<()> {
        self.daemons.retain(|(name, _)| name != node);
        self.daemon(node, "slurmd", &["-D".to_owned(), "-N".to_owned(), node.to_owned()])
    }

    /// A node dies with all that runs on it.
    pub(super) fn kill_node(&mut self, node: &str) -> Result<()> {
        if let Some((_, daemon)) = self.daemons.iter_mut().find(|(name, _)| name == node) {
            daemon.kill()?;
            daemon.wait()?;
        }
        // Jobs have their node in the environment. The process that started them would tell of their end, and dies first.
        let jobs = processes_with(&format!("SLURMD_NODENAME={node}"))?;
        let steps =
            jobs.iter().filter_map(|job| parent(*job)).filter(|parent| is_called(*parent, "slurmstepd"));
        for process in steps.collect::<Vec<_>>().into_iter().chain(jobs) {
            Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status()?;
        }
        Ok(())
    }

    /// A program that talks to this cluster.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("SLURM_CONF", self.dir.join("slurm.conf"))
            .env("PATH", format!("{path}:/usr/sbin:/usr/bin"));
        command
    }

    /// The output of a command of Slurm.
    pub(super) fn call(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(program).args(arguments).output()?;
        if !output.status.success() {
            bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The state of a job and how often it was put back.
    pub(super) fn state(&self, job: &str) -> Result<(String, u32)> {
        let shown = self.call("scontrol", &["show", "job", job, "--oneliner"])?;
        let value = |key: &str| {
            let word = shown.split_whitespace().find_map(|word| word.strip_prefix(key));
            word.map(str::to_owned).with_context(|| format!("{job}: no {key} in {shown}"))
        };
        Ok((value("JobState=")?, value("Restarts=")?.parse()?))
    }
}

/// Processes with an entry in their environment.
fn processes_with(entry: &str) -> Result<Vec<u32>> {
    let has = |process: &u32| {
        fs::read(format!("/proc/{process}/environ"))
            .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|word| word == entry.as_bytes()))
    };
    let all = fs::read_dir("/proc")?.flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter(has).collect())
}

fn status_line(process: u32, key: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

fn parent(process: u32) -> Option<u32> {
    status_line(process, "PPid:")?.parse().ok()
}

fn is_called(process: u32, name: &str) -> bool {
    status_line(process, "Name:").is_some_and(|found| found.starts_with(name))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.call("scancel", &["--user=root"]);
        for (node, _) in NODES {
            let _ = self.kill_node(node);
        }
        for (_, daemon) in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Looks every half second until something is so.
pub(super) fn wait(what: &str, most: Duration, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    let mut last = None;
    while begin.elapsed() < most {
        match so() {
            Ok(true) => return Ok(()),
            Ok(false) => last = None,
            Err(error) => last = Some(error),
        }
        thread::sleep(Duration::from_millis(500));
    }
    match last {
        Some(error) => Err(error.context(format!("waited for {what}"))),
        None => bail!("waited {} s for {what}", most.as_secs()),
    }
}
