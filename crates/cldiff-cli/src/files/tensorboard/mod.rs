//! Event files for TensorBoard: what `metrics.jsonl` has of a cell, and its sample grids.
//!
//! Each session of a cell writes a file of its own beside `metrics.jsonl`. TensorBoard reads the files of a directory in
//! the order of their names as one run. The first events of a file are the version and the start of a session, at which
//! TensorBoard forgets what earlier sessions wrote from that step on. Event files hold the time of day: they are no
//! results, and differ between two runs.

mod message;
mod record;

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use cl_strategies::durable::{append, named};
use image::RgbaImage;

use self::message::{Content, Picture, event};
use super::grid;

/// How the names of event files begin, for TensorBoard to find them.
const PREFIX: &str = "events.out.tfevents.";

/// An event file, open at its end.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    /// A part of an event was written: a reader can make nothing of what would follow.
    torn: bool,
}

impl EventFile {
    /// Makes the next event file of a directory, whose session goes on from `step`.
    ///
    /// # Errors
    /// If the file cannot be made or written, with its name.
    pub fn start(dir: &Path, step: usize) -> io::Result<Self> {
        fs::create_dir_all(dir).map_err(named(dir))?;
        let path = dir.join(next_name(dir, seconds() as u64)?);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(named(&path))?;
        let mut events = Self { path, file, torn: false };
        events.add(0, Content::Version)?;
        events.add(step, Content::Start)?;
        Ok(events)
    }

    /// Adds numbers by their tags.
    ///
    /// # Errors
    /// If they cannot be written; later events of this file are then left out.
    pub fn scalars(&mut self, step: usize, values: &[(String, f64)]) -> io::Result<()> {
        self.add(step, Content::Scalars(values))
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// As [`scalars`](Self::scalars).
    pub fn picture(&mut self, step: usize, tag: &str, picture: &RgbaImage) -> io::Result<()> {
        let png = grid::png(picture)?;
        let picture = Picture { height: picture.height(), width: picture.width(), png };
        self.add(step, Content::Picture(tag, &picture))
    }

    fn add(&mut self, step: usize, content: Content) -> io::Result<()> {
        if self.torn {
            return Ok(());
        }
        let written = append(&mut self.file, &self.path, &record::framed(&event(seconds(), step, content)));
        self.torn = written.is_err();
        written.map_err(named(&self.path))
    }
}

/// Seconds since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The name of the next event file, which comes after those of the event files that are there: the time, never before
/// that of the last, and the number of the file.
fn next_name(dir: &Path, now: u64) -> io::Result<String> {
    let (mut count, mut latest) = (0, now);
    for entry in fs::read_dir(dir).map_err(named(dir))? {
        let name = entry.map_err(named(dir))?.file_name();
        if let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) {
            let time = rest.split('.').next().and_then(|time| time.parse().ok());
            (count, latest) = (count + 1, latest.max(time.unwrap_or(0)));
        }
    }
    Ok(format!("{PREFIX}{latest:010}.cldiff.{count:04}"))
}

#[cfg(test)]
mod tests;
