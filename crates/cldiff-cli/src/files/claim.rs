//! One directory, one owner: a lock that the system lets go when its process ends, and a lease for all that locks do not
//! tell (another machine, a file system without locks).
//!
//! A directory whose owner died on this machine is free at once; one whose owner is on another machine when no beat came
//! for long enough. An owner that finds another's lease in its directory has lost it and stops.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cl_strategies::durable::named;

use super::lease::{self, Lease, Sign, Watch};

const LOCK: &str = "lock";
/// Set where locks are kept by each machine for itself, or not at all.
const NO_LOCKS: &str = "CLDIFF_NO_LOCKS";

/// A directory that is this process's as long as this lives.
#[derive(Debug)]
pub struct Claim {
    dir: PathBuf,
    shared: Arc<Shared>,
    stop: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

#[derive(Debug)]
struct Shared {
    lease: Lease,
    /// The other owner, once there is one.
    lost: Mutex<Option<String>>,
}

/// Whether a directory could be had.
#[derive(Debug)]
pub enum Take {
    /// It is this process's.
    Mine(Claim),
    /// Another process has it, which lives or may live.
    Others {
        /// In words.
        owner: String,
        /// Whether it is known to live; otherwise looking again later tells.
        lives: bool,
    },
}

impl Claim {
    /// Takes a directory, which is made if it is not there. `watch` remembers what was seen of other owners.
    ///
    /// # Errors
    /// If its files cannot be read or written.
    pub fn take(dir: &Path, watch: &Watch) -> io::Result<Take> {
        fs::create_dir_all(dir).map_err(named(dir))?;
        let path = dir.join(LOCK);
        let lock = match lock(&path).map_err(named(&path))? {
            Locked::Mine(file) => Some(file),
            Locked::None => None,
            Locked::Others(owner) => {
                let owner = Lease::read(dir).map_or(owner, |lease| lease.owner());
                return Ok(Take::Others { owner, lives: true });
            }
        };
        let lease = Lease::new();
        match claimed(dir, &lease, lock.is_some(), watch).map_err(named(&dir.join("lease.json")))? {
            None => {
                lease::sweep(dir, lease.silence());
                Ok(Take::Mine(Self::of(dir, lease, lock)))
            }
            Some((owner, lives)) => Ok(Take::Others { owner, lives }),
        }
    }

    fn of(dir: &Path, lease: Lease, lock: Option<File>) -> Self {
        let shared = Arc::new(Shared { lease, lost: Mutex::new(None) });
        let (stop, stopped) = mpsc::channel();
        let (of_thread, place) = (Arc::clone(&shared), dir.to_owned());
        let beat = move || {
            let mut lease = of_thread.lease.clone();
            while stopped.recv_timeout(lease.every()) == Err(RecvTimeoutError::Timeout) {
                if of_thread.look(&place).is_err() {
                    return;
                }
                lease.beat += 1;
                // A full disk: the next beat may find room.
                let _ = lease.write_over(&place);
            }
        };
        let beats = thread::Builder::new().name("lease".into()).spawn(beat).ok();
        Self { dir: dir.to_owned(), shared, stop: Some(stop), beats, _lock: lock }
    }

    /// Checks that the directory is still this process's, before something is written into it.
    ///
    /// # Errors
    /// If another process owns it, with its name.
    pub fn check(&self) -> io::Result<()> {
        self.shared.look(&self.dir)
    }

