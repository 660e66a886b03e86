//! Faults that tests ask for by the environment variable `CLDIFF_FAULT`, in builds with debug assertions alone: a disk
//! that fills up, a process that is gone in the middle of a write.
//!
//! The variable is a list, `KIND:N,KIND@N` and so on. `:N` counts writes: a file's content, or its getting its name. `@N`
//! counts all operations of this crate, reads and removals too. A fault strikes once, at the first operation at or after its
//! number that it applies to; `kill` and `denied` strike at their number alone. `space:N` makes file systems say that they
//! have N bytes free. `CLDIFF_FAULT_TRACE` names a file that gets a line for every operation and every fault that strikes.

use std::{io, path::Path};

/// The operation that is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// The content of a file whose name is another's until it is synced.
    Write,
    /// A file that its writer reads back, or the end of one that grows.
    Part,
    /// A file or directory gets its name.
    Rename,
    /// The content of a file.
    Read,
    /// A directory is removed.
    Remove,
}

/// The outcome of an operation.
#[derive(Debug)]
#[cfg_attr(not(debug_assertions), allow(dead_code, reason = "no fault is asked for"))]
pub(super) enum Fate {
    /// It is done.
    Done,
    /// It is not done, and the system says that it was.
    Lost,
    /// It fails; of what was to be written half is there.
    Torn(io::Error),
    /// Half is there, and the process ends or panics.
    End(fn() -> io::Error),
}

/// No fault is asked for in a release build.
#[cfg(not(debug_assertions))]
#[allow(clippy::unnecessary_wraps, reason = "the same as where faults are asked for")]
pub(super) fn before(_: Operation, _: &Path) -> io::Result<Fate> {
    Ok(Fate::Done)
}

#[cfg(debug_assertions)]
pub(super) use asked::before;

#[cfg(debug_assertions)]
mod asked {
    use std::{
        env,
        fs::OpenOptions,
        io::{self, Write},
        path::Path,
        process::{self, Command},
        sync::{
            OnceLock,
            atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        },
    };

    use super::{
        Fate,
        Operation::{self, Part, Read, Remove, Rename, Write as Whole},
    };

    /// When a fault strikes again.
    #[derive(Debug, PartialEq)]
    enum When {
        /// At its number alone.
        At,
        /// Once, at its number or the first operation after it that it applies to.
        Once,
        /// At each operation from its number on.
        From,
    }

    /// A kind of fault: its name, the operations that it applies to, when, and what happens.
    struct Kind(&'static str, &'static [Operation], When, fn() -> io::Result<Fate>);

    const ALL: &[Operation] = &[Whole, Part, Rename, Read, Remove];
    const WRITING: &[Operation] = &[Whole, Part, Rename];
    const CONTENT: &[Operation] = &[Whole, Part, Read];

    const KINDS: &[Kind] = &[
        Kind("full", WRITING, When::From, || Err(io::ErrorKind::StorageFull.into())),
        Kind("short", WRITING, When::From, || Ok(Fate::Torn(io::ErrorKind::StorageFull.into()))),
        Kind("denied", WRITING, When::At, || Ok(Fate::Torn(io::ErrorKind::PermissionDenied.into()))),
        Kind("torn", WRITING, When::Once, || Ok(Fate::Torn(damaged()))),
        Kind("read", &[Read], When::Once, || Err(damaged())),
        Kind("remove", &[Remove], When::Once, || Err(damaged())),
        Kind("lost", &[Rename], When::Once, || Ok(Fate::Lost)),
        Kind("memory", CONTENT, When::Once, || Err(io::ErrorKind::OutOfMemory.into())),
        Kind("kill", ALL, When::At, || Ok(Fate::End(|| process::abort()))),
        Kind("panic", ALL, When::At, || Ok(Fate::End(|| panic!("a fault that was asked for")))),
        Kind("stop", ALL, When::Once, || stopped().map(|()| Fate::Done)),
    ];

    /// A device that has gone bad.
    fn damaged() -> io::Error {
        io::Error::other("input/output error")
    }

    /// The process stops until somebody continues it.
    fn stopped() -> io::Result<()> {
        Command::new("kill").args(["-STOP", &process::id().to_string()]).status().map(drop)
    }

