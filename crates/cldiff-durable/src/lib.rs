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
//! // A file takes no directory's place; the error names it, and no part of a file is left.
//! let taken = dir.path().join("taken");
//! std::fs::create_dir(&taken)?;
//! let error = write_whole(&taken, b"[]").unwrap_err();
//! assert!(error.to_string().contains("taken"));
//! assert_eq!(std::fs::read_dir(dir.path())?.count(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```

mod fault;

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use fault::{Fate, Operation};
use sha2::{Digest, Sha256};

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts the name of a file before what the system said about it.
pub fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Stands between the name of a file and the mark of the write that it is a part of.
const MARK: &str = ".tmp-";

/// Writes a file so that a reader sees all of it or what was there before. Several processes and threads may write one file
/// at a time: none sees a part of another's, and the last to end is read.
///
/// # Errors
/// If it cannot be written, with its name; what was there before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let written = write_synced(&temporary, bytes)
        .and_then(|()| rename(&temporary, path))
        .and_then(|()| sync_directory(parent(path)));
    if written.is_err() {
        // A full disk is emptier without it.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(named(path))
}

/// A file beside a file, which no other write has, on this machine or another: `NAME.tmp-PROCESS-TIME-COUNT`. In containers
/// on several machines, processes may have the same number.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(format!("{MARK}{}-{:x}-{count}", process::id(), since.as_nanos()));
    path.with_file_name(name)
}

/// The file that a temporary file of [`write_whole`] is a part of, and the process that wrote it, by the temporary file's
/// name; none for any other name.
pub fn part_of(name: &str) -> Option<(&str, u32)> {
    let (whole, mark) = name.rsplit_once(MARK)?;
    let [process, time, count] = *mark.split('-').collect::<Vec<_>>() else { return None };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_part = !whole.is_empty() && is_number(time) && is_number(count);
    process.parse().ok().filter(|_| is_part).map(|process| (whole, process))
}

/// Writes a file and waits until it is on the disk, for directories that get their name by [`rename_directory`].
///
/// # Errors
/// If it cannot be written.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    put(Operation::Write, path, &mut file, bytes)?;
    file.sync_all()
}

/// Writes a file that its writer reads back, in a directory that gets its name by [`rename_directory`].
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(Operation::Part, path, &mut File::create(path)?, bytes)
}

/// Adds bytes to the end of a file that is open for that; a part of them may be there after an error.
///
/// # Errors
/// If they cannot be written.
pub fn append(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(Operation::Part, path, file, bytes)
}

fn put(operation: Operation, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let mut half = || file.write_all(&bytes[..bytes.len() / 2]).and_then(|()| file.sync_all());
    match fault::before(operation, path)? {
        Fate::Done | Fate::Lost => file.write_all(bytes),
        Fate::Torn(error) => half().and(Err(error)),
        Fate::End(end) => half().and_then(|()| Err(end())),
    }
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read, or there is no memory for it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fault::before(Operation::Read, path)? {
        Fate::Done | Fate::Lost => {}
        Fate::Torn(error) => return Err(error),
        Fate::End(end) => return Err(end()),
    }
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    // Whatever length the system tells, a file that is too large for the memory is an error and not the end.
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of text.
///
/// # Errors
/// As [`read`]; if it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let not_text = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(read(path)?).map_err(not_text)
}

/// Gives a directory its name, in the place of what had it, when all of its files are on the disk.
///
/// # Errors
/// If the system cannot, with its name.
pub fn rename_directory(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = || {
        for entry in fs::read_dir(from)? {
            // Some systems sync only what may be written.
            OpenOptions::new().write(true).open(entry?.path())?.sync_all()?;
        }
        sync_directory(from)?;
        replace_directory(from, to)?;
        sync_directory(parent(to))
    };
    renamed().map_err(named(to))
}

/// Renames a directory over one that may be there. The old one stays if the new one is gone: another process that took
/// this one for dead may have finished both.
fn replace_directory(from: &Path, to: &Path) -> io::Result<()> {
    let mut name = OsString::from("unfinished-old-");
    name.push(to.file_name().unwrap_or_default());
    let old = to.with_file_name(name);
    // Of a process that was killed here.
    remove(&old)?;
    let is_there = match fs::rename(to, &old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        moved => moved.map(|()| true)?,
    };
    if let Err(error) = rename(from, to) {
        // Where the other process has made one since, that one stays; elsewhere the old one does, under one name or the other.
        if is_there && fs::rename(&old, to).is_err() && to.exists() {
            remove(&old)?;
        }
        return Err(error);
    }
    remove(&old)
}

