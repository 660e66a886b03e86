//! The scripts of the three jobs: prepare, an array of the cells, merge.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::files::run_directory::SLURM;

/// A script that requeued itself so often makes no way.
const MOST_RESTARTS: usize = 1000;

/// A job of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Prepare,
    Cells,
    Merge,
}

impl Job {
    /// In the order in which they follow each other.
    pub const ALL: [Self; 3] = [Self::Prepare, Self::Cells, Self::Merge];

    /// On what end of the job before it begins: results and report are made of whatever cells are there.
    pub fn waits_by(self) -> &'static str {
        if self == Self::Merge { "afterany" } else { "afterok" }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Cells => "cells",
            Self::Merge => "merge",
        })
    }
}

/// All that the scripts are made from. Paths are absolute.
#[derive(Debug)]
pub struct Scripts {
    pub program: PathBuf,
    pub name: String,
    pub out: PathBuf,
    pub data_dir: Option<PathBuf>,
    pub backend: &'static str,
    pub per_task: usize,
    pub tasks: usize,
    pub at_once: Option<usize>,
    pub gpus: usize,
    /// The user's options of sbatch.
    pub options: Vec<String>,
}

impl Scripts {
    /// Where the script of a job is.
    pub fn place(&self, job: Job) -> PathBuf {
        self.out.join(SLURM).join(format!("{job}.sbatch"))
    }

    /// Where the configuration is, with everything filled in.
    pub fn config(&self) -> PathBuf {
        self.out.join(SLURM).join("config.toml")
    }

    /// The script of a job.
    pub fn text(&self, job: Job) -> String {
        let head = self.head(job);
        let body = match job {
            Job::Prepare => format!("exec {}", self.prepare()),
            Job::Cells => self.cells(),
            Job::Merge => format!("exec {} merge {}", quoted(&self.program), quoted(&self.out)),
        };
        format!("#!/bin/bash\n{head}\n{body}\n")
    }

    fn head(&self, job: Job) -> String {
        let log = if job == Job::Cells { "cells-%a.log".to_owned() } else { format!("{job}.log") };
        let log = self.out.join(SLURM).join(log);
        let mut lines = vec![
            format!("--job-name={job}-{}", plain(&self.name)),
            format!("--output={}", quoted(&log)),
            "--open-mode=append".into(),
            "--requeue".into(),
        ];
        if job == Job::Cells {
            let at_once = self.at_once.map_or_else(String::new, |n| format!("%{n}"));
            lines.push(format!("--array=0-{}{at_once}", self.tasks.saturating_sub(1)));
            lines.push("--signal=B:TERM@120".into());
        }
        if job != Job::Merge && self.gpus > 0 {
            lines.push(format!("--gres=gpu:{}", self.gpus));
        }
        // The user's options come last: of two, the last one counts.
        lines.extend(options(&self.options));
        lines.iter().map(|line| format!("#SBATCH {line}\n")).collect()
    }

    fn prepare(&self) -> String {
        let data =
            self.data_dir.as_ref().map_or_else(String::new, |dir| format!(" --data-dir {}", quoted(dir)));
        let (program, config, out) = (quoted(&self.program), quoted(&self.config()), quoted(&self.out));
        format!(
            "{program} prepare {config} --out {out} --backend {}{data} --quiet",
            self.backend.replace('_', "-")
        )
    }

