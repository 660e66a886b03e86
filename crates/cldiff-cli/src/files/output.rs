//! Where results go, checked before anything is computed.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use cldiff_engine::HostImages;

use super::{pictures, tensors};
use crate::ui::failure::Failure;

/// The form of output that `--out` of `sample` asks for.
#[derive(Debug)]
pub(crate) enum Output {
    /// One picture of all samples.
    Picture(PathBuf),
    /// Tensor `x_0` of a safetensors file.
    Tensor(PathBuf),
    /// A directory with one picture a sample.
    Directory(PathBuf),
}

impl Output {
    /// Reads the argument, and refuses what could not be written in the end.
    pub(crate) fn new(path: &Path, channels: usize) -> Result<Self, Failure> {
        let output = match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => Self::Tensor(path.to_owned()),
            Some("png") => Self::Picture(path.to_owned()),
            Some(other) if !path.is_dir() => {
                let expected = "give FILE.png, FILE.safetensors or a directory";
                return Err(refuse(path, format!("`.{other}` is not understood; {expected}")));
            }
            _ => Self::Directory(path.to_owned()),
        };
        if !matches!(output, Self::Tensor(_)) && ![1, 3].contains(&channels) {
            let problem = format!("samples of {channels} channels are no pictures; give FILE.safetensors");
            return Err(refuse(path, problem));
        }
        match &output {
            Self::Picture(file) | Self::Tensor(file) => check_file(file)?,
            Self::Directory(dir) => check_directory(dir)?,
        }
        Ok(output)
    }

    /// Writes the samples.
    pub(crate) fn write(&self, x_0: &HostImages) -> Result<(), Failure> {
        match self {
            Self::Picture(file) => pictures::write_one(file, x_0),
            Self::Tensor(file) => tensors::write(file, "x_0", x_0),
            Self::Directory(dir) => pictures::write_all(dir, x_0),
        }
    }
}

/// Refuses a file that cannot be written; one that is there keeps its content.
pub(crate) fn check_file(path: &Path) -> Result<(), Failure> {
    let there = path.exists();
    OpenOptions::new().append(true).create(true).open(path).map_err(|e| refuse(path, e))?;
    if !there {
        fs::remove_file(path).map_err(|e| refuse(path, e))?;
    }
    Ok(())
}

/// Refuses a directory that holds something, whose pictures would be mixed with these, or that cannot be made.
fn check_directory(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|e| refuse(dir, e))?;
    if fs::read_dir(dir).map_err(|e| refuse(dir, e))?.next().is_some() {
        return Err(refuse(dir, "the directory is not empty; give another"));
    }
    check_file(&dir.join("00000.png"))
}

fn refuse(path: &Path, problem: impl std::fmt::Display) -> Failure {
    Failure::mistake(format!("--out {}: {problem}", path.display()))
}
