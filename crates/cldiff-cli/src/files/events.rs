//! `metrics.jsonl`: what happens in a cell as it happens, a JSON object a line. It only ever grows, over all sessions.
//!
//! The first line of a session is `begun`, with the schema, or `resumed`, with the experience and its steps that are
//! done: what an earlier session did beyond that point was done again. Both have the host and the number of the process.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use cl_strategies::durable::{append, named};
use serde_json::{Value, json};

use super::machine;

/// The schema of the lines.
const SCHEMA: u32 = 1;

/// Bytes that are read at a time to find the end of the last whole line: most lines are far shorter.
const STEP: u64 = 1 << 16;

/// How far back the last event is looked for. A line that is longer is passed over.
const LONGEST_LINE: u64 = 1 << 20;

/// The file, open at its end.
#[derive(Debug)]
pub struct EventLog {
    path: PathBuf,
    file: File,
    /// A part of a line was written, and no more.
    torn: bool,
}

impl EventLog {
    /// Opens or makes it; half a line at its end, which a killed process left, is cut off.
    ///
    /// # Errors
    /// If the file cannot be read or written, with its name.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = Self::repaired(path).map_err(named(path))?;
        Ok(Self { path: path.to_owned(), file, torn: false })
    }

    fn repaired(path: &Path) -> io::Result<File> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        let (mut end, mut piece) = (length, Vec::new());
        let whole = loop {
            let from = end.saturating_sub(STEP);
            piece.clear();
            file.seek(SeekFrom::Start(from))?;
            Read::by_ref(&mut file).take(end - from).read_to_end(&mut piece)?;
            match piece.iter().rposition(|byte| *byte == b'\n') {
                Some(last) => break from + last as u64 + 1,
                None if from == 0 => break 0,
                None => end = from,
            }
        };
        if whole < length {
            file.set_len(whole)?;
        }
        Ok(file)
    }

    /// Notes that the cell begins.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn begun(&mut self) -> io::Result<()> {
        let (host, process) = (machine::host(), std::process::id());
        self.add(&json!({"event": "begun", "schema": SCHEMA, "host": host, "process": process}))
    }

    /// Notes that the cell goes on in a task, so many steps of which are done.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn resumed(&mut self, task: usize, steps: usize) -> io::Result<()> {
        let (host, process) = (machine::host(), std::process::id());
        self.add(&json!({"event": "resumed", "task": task, "step": steps, "host": host, "process": process}))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written; the next one begins a line of its own.
    pub fn add(&mut self, event: &Value) -> io::Result<()> {
        let line = format!("{}{event}\n", if self.torn { "\n" } else { "" });
        let written = append(&mut self.file, &self.path, line.as_bytes());
        self.torn = written.is_err();
        written.map_err(named(&self.path))
    }
}

/// A moment in a cell.
#[derive(Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// The task, from 0.
    task: Option<u64>,
    /// The step in it; none after the evaluation that follows its last step.
    step: Option<u64>,
}

impl LastEvent {
    /// In words, of so many tasks; 0 if the number is not known.
    pub fn told(&self, tasks: usize) -> String {
        let of = if tasks == 0 { String::new() } else { format!(" of {tasks}") };
        match (self.task, self.step) {
            (Some(task), Some(step)) => format!("task {}{of}, step {step}", task + 1),
            (Some(task), None) => format!("task {}{of} is measured", task + 1),
            (None, _) => "at its beginning".to_owned(),
        }
    }
}

/// The last event of a log whose line is whole.
pub fn last_event(path: &Path) -> Option<LastEvent> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE))).ok()?;
    file.take(LONGEST_LINE).read_to_end(&mut tail).ok()?;
    let lines = tail.split(|byte| *byte == b'\n').rev();
    let event = lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find(|line| line["event"].is_string())?;
    Some(LastEvent { task: event["task"].as_u64(), step: event["step"].as_u64() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_grows_and_a_torn_last_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        EventLog::open(&path).unwrap().begun().unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for torn in ["", "{\"event\": \"tr", "{"] {
            fs::write(&path, format!("{whole}{torn}")).unwrap();
            EventLog::open(&path).unwrap().add(&json!({"event": "resumed"})).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}{{\"event\":\"resumed\"}}\n"));
        }
        // Nothing but half a line.
        fs::write(&path, "{\"ev").unwrap();
        EventLog::open(&path).unwrap().begun().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }
    #[test]
    fn the_last_whole_line_says_how_far_a_cell_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        assert_eq!(last_event(&path), None);
        let mut log = EventLog::open(&path).unwrap();
        log.begun().unwrap();
        assert_eq!(last_event(&path).unwrap().told(2), "at its beginning");
        log.add(&json!({"event": "train", "task": 1, "step": 30, "loss": 0.5})).unwrap();
        assert_eq!(last_event(&path).unwrap().told(2), "task 2 of 2, step 30");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"event\": \"tr").unwrap();
        assert_eq!(last_event(&path).unwrap().told(0), "task 2, step 30");
        EventLog::open(&path).unwrap().add(&json!({"event": "evaluation", "task": 0})).unwrap();
        assert_eq!(last_event(&path).unwrap().told(5), "task 1 of 5 is measured");
    }

    /// However long the half line is, and where the pieces of it end in which the last whole line is looked for.
    #[test]
    fn a_torn_line_of_any_length_is_cut_off_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for length in [STEP - 4, STEP - 1, STEP, STEP + 1, 2 * STEP, 3 * STEP + 7] {
            let torn = "x".repeat(length as usize);
            for whole in ["", "{}\n", "{}\n[1]\n"] {
                fs::write(&path, format!("{whole}{torn}")).unwrap();
                EventLog::open(&path).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{length}");
            }
        }
    }

    proptest! {
        /// Every line is read as it was written, by any reader of JSON: numbers that are not finite are `null` in it.
        #[test]
        fn lines_are_read_back(
            losses in prop::collection::vec(any::<f64>(), 0..4),
            strange in prop::sample::select(&[0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]),
            count in any::<u64>(),
            text in any::<String>(),
            torn in any::<String>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("metrics.jsonl");
            let events = [
                json!({"event": "train", "loss": strange, "step": count}),
                json!({"event": "evaluation", "bpd": losses, "missing": [text]}),
            ];
            let mut log = EventLog::open(&path).unwrap();
            events.iter().for_each(|event| log.add(event).unwrap());
            let mut whole = fs::read(&path).unwrap();
            let torn = torn.replace('\n', " ");
            whole.extend(torn.as_bytes());
            fs::write(&path, whole).unwrap();
            EventLog::open(&path).unwrap().add(&events[0]).unwrap();
            let lines = fs::read_to_string(&path).unwrap();
            let read: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(&read, &[events[0].clone(), events[1].clone(), events[0].clone()]);
            prop_assert_eq!(read[0]["loss"].as_f64(), Some(strange).filter(|loss| loss.is_finite()));
        }
    }
}
