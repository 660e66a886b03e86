//! Faults that tests ask for by the environment variable `CLDIFF_FAULT`, in builds with debug assertions alone: a disk
//! that fills up, a process that is gone in the middle of a write.
//!
//! A write here is a file's content or its getting its name.
//!
//! - `full:N` the N-th write of the process finds the disk full, and so do all after it
//! - `short:N` the same, after half of the bytes
//! - `denied:N` the N-th write of the process is not permitted, and no later one
//! - `kill:N` the process ends in the middle of the N-th write, without a word
//! - `panic:N` the N-th write of the process panics, as a mistake in the program would
//! - `space:N` file systems say that they have N bytes free

use std::{fs::File, io, path::Path};

#[cfg(debug_assertions)]
use std::{
    io::Write,
    sync::atomic::{AtomicU64, Ordering},
};

/// The fault that is asked for: its kind and number.
#[cfg(debug_assertions)]
fn asked() -> Option<(String, u64)> {
    let asked = std::env::var("CLDIFF_FAULT").ok()?;
    let (kind, number) = asked.split_once(':')?;
    Some((kind.to_owned(), number.parse().ok()?))
}

/// Whether it is time: the kind of the fault.
#[cfg(debug_assertions)]
fn due() -> Option<String> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let n = WRITES.fetch_add(1, Ordering::SeqCst) + 1;
    let (kind, at) = asked()?;
    let now = match kind.as_str() {
        "full" | "short" => n >= at,
        "denied" | "kill" | "panic" => n == at,
        _ => false,
    };
    now.then_some(kind)
}

#[cfg(debug_assertions)]
fn fail(kind: &str) -> io::Error {
    match kind {
        "kill" => std::process::abort(),
        "panic" => panic!("a fault that was asked for"),
        "denied" => io::ErrorKind::PermissionDenied.into(),
        _ => io::ErrorKind::StorageFull.into(),
    }
}

/// Called with each file and what is about to be written.
#[cfg(debug_assertions)]
pub(super) fn before_write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let Some(kind) = due() else { return Ok(()) };
    if kind != "full" {
        file.write_all(&bytes[..bytes.len() / 2])?;
        file.sync_all()?;
    }
    Err(fail(&kind))
}

/// Called before a file or directory gets its name.
#[cfg(debug_assertions)]
pub(super) fn before_rename() -> io::Result<()> {
    due().map_or(Ok(()), |kind| Err(fail(&kind)))
}

/// Nothing is asked for in a release build.
#[cfg(not(debug_assertions))]
pub(super) fn before_write(_: &mut File, _: &[u8]) -> io::Result<()> {
    Ok(())
}

/// Nothing is asked for in a release build.
#[cfg(not(debug_assertions))]
pub(super) fn before_rename() -> io::Result<()> {
    Ok(())
}

/// The free bytes of a file system; none where they cannot be told.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    #[cfg(debug_assertions)]
    if let Some((_, bytes)) = asked().filter(|(kind, _)| kind == "space") {
        return Some(bytes);
    }
    #[cfg(unix)]
    return rustix::fs::statvfs(dir).ok().map(|system| system.f_bavail.saturating_mul(system.f_frsize));
    #[cfg(not(unix))]
    return {
        let _ = dir;
        None
    };
}
