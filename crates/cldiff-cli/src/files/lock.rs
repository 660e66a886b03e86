//! One run, one owner: a lock in the run directory that the system lets go when its process ends, however that is.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use anyhow::Context;

use crate::ui::failure::Failure;

const NAME: &str = "lock";

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a run directory, which must exist. A lock that a dead process left is no obstacle.
    ///
    /// # Errors
    /// [`Failure::Mistake`] that names the owner if another process has it.
    pub fn take(root: &Path) -> Result<Self, Failure> {
        let path = root.join(NAME);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Bounded: whatever is in the file is only shown.
                let _ = Read::by_ref(&mut file).take(300).read_to_string(&mut owner);
                let message = format!(
                    "--out {}: another process is writing this run: {}; wait for it, or end it and resume",
                    root.display(),
                    owner.trim()
                );
                return Err(Failure::mistake(message));
            }
            // A file system without locks: nothing can be promised, and nothing should be refused for it.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{} cannot be locked: {error}", path.display());
            }
        }
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let owner = format!("process {} on {host}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(owner.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_with_the_first_ones_name_and_a_left_lock_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let Err(Failure::Mistake(message)) = Lock::take(dir.path()) else { panic!("it was given twice") };
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(first);
        Lock::take(dir.path()).unwrap();
    }
}
