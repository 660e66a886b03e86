//! Processes that may be given a limited time.

use std::{
    fmt, fs,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// The time that a chore may take was up before a process of it ended.
#[derive(Debug)]
pub(crate) struct OutOfTime;

impl fmt::Display for OutOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped: the time was up")
    }
}

impl std::error::Error for OutOfTime {}

/// Runs a command to its end, or to the deadline.
///
/// # Errors
/// If it cannot be run; [`OutOfTime`] if it had to be stopped, or was not begun.
pub(crate) fn output(command: &mut Command, deadline: Option<Instant>) -> Result<Output> {
    let Some(deadline) = deadline else {
        return command.output().with_context(|| format!("cannot run {command:?}"));
    };
    if deadline < Instant::now() {
        return Err(OutOfTime.into());
    }
    // Files rather than pipes: nobody reads while the process runs, and a full pipe would stop it.
    let scratch = tempfile::tempdir().context("a scratch directory")?;
    let (stdout, stderr) = (scratch.path().join("stdout"), scratch.path().join("stderr"));
    command.stdin(Stdio::null()).stdout(fs::File::create(&stdout)?).stderr(fs::File::create(&stderr)?);
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(OutOfTime.into());
        }
        thread::sleep(Duration::from_millis(20));
    };
    Ok(Output { status, stdout: fs::read(stdout)?, stderr: fs::read(stderr)? })
}

/// The end of what a process said before it failed.
pub(crate) fn last_words(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_or_is_stopped() {
        let soon = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        let shell = |line: &str, deadline| output(Command::new("sh").args(["-c", line]), deadline);
        let done = shell("echo out; echo err >&2; exit 3", soon(60)).unwrap();
        assert_eq!(
            (done.status.code(), &done.stdout[..], &done.stderr[..]),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
        assert_eq!(last_words(&done), "out\nerr");
        assert!(shell("sleep 600", soon(0)).unwrap_err().is::<OutOfTime>());
        assert!(output(&mut Command::new("/no/such/program"), soon(60)).is_err());
    }
}