    fn cells(&self) -> String {
        let (program, out) = (quoted(&self.program), quoted(&self.out));
        let data =
            self.data_dir.as_ref().map_or_else(String::new, |dir| format!(" --data-dir {}", quoted(dir)));
        let devices: Vec<String> = (0..self.gpus).map(|gpu| gpu.to_string()).collect();
        let devices =
            if devices.len() > 1 { format!(" --devices {}", devices.join(",")) } else { String::new() };
        let run = format!(
            "{program} run --out {out} --cell auto --cells-per-task {}{data}{devices} --quiet",
            self.per_task
        );
        format!(
            "# Slurm tells this shell alone (B:) that the time limit is near, or that another job takes its place. The program\n\
             # beside it is told, keeps its state and ends with 130. To Slurm that is a failure, unless the task is put back.\n\
             exec_program() {{ exec {run}; }}\n\
             trap 'kill -TERM \"$program\" 2>/dev/null' TERM USR1 INT\n\
             exec_program &\n\
             program=$!\n\
             wait \"$program\"; status=$?\n\
             # A signal ends the wait, not the program.\n\
             while kill -0 \"$program\" 2>/dev/null; do wait \"$program\"; status=$?; done\n\
             task=\"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"\n\
             # A task that was cancelled is not running any more, and stays away.\n\
             if [ \"$status\" -eq 130 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {MOST_RESTARTS} ] &&\n  \
             [ \"$(squeue --noheader --jobs=\"$task\" --format=%T)\" = RUNNING ]; then\n  \
             scontrol requeue \"$task\"\n\
             fi\n\
             exit \"$status\""
        )
    }
}

/// Options as lines: what does not begin with a dash belongs to the option before.
fn options(words: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let word_quoted =
            if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word.clone() };
        match lines.last_mut().filter(|_| !word.starts_with('-')) {
            Some(line) => *line += &format!(" {word_quoted}"),
            None => lines.push(word_quoted),
        }
    }
    lines
}

/// A name of letters, digits, `-`, `_` and `.`.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// A path as a shell reads it, and Slurm.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./%+=:@".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts() -> Scripts {
        Scripts {
            program: "/opt/cldiff".into(),
            name: "my run".into(),
            out: "/shared/my runs/a".into(),
            data_dir: Some("/shared/data".into()),
            backend: "cuda",
            per_task: 2,
            tasks: 4,
            at_once: Some(3),
            gpus: 1,
            options: ["--partition=gpu", "-A", "lab", "--comment", "two words"].map(str::to_owned).to_vec(),
        }
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn the_array_is_told_in_time_and_puts_itself_back() {
        let text = scripts().text(Job::Cells);
        let all = lines(&text);
        for line in [
            "#!/bin/bash",
            "#SBATCH --job-name=cells-my-run",
            "#SBATCH --output='/shared/my runs/a/slurm/cells-%a.log'",
            "#SBATCH --requeue",
            "#SBATCH --array=0-3%3",
            "#SBATCH --signal=B:TERM@120",
            "#SBATCH --gres=gpu:1",
            "#SBATCH --partition=gpu",
            "#SBATCH -A lab",
            "#SBATCH --comment \"two words\"",
            "exec_program() { exec /opt/cldiff run --out '/shared/my runs/a' --cell auto --cells-per-task 2 \
             --data-dir /shared/data --quiet; }",
            "  scontrol requeue \"$task\"",
            "exit \"$status\"",
        ] {
            assert!(all.contains(&line), "{line} is not in\n{text}");
        }
        // Slurm reads no option behind the first command.
        let first = all.iter().position(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
        assert!(all[first..].iter().all(|line| !line.starts_with("#SBATCH")));
        assert!(Scripts { gpus: 2, ..scripts() }.text(Job::Cells).contains(" --devices 0,1 "));
        assert!(Scripts { at_once: None, gpus: 0, ..scripts() }.text(Job::Cells).contains("--array=0-3\n"));
    }

    #[test]
    fn prepare_and_merge_are_the_program_itself() {
        let prepare = scripts().text(Job::Prepare);
        assert_eq!(
            lines(&prepare).last().copied(),
            Some(
                "exec /opt/cldiff prepare '/shared/my runs/a/slurm/config.toml' --out '/shared/my runs/a' \
                 --backend cuda --data-dir /shared/data --quiet"
            )
        );
        let merge = scripts().text(Job::Merge);
        assert_eq!(lines(&merge).last().copied(), Some("exec /opt/cldiff merge '/shared/my runs/a'"));
        assert!(!merge.contains("--gres") && !merge.contains("--array"), "{merge}");
        assert_eq!(Job::ALL.map(Job::waits_by), ["afterok", "afterok", "afterany"]);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("/a/b-1.x")), "/a/b-1.x");
        assert_eq!(quoted(Path::new("/it's $HOME")), "'/it'\\''s $HOME'");
    }
}
