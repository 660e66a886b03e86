//! `metrics.jsonl`: what happens in a cell as it happens, a JSON object a line. It only ever grows, over all sessions.
//!
//! The first line of a session is `begun`, with the schema, or `resumed`, with the experience and its steps that are
//! done: what an earlier session did beyond that point was done again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use cl_strategies::durable::named;
use serde_json::{Value, json};

/// The schema of the lines.
const SCHEMA: u32 = 1;

/// How far back the end of the last whole line is looked for: lines are far shorter.
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
        let from = length.saturating_sub(LONGEST_LINE);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        Read::by_ref(&mut file).take(LONGEST_LINE).read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last as u64 + 1);
        if from + whole < length {
            file.set_len(from + whole)?;
        }
        Ok(file)
    }

    /// Notes that the cell begins.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn begun(&mut self) -> io::Result<()> {
        self.add(&json!({"event": "begun", "schema": SCHEMA}))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written; the next one begins a line of its own.
    pub fn add(&mut self, event: &Value) -> io::Result<()> {
        let line = format!("{}{event}\n", if self.torn { "\n" } else { "" });
        let written = self.file.write_all(line.as_bytes());
        self.torn = written.is_err();
        written.map_err(named(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
}
