//! `cldiff submit`: hands a benchmark to a batch system, which keeps queues, places and retries.

mod scripts;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use cl_strategies::durable::write_whole;
use cldiff_engine::{Backend, Workload};
use data_streams::Stream;

use self::scripts::{Job, Scripts};
use crate::{
    args::SlurmArgs,
    config::{Config, load},
    files::run_directory::SLURM,
    ui::{
        failure::Failure,
        panics,
        width::{say, tell},
    },
};

/// A task takes about so long at least: a batch system needs some seconds for each.
const SHORTEST_TASK: Duration = Duration::from_mins(10);
/// Slurm takes no larger array unless it is told to.
const MOST_TASKS: usize = 1000;

/// Writes the scripts, and submits them.
///
/// # Errors
/// [`Failure::Mistake`] for a configuration or data that cannot work, a directory that cannot be written, and a machine
/// without `sbatch`; [`Failure::Other`] if `sbatch` refuses a job.
pub fn slurm(args: SlurmArgs) -> Result<(), Failure> {
    let setting = args.setting.clone().into();
    let mut loaded = load(&setting)?;
    let data_dir = args.setting.changes.data_dir.as_deref();
    let stream = loaded.stream(data_dir).map_err(|error| loaded.data_mistake(&error))?;
    loaded.resolve(&stream)?;
    for (option, value) in [("--cells-per-task", args.cells_per_task), ("--at-once", args.at_once)] {
        if value == Some(0) {
            return Err(Failure::mistake(format!("{option} 0: expected at least 1")));
        }
    }
    let config = &loaded.config;
    let cells = config.cells().len();
    let per_task = args.cells_per_task.unwrap_or_else(|| by_time(&args, config, &stream));
    let out = absolute(&args.out)?;
    let scripts = Scripts {
        program: std::env::current_exe().context("the program's own path")?,
        name: config.name.clone(),
        data_dir: data_dir.map(absolute).transpose()?,
        backend: args.backend.name(),
        per_task,
        tasks: cells.div_ceil(per_task),
        at_once: args.at_once,
        gpus: args.gpus,
        options: args.sbatch,
        out,
    };
    if args.dry_run {
        for job in Job::ALL {
            println!("# {}\n{}", scripts.place(job).display(), scripts.text(job));
        }
        return Ok(());
    }
    let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
    write(&scripts, &text)
        .map_err(|error| Failure::mistake(format!("--out {}: {error}", args.out.display())))?;
    submit(&scripts)?;
    say(&format!(
        "{cells} cells in {} tasks; cldiff status {} shows how far they are",
        scripts.tasks,
        args.out.display()
    ));
    Ok(())
}

/// Cells of a task that takes [`SHORTEST_TASK`], by the speed of this machine, where it computes on the CPU as the nodes
/// do; more where the array would be too large.
fn by_time(args: &SlurmArgs, config: &Config, stream: &Stream) -> usize {
    let cells = config.cells();
    let least = cells.len().div_ceil(MOST_TASKS);
    let is_gpu = args.gpus > 0 || Backend::named(args.backend.name()).is_some_and(|backend| backend.is_gpu);
    let measured = || {
        let engine = cldiff_engine::open(args.backend.name(), 0).ok()?;
        let pass = panics::catch(|| engine.time_of_a_pass(&cells[0], stream)).ok()?.ok()??;
        let longest = cells.iter().map(|cell| Workload::of(cell, stream).0).max()?;
        Some(longest as f64 * pass.as_secs_f64())
    };
    let seconds = if is_gpu { None } else { measured() };
    in_a_task(seconds, cells.len()).max(least)
}

/// Cells of `seconds` that take as long together as a task should, at most all of them.
fn in_a_task(seconds: Option<f64>, cells: usize) -> usize {
    let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) else { return 1 };
    let fitting = (SHORTEST_TASK.as_secs_f64() / seconds).floor();
    // A conversion to integers saturates.
    (fitting as usize).clamp(1, cells.max(1))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::mistake(format!("{}: {error}", path.display())))
}

fn write(scripts: &Scripts, config: &str) -> std::io::Result<()> {
    let dir = scripts.out.join(SLURM);
    fs::create_dir_all(&dir)?;
    write_whole(&scripts.config(), config.as_bytes())?;
    Job::ALL.into_iter().try_for_each(|job| write_whole(&scripts.place(job), scripts.text(job).as_bytes()))
}

/// Each job waits for the one before.
fn submit(scripts: &Scripts) -> Result<(), Failure> {
    let mut before: Option<String> = None;
    for job in Job::ALL {
        let mut sbatch = Command::new("sbatch");
        sbatch.arg("--parsable");
        if let Some(before) = &before {
            sbatch.arg(format!("--dependency={}:{before}", job.waits_by())).arg("--kill-on-invalid-dep=yes");
        }
        let place = scripts.place(job);
        let output = sbatch.arg(&place).output().map_err(|error| {
            let written = place.parent().unwrap_or(&place).display();
            Failure::mistake(format!("sbatch cannot be called: {error}; the scripts are in {written}"))
        })?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let told = anyhow::anyhow!("sbatch {}: {}", place.display(), said.trim());
            return Err(Failure::Other(told));
        }
        if !said.trim().is_empty() {
            tell(said.trim());
        }
        // `JOB` or `JOB;CLUSTER`.
        let id = String::from_utf8_lossy(&output.stdout);
        let id = id.trim().split(';').next().unwrap_or_default().to_owned();
        say(&format!("{job}: job {id}"));
        before = Some(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cells_share_a_task_and_large_ones_do_not() {
        assert_eq!(in_a_task(None, 8), 1);
        assert_eq!(in_a_task(Some(60.0), 100), 10);
        assert_eq!(in_a_task(Some(60.0), 4), 4);
        assert_eq!(in_a_task(Some(3000.0), 4), 1);
        assert_eq!(in_a_task(Some(0.0), 4), 1);
        assert_eq!(in_a_task(Some(1e-300), 7), 7);
    }
}