    /// The process that has taken the directory over, if one has.
    pub fn lost(&self) -> Option<String> {
        self.shared.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn look(&self, dir: &Path) -> io::Result<()> {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_none() {
            // A lease that somebody removed is nobody's.
            *lost =
                Lease::read(dir).filter(|there| there.token != self.lease.token).map(|there| there.owner());
        }
        match &*lost {
            Some(owner) => Err(io::Error::other(format!("{}: {owner} has taken this over", dir.display()))),
            None => Ok(()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        self.shared.lease.remove(&self.dir);
    }
}

/// Writes the lease if the directory is free; else its owner, and whether that is known to live.
fn claimed(dir: &Path, mine: &Lease, locked: bool, watch: &Watch) -> io::Result<Option<(String, bool)>> {
    let Some(text) = lease::text(dir) else {
        return Ok(if mine.write_first(dir)? { None } else { Some(other(dir)) });
    };
    let there = lease::parse(&text);
    let silence = there.as_ref().map_or_else(|| mine.silence(), Lease::silence);
    // A lock is let go when its process ends, on the same machine for sure.
    let is_here = there.as_ref().is_some_and(|lease| lease.machine == mine.machine);
    let is_dead = is_here && (locked || there.as_ref().and_then(Lease::owner_lives) == Some(false));
    if !is_dead {
        match watch.look(dir, &text, silence, Instant::now()) {
            Sign::Silent => {}
            sign => {
                let lives = sign == Sign::Lives || there.as_ref().and_then(Lease::owner_lives) == Some(true);
                let owner = there.map_or_else(|| "another process".to_owned(), |lease| lease.owner());
                return Ok(Some((owner, lives)));
            }
        }
    }
    if !mine.write_over(dir)? {
        return Ok(Some(other(dir)));
    }
    if !(is_here && locked) {
        // Another process may have found the same: the last to write owns it.
        thread::sleep(mine.every().mul_f64(0.2).min(Duration::from_secs(2)));
        if Lease::read(dir).is_none_or(|there| there.token != mine.token) {
            return Ok(Some(other(dir)));
        }
    }
    Ok(None)
}

/// The owner of a directory that was taken a moment ago.
fn other(dir: &Path) -> (String, bool) {
    (Lease::read(dir).map_or_else(|| "another process".to_owned(), |lease| lease.owner()), true)
}

enum Locked {
    Mine(File),
    /// A file system without locks.
    None,
    Others(String),
}

fn lock(path: &Path) -> io::Result<Locked> {
    if env::var_os(NO_LOCKS).is_some() {
        return Ok(Locked::None);
    }
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            let owner = format!("process {} on {}\n", std::process::id(), super::machine::host());
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner.as_bytes()))?;
            Ok(Locked::Mine(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // Bounded: whatever is in the file is only shown.
            let _ = Read::by_ref(&mut file).take(300).read_to_string(&mut owner);
            let owner = owner.trim();
            Ok(Locked::Others(if owner.is_empty() { "another process" } else { owner }.to_owned()))
        }
        Err(TryLockError::Error(error)) => {
            tracing::debug!("{} cannot be locked: {error}", path.display());
            Ok(Locked::None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn mine(dir: &Path, watch: &Watch) -> Claim {
        match Claim::take(dir, watch).unwrap() {
            Take::Mine(claim) => claim,
            Take::Others { owner, .. } => panic!("{owner} has it"),
        }
    }

    #[test]
    fn the_second_is_refused_with_the_first_ones_name_and_a_left_directory_is_taken() {
        let (dir, watch) = (tempfile::tempdir().unwrap(), Watch::default());
        let cell = dir.path().join("cells/finetune-0");
        let first = mine(&cell, &watch);
        first.check().unwrap();
        let Take::Others { owner, lives: true } = Claim::take(&cell, &watch).unwrap() else {
            panic!("it was given twice")
        };
        assert!(owner.contains(&format!("process {} on ", std::process::id())), "{owner}");
        drop(first);
        assert_eq!(Lease::read(&cell), None);
        drop(mine(&cell, &watch));
        // A process of this machine that died has left its lease.
        Lease::new().write_over(&cell).unwrap();
        mine(&cell, &watch);
    }

    #[test]
    fn a_take_over_leaves_the_lease_that_another_process_is_writing_and_removes_an_old_one() {
        let (dir, watch) = (tempfile::tempdir().unwrap(), Watch::default());
        // Its owner died.
        Lease::new().write_over(dir.path()).unwrap();
        let [new, old] = ["new", "old"].map(|token| dir.path().join(format!("lease.json.{token}")));
        [&new, &old].into_iter().for_each(|path| fs::write(path, "{").unwrap());
        let long_ago = SystemTime::now() - Duration::from_hours(24);
        File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        let claim = mine(dir.path(), &watch);
        assert!(new.exists() && !old.exists());
        claim.check().unwrap();
    }

    #[test]
    fn another_machines_lease_is_waited_for_and_taken_when_it_is_silent() {
        let (dir, watch) = (tempfile::tempdir().unwrap(), Watch::default());
        let far = |beat| Lease {
            machine: "another".into(),
            host: "node7".into(),
            process: 12,
            token: "far".into(),
            every_seconds: 600.0,
            beat,
            ..Lease::new()
        };
        let take = || Claim::take(dir.path(), &watch).unwrap();
        far(1).write_over(dir.path()).unwrap();
        let Take::Others { owner, lives: false } = take() else { panic!("it is not known to be dead") };
        assert_eq!(owner, "process 12 on node7");
        far(2).write_over(dir.path()).unwrap();
        assert!(matches!(take(), Take::Others { lives: true, .. }), "it beats");
        // Stale after no time.
        Lease { every_seconds: 0.0, ..far(3) }.write_over(dir.path()).unwrap();
        assert!(matches!(take(), Take::Others { .. }), "seen for the first time");
        thread::sleep(Duration::from_millis(60));
        assert!(matches!(take(), Take::Mine(_)));
    }

    #[test]
    fn an_owner_that_finds_another_lease_has_lost() {
        let (dir, watch) = (tempfile::tempdir().unwrap(), Watch::default());
        let first = mine(dir.path(), &watch);
        let other = Lease { host: "node7".into(), process: 12, ..Lease::new() };
        other.write_over(dir.path()).unwrap();
        let message = first.check().unwrap_err().to_string();
        assert!(message.contains("process 12 on node7 has taken this over"), "{message}");
        assert_eq!(first.lost().as_deref(), Some("process 12 on node7"));
        drop(first);
        assert_eq!(Lease::read(dir.path()), Some(other), "it leaves the other's alone");
    }
}
