//! `lease.json`: who makes a cell, or prepares a run, and that it lives. Its owner writes it anew every few seconds with the
//! next number.
//!
//! It is needed where a lock says nothing: on file systems without locks, and on those whose locks end at the machine. Clocks
//! of two machines are never compared: a lease is stale when its text has not changed for a while by the clock of the one who
//! looks.

use std::{
    collections::HashMap,
    env, fs,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::machine;

const NAME: &str = "lease.json";
const SCHEMA: u32 = 1;
/// A lease has a few hundred bytes.
const MOST_BYTES: u64 = 64 << 10;

/// Seconds from one beat to the next, unless the variable `CLDIFF_HEARTBEAT` says otherwise.
const EVERY: f64 = 10.0;
/// A lease is stale after so many beats that did not come: readers of a shared file system see files late.
const BEATS: f64 = 4.5;

/// The owner of a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The form of the file.
    pub schema: u32,
    /// Where.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// [`machine::identity`]
    pub machine: String,
    /// No other lease has it.
    pub token: String,
    /// Grows while the owner lives.
    pub beat: u64,
    /// Seconds from one beat to the next.
    pub every_seconds: f64,
}

impl Lease {
    /// A new one of this process.
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let asked = env::var("CLDIFF_HEARTBEAT").ok().and_then(|seconds| seconds.parse().ok());
        let every_seconds = asked.filter(|seconds: &f64| (0.01..=600.0).contains(seconds)).unwrap_or(EVERY);
        let (host, process, machine) = (machine::host(), std::process::id(), machine::identity());
        let token = format!("{process}-{:x}-{count}", since.as_nanos());
        Self { schema: SCHEMA, host, process, machine, token, beat: 0, every_seconds }
    }

    /// Time from one beat to the next.
    pub fn every(&self) -> Duration {
        // A damaged lease is no reason to wait for ever.
        let seconds =
            if self.every_seconds.is_finite() { self.every_seconds.clamp(0.01, 600.0) } else { EVERY };
        Duration::from_secs_f64(seconds)
    }

    /// The time after which a lease without a new beat is stale.
    pub fn silence(&self) -> Duration {
        self.every().mul_f64(BEATS)
    }

    /// Whether the owner is a process of this machine that lives; none where that cannot be told from here.
    pub fn owner_lives(&self) -> Option<bool> {
        if self.machine != machine::identity() {
            return None;
        }
        machine::lives(self.process)
    }

    /// The owner in words.
    pub fn owner(&self) -> String {
        format!("process {} on {}", self.process, self.host)
    }

    /// Reads that of a directory; none if nobody owns it, or if it cannot be read.
    pub fn read(dir: &Path) -> Option<Self> {
        text(dir).and_then(|text| parse(&text))
    }

    /// Takes a directory that nobody owns. Of several processes that try, one succeeds.
    pub fn write_first(&self, dir: &Path) -> io::Result<bool> {
        let temporary = self.write_aside(dir)?;
        let linked = fs::hard_link(&temporary, dir.join(NAME));
        let taken = match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links: the last one who writes owns it, as its readers will find.
            Err(_) => put_in_place(&temporary, dir),
        };
        let _ = fs::remove_file(&temporary);
        taken
    }

    /// Writes it over whatever lease is there. False if another process was quicker: it took the directory, and removed the
    /// file that was to become this lease.
    pub fn write_over(&self, dir: &Path) -> io::Result<bool> {
        put_in_place(&self.write_aside(dir)?, dir)
    }

    /// Written by hand, not as the files of a run are: it must be cheap, and is worthless after a loss of power.
    fn write_aside(&self, dir: &Path) -> io::Result<PathBuf> {
        let path = dir.join(format!("{NAME}.{}", self.token));
        let text = serde_json::to_string_pretty(self)? + "\n";
        let written = File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written.map(|()| path)
    }

    /// Gives the directory back, if it is this one's.
    pub fn remove(&self, dir: &Path) {
        if Self::read(dir).is_some_and(|there| there.token == self.token) {
            let _ = fs::remove_file(dir.join(NAME));
        }
    }
}

/// Gives a lease that is written aside its name; false if the file is gone.
fn put_in_place(temporary: &Path, dir: &Path) -> io::Result<bool> {
    match fs::rename(temporary, dir.join(NAME)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let _ = fs::remove_file(temporary);
            Err(error)
        }
    }
}

/// The text of a lease; opened anew each time, which makes a shared file system look.
pub fn text(dir: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(dir.join(NAME)).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A lease of this schema.
pub fn parse(text: &str) -> Option<Lease> {
    serde_json::from_str(text).ok().filter(|lease: &Lease| lease.schema == SCHEMA)
}

/// The time since a lease was written, by this machine's clock and the file's time: to be shown, and nothing else.
pub fn age(dir: &Path) -> Option<Duration> {
    let written = fs::metadata(dir.join(NAME)).ok()?.modified().ok()?;
    // A clock that is ahead gives none.
    Some(written.elapsed().unwrap_or_default())
}

/// Whether a file was written so long before the lease of a directory: by the times of one file system, whatever the clocks
/// of the machines that write to it say.
pub fn is_before(dir: &Path, file: &Path, by: Duration) -> bool {
    let written = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let times = written(&dir.join(NAME)).zip(written(file));
    times.is_some_and(|(lease, file)| lease.duration_since(file).is_ok_and(|before| before > by))
}

/// Removes what writers of leases left that died, from a directory whose owner wrote its lease a moment ago. A younger file is
/// one that another process may be about to give its name.
pub fn sweep(dir: &Path, silence: Duration) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_aside =
        |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&format!("{NAME}."));
    entries.filter(is_aside).map(|entry| entry.path()).filter(|path| is_before(dir, path, silence)).for_each(
        |path| {
            let _ = fs::remove_file(path);
        },
    );
}

