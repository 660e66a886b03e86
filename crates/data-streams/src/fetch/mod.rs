//! Downloads of public files: from several mirrors, resumed, checked, and never half there.
//!
//! A file is received as `NAME.part`, which a later call goes on with; only what has the right SHA-256 gets its name,
//! by an atomic rename. Whoever else fetches into the same directory waits for a lock. Archives are unpacked and then
//! removed.

mod download;
mod request;
mod unpack;

use std::{
    fs::{self, File, TryLockError},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};

pub use self::unpack::unpack;
use crate::{DataError, RemoteFile};

/// How patient a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// How often the mirrors are gone through; one that sends something is asked again at once.
    pub rounds: u32,
    /// The pause before the second round; each later one is twice as long.
    pub backoff: Duration,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a mirror may send nothing.
    pub stall: Duration,
    /// Whether the proxies that the environment names are used.
    pub proxy: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            rounds: 4,
            backoff: Duration::from_secs(1),
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            proxy: true,
        }
    }
}

/// The progress of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent {
    /// Somebody else fetches into this directory: waiting for them.
    Waiting,
    /// A file was there already, with the right hash; or what an archive would give was.
    Present {
        /// The file.
        file: String,
    },
    /// A mirror is asked for a file.
    Asked {
        /// The file.
        file: String,
        /// The mirror's address of it.
        url: String,
        /// Bytes that are there already.
        have: u64,
        /// Bytes of all of it, where known.
        total: Option<u64>,
    },
    /// So many bytes of the file are there.
    Received {
        /// Bytes from the beginning of the file.
        have: u64,
    },
    /// A mirror could not give the file, or not all of it; the next try follows.
    Trouble {
        /// The mirror's address of the file.
        url: String,
        /// The mirror's message.
        said: String,
    },
    /// A file has the right hash, and its name.
    Done {
        /// The file.
        file: String,
    },
}

/// Gets files into a directory, and gives their paths: of archives those of what was in them.
///
/// # Errors
/// [`DataError::Fetch`] with what each mirror said, [`DataError::Io`] for a directory that cannot be written, and
/// [`DataError::Format`] for a file that is there and is another.
pub fn fetch(
    files: &[RemoteFile],
    dir: &Path,
    options: &FetchOptions,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<Vec<PathBuf>, DataError> {
    fs::create_dir_all(dir).map_err(|source| DataError::Io { path: dir.into(), source })?;
    let lock = lock(dir, tell)?;
    let mut there = Vec::new();
    for file in files {
        there.extend(one(file, dir, options, tell)?);
    }
    drop(lock);
    Ok(there)
}

fn one(
    file: &RemoteFile,
    dir: &Path,
    options: &FetchOptions,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<Vec<PathBuf>, DataError> {
    let path = dir.join(&file.name);
    if let Some(unpack) = &file.unpack {
        let members: Vec<PathBuf> = unpack.members.iter().map(|name| dir.join(name)).collect();
        if members.iter().all(|member| member.is_file()) {
            tell(FetchEvent::Present { file: unpack.members.join(", ") });
            return Ok(members);
        }
    }
    if path.is_file() {
        let actual = sha256(&path)?;
        if !file.has_hash(&actual) {
            let problem = format!(
                "its SHA-256 is {actual}, that of the published file {}: remove it, or fetch into another directory",
                file.sha256
            );
            return Err(DataError::Format { path, problem });
        }
        tell(FetchEvent::Present { file: file.name.clone() });
    } else {
        download::download(file, dir, options, tell)?;
        tell(FetchEvent::Done { file: file.name.clone() });
    }
    match &file.unpack {
        Some(unpack) => self::unpack::unpack(&path, unpack, dir),
        None => Ok(vec![path]),
    }
}

/// Holds others off until it is dropped; the system takes it back from a process that dies.
fn lock(dir: &Path, tell: &mut dyn FnMut(FetchEvent)) -> Result<File, DataError> {
    let path = dir.join(".fetch.lock");
    let io = |source| DataError::Io { path: path.clone(), source };
    let file = File::options().create(true).append(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tell(FetchEvent::Waiting);
            file.lock().map_err(io)?;
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    Ok(file)
}

/// The SHA-256 of a file, in hexadecimal.
fn sha256(path: &Path) -> Result<String, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hash.update(&buffer[..n]),
        }
    }
}
