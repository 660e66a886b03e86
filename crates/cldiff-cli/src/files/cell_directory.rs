//! The directory of a cell: what it leaves behind, and how far it came.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use cl_strategies::{
    Checkpoints,
    durable::{read, read_to_string, remove, rename_directory, sha256, write_whole},
};
use cldiff_engine::{EngineError, SaveModel};
use serde::{Deserialize, Serialize};

pub use super::events::EventLog;
use super::{
    events::last_event,
    lease::{self, Lease},
    parts::{self, Writers},
};
use crate::results::CellResult;

/// The schema of `status.json`.
const SCHEMA: u32 = 1;
const STATUS: &str = "status.json";
const RESULT: &str = "result.json";

/// Where a cell's files are.
#[derive(Debug, Clone)]
pub struct CellDirectory {
    root: PathBuf,
}

/// `status.json`, the last file of a cell that is written.
#[derive(Debug, Serialize, Deserialize)]
struct StatusFile {
    schema: u32,
    #[serde(flatten)]
    status: Status,
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Status {
    Finished { result_sha256: String },
    Failed { reason: String },
}

/// The process that has a cell.
#[derive(Debug)]
pub struct Owner {
    /// Its lease.
    pub lease: Lease,
    /// The time since its last sign of life, by this machine's clock.
    pub heard: Duration,
    lives: Option<bool>,
}

impl Owner {
    /// Whether it is known to live, or was heard of lately.
    pub fn lives(&self) -> bool {
        self.lives.unwrap_or(self.heard < self.lease.silence())
    }
}

impl CellDirectory {
    /// That of a cell in the directory of a run.
    pub fn of(run: &Path, label: &str, seed: u64) -> Self {
        Self { root: run.join("cells").join(format!("{label}-{seed}")) }
    }

    /// The states to go on from.
    pub fn states(&self, keep: usize) -> Checkpoints {
        Checkpoints::new(self.states_place(), keep)
    }

    /// Where they are.
    pub fn states_place(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Removes the parts of files that killed processes were writing here. The cell must be this process's.
    pub fn tidy(&self) {
        for dir in [&self.root, &self.root.join("samples")] {
            parts::remove(&self.root, dir, Writers::Owner);
        }
    }

    /// The log of events, at its end.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn open_log(&self) -> io::Result<EventLog> {
        fs::create_dir_all(self.root.join("samples"))?;
        EventLog::open(&self.root.join("metrics.jsonl"))
    }

    /// The picture of the samples after task `k` (from 0).
    pub fn picture(&self, k: usize) -> PathBuf {
        self.root.join("samples").join(format!("{}.png", after(k)))
    }

    /// Keeps the model after task `k`, all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save_model(&self, k: usize, save: &SaveModel<'_>) -> Result<(), EngineError> {
        let models = self.root.join("checkpoints");
        let unfinished = models.join(format!("unfinished-{}", after(k)));
        remove(&unfinished)?;
        fs::create_dir_all(&unfinished)?;
        save(&unfinished)?;
        Ok(rename_directory(&unfinished, &models.join(after(k)))?)
    }

    /// The result, if the cell is finished and the result is as it was written.
    pub fn finished(&self) -> Option<CellResult> {
        let Status::Finished { result_sha256 } = self.status()? else { return None };
        let path = self.root.join(RESULT);
        let bytes = read(&path).ok().filter(|bytes| sha256(bytes) == result_sha256);
        let result = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if result.is_none() {
            tracing::warn!("{}: it is not as it was written; the cell is made again", path.display());
        }
        result
    }

    fn status(&self) -> Option<Status> {
        let text = read_to_string(&self.root.join(STATUS)).ok()?;
        serde_json::from_str::<StatusFile>(&text)
            .ok()
            .filter(|file| file.schema == SCHEMA)
            .map(|file| file.status)
    }

    /// Whether there is a result, as it was written or not.
    pub fn has_result(&self) -> bool {
        self.root.join(RESULT).exists()
    }

    /// Why the cell failed, if that is how it ended last.
    pub fn failed(&self) -> Option<String> {
        if let Status::Failed { reason } = self.status()? { Some(reason) } else { None }
    }