/// Gives a file or a directory another name, and looks whether it has it: a system may say so and not have done it.
///
/// # Errors
/// If it cannot be renamed, or was not.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let renamed = fs::symlink_metadata(from)?;
    match fault::before(Operation::Rename, to)? {
        Fate::Done => fs::rename(from, to)?,
        Fate::Lost => {}
        Fate::Torn(error) => return Err(error),
        Fate::End(end) => return Err(end()),
    }
    check_renamed(from, &renamed)
}

/// Checks that what was renamed has its old name no longer.
fn check_renamed(from: &Path, renamed: &Metadata) -> io::Result<()> {
    match fs::symlink_metadata(from) {
        // Another process may have made a file of the old name since.
        Ok(there) if is_same_file(&there, renamed) => {
            Err(io::Error::other("the file system has not renamed it, and said that it had"))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
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
    match fault::before(Operation::Remove, dir)? {
        Fate::End(end) => return Err(end()),
        Fate::Done | Fate::Lost | Fate::Torn(_) => {}
    }
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
        // One that cannot be written leaves alone what is there.
        let taken = dir.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("old"), "old").unwrap();
        let message = write_whole(&taken, b"new").unwrap_err().to_string();
        assert!(message.contains("taken") && !message.contains(MARK), "{message}");
        assert_eq!(fs::read(taken.join("old")).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    /// The second begins while the first is between its content and its name, and ends after it.
    #[test]
    fn two_writers_of_one_file_do_not_disturb_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        let parts = [temporary(&path), temporary(&path)];
        assert_ne!(parts[0], parts[1]);
        write_synced(&parts[0], b"the first").unwrap();
        write_synced(&parts[1], b"2nd").unwrap();
        rename(&parts[0], &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"the first");
        rename(&parts[1], &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2nd");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_part_is_known_by_its_name() {
        let part = temporary(Path::new("run/a.tmp-b.json"));
        assert_eq!(part.parent(), Some(Path::new("run")));
        let name = part.file_name().unwrap().to_str().unwrap();
        assert_eq!(part_of(name), Some(("a.tmp-b.json", process::id())));
        assert_eq!(part_of("real.png.tmp-12-1f-0"), Some(("real.png", 12)));
        // Of other writers, and of nobody.
        for other in [
            "real.png",
            "real.png.tmp",
            "classifier.tmp-12",
            ".tmp-12-1f-0",
            "a.tmp-x-1f-0",
            "a.tmp-12--0",
            "a.tmp-12-1f-0-1",
        ] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_rename_that_was_not_done_is_found_and_one_that_was_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("new"), dir.path().join("name"));
        fs::write(&from, "1").unwrap();
        let file = fs::metadata(&from).unwrap();
        assert!(check_renamed(&from, &file).unwrap_err().to_string().contains("has not renamed it"));
        rename(&from, &to).unwrap();
        check_renamed(&from, &file).unwrap();
        // A file that another process begins is no sign of it.
        fs::write(&from, "2").unwrap();
        assert_eq!(check_renamed(&from, &file).is_err(), !cfg!(unix));
    }

    #[test]
    fn a_directory_is_replaced_whole_and_stays_where_the_new_one_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("unfinished-model"), dir.path().join("model"));
        for content in ["1", "2"] {
            fs::create_dir(&from).unwrap();
            fs::write(from.join(content), content).unwrap();
            rename_directory(&from, &to).unwrap();
            assert_eq!(fs::read_to_string(to.join(content)).unwrap(), content);
            assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        // Between a look at the new directory and its rename, another process has renamed it.
        assert!(replace_directory(&from, &to).is_err());
        assert_eq!(fs::read_to_string(to.join("2")).unwrap(), "2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_are_read_as_they_were_written_and_grow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write(&path, b"one ").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        append(&mut file, &path, b"two").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "one two");
        assert_eq!(read(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_to_string(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
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
