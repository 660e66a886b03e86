//! Files that are whole or absent, now and after a loss of power: written under another name, synced, renamed.
//!
//! Everything that a run must be able to trust later goes through here, and so do the faults that tests ask for.
//!
//! ```
//! use cldiff_durable::{sha256, write_whole};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("result.json");
//! write_whole(&path, b"{}")?;
//! assert_eq!(sha256(&std::fs::read(&path)?), sha256(b"{}"));
//! // The old content stays where the new one cannot be written; the error names the file.
//! std::fs::create_dir(dir.path().join("result.json.tmp"))?;
//! let error = write_whole(&path, b"[]").unwrap_err();
//! assert!(error.to_string().contains("result.json"));
//! assert_eq!(std::fs::read(&path)?, b"{}");
//! # Ok::<(), std::io::Error>(())
//! ```

mod fault;

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the name of a file before what the system said about it.
pub fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Writes a file so that a reader sees all of it or what was there before.
///
/// # Errors
/// If it cannot be written, with its name; what was there before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = write_synced(&temporary, bytes)
        .and_then(|()| fault::before_rename())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(parent(path)));
    if written.is_err() {
        // A full disk is emptier without it.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(named(path))
}

/// Writes a file and waits until it is on the disk, for directories that get their name by [`rename_directory`].
///
/// # Errors
/// If it cannot be written.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    fault::before_write(&mut file, bytes)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a directory its name, in the place of what had it, when all of its files are on the disk.
///
/// # Errors
/// If the system cannot, with its name.
pub fn rename_directory(from: &Path, to: &Path) -> io::Result<()> {
    let rename = || {
        for entry in fs::read_dir(from)? {
            // Some systems sync only what may be written.
            OpenOptions::new().write(true).open(entry?.path())?.sync_all()?;
        }
        sync_directory(from)?;
        fault::before_rename()?;
        remove(to)?;
        fs::rename(from, to)?;
        sync_directory(parent(to))
    };
    rename().map_err(named(to))
}

/// Makes renames in a directory last.
fn sync_directory(dir: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened to be synced, and need not be.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes a directory that may not be there.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Checks that a file system has room for some bytes, with a tenth to spare, before a part of them is written.
///
/// # Errors
/// If it has not; the message says how much is missing.
pub fn check_space(dir: &Path, bytes: u64) -> io::Result<()> {
    // Where it cannot be told, the write itself will.
    let Some(free) = fault::free_bytes(dir) else { return Ok(()) };
    let needed = bytes + bytes / 10;
    if free >= needed {
        return Ok(());
    }
    let problem = format!(
        "the disk is full: {:.1} MB are needed and {:.1} MB are free",
        needed as f64 / 1e6,
        free as f64 / 1e6
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result.json");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // One that cannot be written leaves the old one alone.
        fs::create_dir(dir.path().join("result.json.tmp")).unwrap();
        assert!(write_whole(&path, b"newer").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_system_without_room_is_told_in_numbers() {
        let dir = tempfile::tempdir().unwrap();
        check_space(dir.path(), 1).unwrap();
        let error = check_space(dir.path(), u64::MAX / 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("MB are free"), "{error}");
    }
}