    /// When the cell failed, if that is how it ended last.
    pub fn failed_at(&self) -> Option<SystemTime> {
        self.failed()?;
        fs::metadata(self.root.join(STATUS)).ok()?.modified().ok()
    }

    /// How far a cell is that has neither a result nor failed, of so many tasks, in a line.
    pub fn told(&self, label: &str, seed: u64, tasks: usize) -> String {
        let Some(progress) = self.progress(tasks) else { return format!("{label} (seed {seed}): not begun") };
        let word = if self.owner().is_some_and(|owner| owner.lives()) { "under way" } else { "interrupted" };
        format!("{label} (seed {seed}): {word}, {progress}")
    }

    /// The process that makes the cell, or that died over it.
    pub fn owner(&self) -> Option<Owner> {
        let lease = Lease::read(&self.root)?;
        let heard = lease::age(&self.root)?;
        Some(Owner { lives: lease.owner_lives(), lease, heard })
    }

    /// How far the cell has come that is neither finished nor failed, of so many tasks; none if it has not begun.
    pub fn progress(&self, tasks: usize) -> Option<String> {
        let path = self.root.join("metrics.jsonl");
        let written = fs::metadata(&path).ok()?.modified().ok();
        let at = last_event(&path).map_or_else(|| "at its beginning".to_owned(), |event| event.told(tasks));
        let since = written
            .and_then(|written| written.elapsed().ok())
            .map(|since| Duration::from_secs(since.as_secs()));
        let since = since.map_or_else(String::new, |since| {
            format!("; last written {} ago", humantime::format_duration(since))
        });
        Some(format!("{at}{since}"))
    }

    /// Notes the result; states are no longer needed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(&self, result: &CellResult) -> io::Result<()> {
        let text = serde_json::to_string_pretty(result)? + "\n";
        write_whole(&self.root.join(RESULT), text.as_bytes())?;
        self.end(Status::Finished { result_sha256: sha256(text.as_bytes()) })
    }

    /// Notes that the cell failed; it can be tried again from its last state.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn fail(&self, reason: &str) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        self.end(Status::Failed { reason: reason.to_owned() })
    }

    fn end(&self, status: Status) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&StatusFile { schema: SCHEMA, status })? + "\n";
        write_whole(&self.root.join(STATUS), text.as_bytes())
    }
}

fn after(k: usize) -> String {
    format!("after-task-{}", k + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::results::Results;

    /// A result with every key that there is.
    fn example() -> CellResult {
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        Results::parse(text, Path::new("results.json")).unwrap().cells.remove(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// `result.json` and `status.json` are read back whatever came out, and why a cell failed in any words.
        #[test]
        fn an_end_is_read_back(
            number in prop_oneof![
                any::<f64>(),
                prop::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]),
            ],
            count in any::<usize>(),
            seed in any::<u64>(),
            words in any::<String>(),
        ) {
            let run = tempfile::tempdir().unwrap();
            let cell = CellDirectory::of(run.path(), "finetune", 3);
            cell.fail(&words).unwrap();
            prop_assert_eq!(cell.failed(), Some(words.clone()));
            prop_assert!(cell.finished().is_none());

            let mut result = example();
            result.seed = seed;
            result.ema_weight_of_past = vec![number; 2];
            result.timestep.log_snr = vec![number];
            result.timestep.edges = vec![count];
            result.summary.insert("fid.final_average".into(), Some(number));
            result.summary_missing.insert("fid.final_average".into(), words);
            cell.finish(&result).unwrap();
            let read = cell.finished().unwrap();
            prop_assert_eq!(cell.failed(), None);
            // Not the values themselves: a number that is not finite equals none.
            let json = |result: &CellResult| serde_json::to_value(result).unwrap();
            prop_assert_eq!(json(&read), json(&result));
            prop_assert_eq!(read.timestep.log_snr[0].is_finite(), number.is_finite());
        }
    }

    #[test]
    fn a_result_that_was_changed_is_none() {
        let run = tempfile::tempdir().unwrap();
        let cell = CellDirectory::of(run.path(), "finetune", 3);
        cell.fail("first").unwrap();
        cell.finish(&example()).unwrap();
        let path = cell.root.join(RESULT);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen('1', "2", 1)).unwrap();
        assert!(cell.finished().is_none());
        fs::write(&path, text).unwrap();
        assert!(cell.finished().is_some());
    }
}