/// The leases that were seen, each with the time since which it is unchanged.
#[derive(Debug, Default)]
pub struct Watch(Mutex<HashMap<PathBuf, Sight>>);

#[derive(Debug)]
struct Sight {
    text: String,
    since: Instant,
    /// It changed while it was looked at.
    beats: bool,
}

/// The verdict on a lease that is looked at from time to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Its number grows.
    Lives,
    /// Not yet known.
    Unknown,
    /// No beat came for long enough.
    Silent,
}

impl Watch {
    /// Looks at the lease of a directory, whose text was just read.
    pub fn look(&self, dir: &Path, text: &str, silence: Duration, now: Instant) -> Sign {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Sight { text: text.to_owned(), since: now, beats: false };
        let sight = all.entry(dir.to_owned()).or_insert_with(new);
        if sight.text != text {
            let tokens = [&sight.text, text].map(|text| parse(text).map(|lease| lease.token));
            *sight = Sight { beats: tokens[0] == tokens[1], ..new() };
        }
        match now.saturating_duration_since(sight.since) {
            time if time >= silence => Sign::Silent,
            _ if sight.beats => Sign::Lives,
            _ => Sign::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_of_two_takes_what_nobody_owns_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Lease::new(), Lease::new());
        assert_ne!(first.token, second.token);
        assert!(first.write_first(dir.path()).unwrap());
        assert!(!second.write_first(dir.path()).unwrap());
        assert_eq!(Lease::read(dir.path()), Some(first.clone()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // One that lost its directory does not take it from its owner.
        assert!(second.write_over(dir.path()).unwrap());
        first.remove(dir.path());
        assert_eq!(Lease::read(dir.path()), Some(second.clone()));
        second.remove(dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_sweep_leaves_what_another_process_may_be_writing() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let mine = Lease::new();
        assert!(mine.write_over(dir.path()).unwrap());
        for (name, seconds) in [("lease.json.dead", 46), ("lease.json.slow", 40), ("lease.json.new", 0)] {
            fs::write(place(name), "{").unwrap();
            let written =
                fs::metadata(place(NAME)).unwrap().modified().unwrap() - Duration::from_secs(seconds);
            File::options().write(true).open(place(name)).unwrap().set_modified(written).unwrap();
        }
        sweep(dir.path(), Duration::from_secs(45));
        let left = ["lease.json.dead", "lease.json.slow", "lease.json.new"].map(|name| place(name).exists());
        assert_eq!((left, Lease::read(dir.path())), ([false, true, true], Some(mine)));
        // Without a lease nothing is known.
        fs::remove_file(place(NAME)).unwrap();
        sweep(dir.path(), Duration::ZERO);
        assert!(place("lease.json.slow").exists());
    }

    #[test]
    fn a_lease_whose_file_is_gone_before_it_has_its_name_was_too_slow() {
        let dir = tempfile::tempdir().unwrap();
        let (quick, slow) = (Lease::new(), Lease::new());
        let temporary = slow.write_aside(dir.path()).unwrap();
        assert!(quick.write_over(dir.path()).unwrap());
        fs::remove_file(&temporary).unwrap();
        assert!(!put_in_place(&temporary, dir.path()).unwrap());
        assert_eq!(Lease::read(dir.path()), Some(quick));
        // A directory in the lease's place is an error all the same, and leaves nothing.
        fs::remove_file(dir.path().join(NAME)).unwrap();
        fs::create_dir(dir.path().join(NAME)).unwrap();
        assert!(slow.write_over(dir.path()).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// By the clock of the one who looks alone, whatever the owner's says.
    #[test]
    fn a_lease_is_silent_when_its_text_has_not_changed_for_long_enough() {
        let (watch, dir, start) = (Watch::default(), Path::new("cell"), Instant::now());
        let silence = Duration::from_secs(45);
        let mut lease = Lease { beat: 7, ..Lease::new() };
        let look = |lease: &Lease, seconds| {
            let text = serde_json::to_string(lease).unwrap();
            watch.look(dir, &text, silence, start + Duration::from_secs(seconds))
        };
        assert_eq!(look(&lease, 0), Sign::Unknown);
        assert_eq!(look(&lease, 44), Sign::Unknown);
        lease.beat += 1;
        assert_eq!(look(&lease, 45), Sign::Lives);
        assert_eq!(look(&lease, 89), Sign::Lives);
        assert_eq!(look(&lease, 90), Sign::Silent);
        // Another owner's first lease is no beat of the one before.
        assert_eq!(look(&Lease::new(), 91), Sign::Unknown);
    }

    proptest! {
        #[test]
        fn any_lease_is_read_back(host in any::<String>(), token in any::<String>(), beat in any::<u64>(), every in any::<f64>()) {
            let lease = Lease { host, token, beat, every_seconds: every, ..Lease::new() };
            let silence = lease.silence();
            prop_assert!(silence >= Duration::from_millis(45) && silence <= Duration::from_mins(45));
            let read = parse(&serde_json::to_string(&lease).unwrap());
            // JSON has no word for what is not finite: such a lease is none.
            prop_assert_eq!(read, Some(lease).filter(|lease| lease.every_seconds.is_finite()));
        }
    }
}