    struct Fault {
        kind: &'static Kind,
        at: u64,
        /// Whether `at` counts writes.
        of_writes: bool,
        struck: AtomicBool,
    }

    struct Asked {
        faults: Vec<Fault>,
        trace: Option<String>,
    }

    fn asked() -> &'static Asked {
        static ASKED: OnceLock<Asked> = OnceLock::new();
        ASKED.get_or_init(|| Asked {
            faults: env::var("CLDIFF_FAULT").unwrap_or_default().split(',').filter_map(fault).collect(),
            trace: env::var("CLDIFF_FAULT_TRACE").ok(),
        })
    }

    fn fault(text: &str) -> Option<Fault> {
        let of_writes = text.contains(':');
        let (name, at) = text.split_once([':', '@'])?;
        let kind = KINDS.iter().find(|kind| kind.0 == name)?;
        Some(Fault { kind, at: at.parse().ok()?, of_writes, struck: AtomicBool::new(false) })
    }

    impl Fault {
        fn strikes(&self, operation: Operation, writes: u64, all: u64) -> bool {
            let Kind(_, of, when, _) = self.kind;
            let is_write = [Whole, Rename].contains(&operation);
            let n = if self.of_writes { writes } else { all };
            if !of.contains(&operation) || self.of_writes && !is_write {
                return false;
            }
            match when {
                When::At => n == self.at,
                When::From => n >= self.at,
                When::Once => n >= self.at && !self.struck.swap(true, SeqCst),
            }
        }
    }

    /// The free bytes that file systems are to tell.
    pub(crate) fn space() -> Option<u64> {
        env::var("CLDIFF_FAULT").ok()?.strip_prefix("space:")?.parse().ok()
    }

    /// Called before each operation.
    pub(crate) fn before(operation: Operation, path: &Path) -> io::Result<Fate> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        static ALL: AtomicU64 = AtomicU64::new(0);
        let Asked { faults, trace } = asked();
        if faults.is_empty() && trace.is_none() {
            return Ok(Fate::Done);
        }
        let is_write = u64::from([Whole, Rename].contains(&operation));
        let (writes, all) = (WRITES.fetch_add(is_write, SeqCst) + is_write, ALL.fetch_add(1, SeqCst) + 1);
        let fault = faults.iter().find(|fault| fault.strikes(operation, writes, all));
        if let Some(trace) = trace {
            let struck = fault.map_or("-", |fault| fault.kind.0);
            let line = format!("{all} {operation:?} {struck} {}\n", path.display());
            OpenOptions::new().append(true).create(true).open(trace)?.write_all(line.as_bytes())?;
        }
        fault.map_or(Ok(Fate::Done), |fault| fault.kind.3())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fault_strikes_where_it_was_asked_for_and_applies() {
            assert!(["", "kill", "kill:x", "other:3", "space:9"].iter().all(|text| fault(text).is_none()));
            let strikes = |text: &str, operations: &[(Operation, u64, u64)]| -> Vec<bool> {
                let fault = fault(text).unwrap();
                operations
                    .iter()
                    .map(|&(operation, writes, all)| fault.strikes(operation, writes, all))
                    .collect()
            };
            // A write, a read, a rename, a part of a log, a write.
            let some = [(Whole, 1, 1), (Read, 1, 2), (Rename, 2, 3), (Part, 2, 4), (Whole, 3, 5)];
            assert_eq!(strikes("kill:2", &some), [false, false, true, false, false]);
            assert_eq!(strikes("kill@2", &some), [false, true, false, false, false]);
            assert_eq!(strikes("full:2", &some), [false, false, true, false, true]);
            assert_eq!(strikes("full@2", &some), [false, false, true, true, true]);
            assert_eq!(strikes("read@1", &some), [false, true, false, false, false]);
            assert_eq!(strikes("torn@2", &some), [false, false, true, false, false]);
            assert_eq!(strikes("lost@4", &some), [false; 5]);
        }
    }
}

/// The free bytes of a file system; none where they cannot be told.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    #[cfg(debug_assertions)]
    if let Some(bytes) = asked::space() {
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
