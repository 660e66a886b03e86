//! `manifest.json`: with what a run was made, on what, and what became of it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use cl_strategies::durable::{read_to_string, sha256, write_whole};
use cldiff_engine::Engine;
use data_streams::{ClassImages, Inventory, Stream};
use serde::{Deserialize, Serialize};

use super::machine;
use crate::{config::Config, ui::class_counts::in_one_line};

/// The schema that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// Its file in the directory of a run.
pub(super) const NAME: &str = "manifest.json";
/// A session has a few hundred bytes.
const MOST_BYTES: u64 = 64 << 20;

/// Where and with what a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The program's version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// SHA-256 of the resolved configuration, `config.toml`.
    pub config_sha256: String,
    /// SHA-256 of the images and labels of all experiences: `train` and `eval`.
    pub data_sha256: BTreeMap<String, String>,
    /// Images of each class in all experiences together; none in manifests of older versions.
    #[serde(default)]
    pub classes: Vec<ClassImages>,
    /// The backend.
    pub backend: String,
    /// The device, in words.
    pub device: String,
    /// Features of the processor that the CPU kernels can use.
    pub cpu_features: Vec<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// When the run began (UTC).
    pub start: String,
    /// When the results of all cells were written; none while it goes on, and while cells are missing.
    pub end: Option<String>,
    /// Every process that worked on it.
    pub sessions: Vec<Session>,
    /// SHA-256 of `results.json`; none until it is written.
    pub results_sha256: Option<String>,
    /// SHA-256 of `reference.json`; none until it is written.
    #[serde(default)]
    pub reference_sha256: Option<String>,
}

/// One process that worked on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Where.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// The commit that it was built from.
    pub commit: String,
    /// Threads of the CPU kernels.
    pub threads: usize,
    /// When it began (UTC).
    pub start: String,
    /// When it ended; none if it did so without a word.
    pub end: Option<String>,
    /// How it ended.
    pub how: Ending,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is going on.
    Running,
    /// All cells were tried.
    Finished,
    /// It was asked to stop.
    Interrupted,
    /// It could not go on: a full disk, for example.
    Failed,
    /// Without a word: killed, or the machine lost power.
    Killed,
}

impl Manifest {
    /// That of a run that begins.
    pub fn new(config: &Config, text: &str, stream: &Stream, engines: &[Box<dyn Engine>]) -> Self {
        let devices: Vec<String> = engines.iter().map(|engine| engine.device()).collect();
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: env!("CLDIFF_COMMIT").into(),
            config_sha256: sha256(text.as_bytes()),
            data_sha256: data_hashes(stream),
            classes: Inventory::of_stream(stream).0,
            backend: engines.first().map_or("", |engine| engine.backend()).into(),
            device: devices.join(", "),
            cpu_features: cldiff_engine::cpu_features(),
            seeds: config.seeds.clone(),
            start: now(),
            end: None,
            sessions: Vec::new(),
            results_sha256: None,
            reference_sha256: None,
        }
    }

    /// How the last process that worked on it ended; running if one goes on, or if nothing else is known.
    pub fn last_ending(&self) -> Ending {
        let goes_on = self.sessions.iter().any(|session| session.how == Ending::Running);
        self.sessions.last().filter(|_| !goes_on).map_or(Ending::Running, |session| session.how)
    }

    /// Reads that of a run.
    ///
    /// # Errors
    /// If it cannot be read, or has another schema.
    pub fn load(run: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Schema {
            #[serde(default)]
            schema: u32,
        }
        let path = run.join(NAME);
        let name = path.display();
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file() || metadata.len() > MOST_BYTES) {
            bail!("{name} is not a regular file of at most {MOST_BYTES} bytes");
        }
        let text = read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let Schema { schema } =
            serde_json::from_str(&text).with_context(|| format!("{name} is not a run's manifest"))?;
        match schema {
            SCHEMA => serde_json::from_str(&text)
                .with_context(|| format!("{name} is not a manifest of schema {SCHEMA}")),
            0 => bail!(
                "{name} has no schema: an earlier cldiff wrote it, without the hashes by which damage \
                 is told; make the run again"
            ),
            other => bail!(
                "{name} has schema {other}; this program reads schema {SCHEMA}: use the version that wrote it"
            ),
        }
    }

    /// Whether a run has one.
    pub fn is_in(run: &Path) -> bool {
        run.join(NAME).exists()
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, run: &Path) -> io::Result<()> {
        write_whole(&run.join(NAME), self.to_json()?.as_bytes())
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that is known of: all of it is plain data.
    pub fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Notes that this process goes to work, and gives its session; one before it that has not said how it ended, and of
    /// which there is no sign that it lives, was killed.
    pub fn begin_session(&mut self, lives: impl Fn(&Session) -> bool) -> Session {
        let silent =
            self.sessions.iter_mut().filter(|session| session.how == Ending::Running && !lives(session));
        silent.for_each(|session| session.how = Ending::Killed);
        self.end = None;
        let session = Session {
            host: machine::host(),
            process: std::process::id(),
            commit: env!("CLDIFF_COMMIT").into(),
            threads: rayon::current_num_threads(),
            start: now(),
            end: None,
            how: Ending::Running,
        };
        self.sessions.push(session.clone());
        session
    }

    /// Notes how a session ended, as [`begin_session`](Self::begin_session) gave it.
    pub fn end_session(&mut self, begun: &Session, how: Ending) {
        let is_it = |session: &&mut Session| {
            (&session.host, session.process, &session.start) == (&begun.host, begun.process, &begun.start)
        };
        if let Some(session) = self.sessions.iter_mut().rev().find(is_it) {
            (session.end, session.how) = (Some(now()), how);
        }
    }

    /// Notes the results that were written. The run has ended if no cell of it is missing.
    pub fn finish(&mut self, results_sha256: String, is_whole: bool) {
        self.results_sha256 = Some(results_sha256);
        self.end = is_whole.then(now);
    }

    /// Whether a program of this version made it.
    pub fn is_of_this_version(&self) -> bool {
        self.version == env!("CARGO_PKG_VERSION")
    }

    /// The differences of program and data that would make a resumed run another run.
    pub fn obstacle(&self, now: &Self) -> Option<String> {
        let pairs = [("backend", &self.backend, &now.backend), ("version", &self.version, &now.version)];
        for (what, there, here) in pairs {
            if there != here {
                return Some(format!("its {what} is {there}, here it is {here}"));
            }
        }
        let differs = |part: &str| self.data_sha256.get(part) != now.data_sha256.get(part);
        let part = ["train", "eval"].into_iter().find(|part| differs(part))?;
        Some(format!("its {part} images are others than those here"))
    }

    /// The differences that may change the last digits of numbers. They are no reason to refuse.
    pub fn doubts(&self, now: &Self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.commit != now.commit {
            doubts.push(format!("it was begun by commit {}, this is {}", self.commit, now.commit));
        }
        if self.device != now.device || self.cpu_features != now.cpu_features {
            doubts.push(format!("it was begun on another device or processor: {}", self.device));
        }
        doubts
    }

    /// The entries that the report shows.
    pub fn rows(&self) -> Vec<(String, String)> {
        let is_interrupted = |session: &&Session| match session.how {
            Ending::Interrupted | Ending::Failed | Ending::Killed => true,
            Ending::Running | Ending::Finished => false,
        };
        let interruptions = self.sessions.iter().filter(is_interrupted).count();
        let threads: Vec<String> = self.sessions.iter().map(|session| session.threads.to_string()).collect();
        let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut rows = vec![
            row("version", &self.version),
            row("commit", &self.commit),
            row("backend", &self.backend),
            row("device", &self.device),
            row("threads", threads.last().map_or("", |threads| threads)),
            row("processor features", &self.cpu_features.join(", ")),
            row("seeds", &self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
            row("start", &self.start),
            row("end", self.end.as_deref().unwrap_or("-")),
            row("interruptions", &interruptions.to_string()),
            row("images", &in_one_line(&Inventory(self.classes.clone()))),
            row("SHA-256 of the configuration", &self.config_sha256),
        ];
        let data = self.data_sha256.iter();
        rows.retain(|(name, _)| name != "images" || !self.classes.is_empty());
        rows.extend(data.map(|(part, hash)| (format!("SHA-256 of the {part} images"), hash.clone())));
        rows
    }
}

/// SHA-256 of the images and labels of all experiences: `train` and `eval`.
pub fn data_hashes(stream: &Stream) -> BTreeMap<String, String> {
    let experiences = stream.experiences();
    let of = |hashes: Vec<String>| sha256(hashes.concat().as_bytes());
    BTreeMap::from([
        ("train".to_owned(), of(experiences.iter().map(|e| e.train.content_hash()).collect())),
        ("eval".to_owned(), of(experiences.iter().map(|e| e.eval.content_hash()).collect())),
    ])
}

/// This moment, as far as the clock can be believed.
fn now() -> String {
    stamp(SystemTime::now())
}

/// UTC, to the second; a time that the notation has no word for becomes the nearest that it has one for.
fn stamp(time: SystemTime) -> String {
    // The last second of the year 9999.
    const LATEST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LATEST);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_clock_is_written_down() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(stamp(epoch - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(stamp(epoch + Duration::from_secs(1_000_000_000)), "2001-09-09T01:46:40Z");
        assert_eq!(stamp(epoch + Duration::from_secs(1 << 50)), "9999-12-31T23:59:59Z");
    }

    /// That of a run that nobody has worked on.
    pub fn manifest() -> Manifest {
        Manifest {
            schema: SCHEMA,
            version: "1.2.3".into(),
            commit: "abc".into(),
            config_sha256: "c".into(),
            data_sha256: BTreeMap::from([("train".into(), "t".into()), ("eval".into(), "e".into())]),
            classes: Vec::new(),
            backend: "flex".into(),
            device: "CPU".into(),
            cpu_features: vec!["avx2".into()],
            seeds: vec![0],
            start: "then".into(),
            end: None,
            sessions: Vec::new(),
            results_sha256: None,
            reference_sha256: None,
        }
    }

    #[test]
    fn every_session_is_told_and_one_without_an_end_was_killed() {
        let mut manifest = manifest();
        manifest.begin_session(|_| false);
        let second = manifest.begin_session(|_| false);
        manifest.end_session(&second, Ending::Interrupted);
        let third = manifest.begin_session(|_| false);
        manifest.end_session(&third, Ending::Finished);
        let how: Vec<Ending> = manifest.sessions.iter().map(|session| session.how).collect();
        assert_eq!(how, [Ending::Killed, Ending::Interrupted, Ending::Finished]);
        let told = |manifest: &Manifest, row: &str| {
            manifest.rows().into_iter().find_map(|(name, value)| (name == row).then_some(value)).unwrap()
        };
        assert_eq!(told(&manifest, "interruptions"), "2");
        // A process that goes on was not interrupted; one that failed was.
        let fourth = manifest.begin_session(|_| false);
        assert_eq!(told(&manifest, "interruptions"), "2");
        manifest.end_session(&fourth, Ending::Failed);
        assert_eq!(told(&manifest, "interruptions"), "3");
    }

    /// A process that has prepared a run, or merged some cells of it, has done its part; the run goes on.
    #[test]
    fn a_run_ends_when_no_cell_is_missing() {
        let mut manifest = manifest();
        let prepared = manifest.begin_session(|_| false);
        manifest.end_session(&prepared, Ending::Finished);
        assert_eq!((&manifest.end, manifest.last_ending()), (&None, Ending::Finished));
        manifest.finish("some".into(), false);
        assert_eq!((&manifest.end, manifest.results_sha256.as_deref()), (&None, Some("some")));
        manifest.finish("all".into(), true);
        assert!(manifest.end.is_some() && manifest.results_sha256.as_deref() == Some("all"));
        // Another process takes the run up: it goes on again.
        manifest.begin_session(|_| false);
        assert_eq!(manifest.end, None);
    }

    #[test]
    fn several_processes_at_a_time_end_each_on_its_own() {
        let mut manifest = manifest();
        let first = Session { process: 1, ..manifest.begin_session(|_| false) };
        manifest.sessions[0] = first.clone();
        let second = manifest.begin_session(|session| session.process == 1);
        assert_eq!(manifest.last_ending(), Ending::Running);
        manifest.end_session(&second, Ending::Finished);
        assert_eq!(manifest.last_ending(), Ending::Running, "the first goes on");
        manifest.end_session(&first, Ending::Interrupted);
        let how: Vec<Ending> = manifest.sessions.iter().map(|session| session.how).collect();
        assert_eq!(
            (&how[..], manifest.last_ending()),
            (&[Ending::Interrupted, Ending::Finished][..], Ending::Finished)
        );
    }

    #[test]
    fn other_programs_data_and_backends_are_obstacles_and_other_commits_are_not() {
        let there = manifest();
        let changed = |change: fn(&mut Manifest)| {
            let mut here = manifest();
            change(&mut here);
            here
        };
        assert_eq!(there.obstacle(&there), None);
        let told = |here: &Manifest| there.obstacle(here).unwrap();
        assert!(told(&changed(|m| m.backend = "cuda".into())).contains("flex"));
        assert!(told(&changed(|m| m.version = "2".into())).contains("1.2.3"));
        let images = changed(|m| m.data_sha256.extend([("eval".to_owned(), "x".to_owned())]));
        assert!(told(&images).contains("eval images"));
        let other = changed(|m| m.commit = "def".into());
        assert_eq!(there.obstacle(&other), None);
        assert_eq!(there.doubts(&other).len(), 1);
    }

    #[test]
    fn images_of_each_class_are_shown_where_they_were_counted() {
        let mut manifest = manifest();
        let has_images = |manifest: &Manifest| manifest.rows().iter().any(|(name, _)| name == "images");
        assert!(!has_images(&manifest));
        let class = |name: &str, train| ClassImages { name: name.into(), train, eval: 2 };
        manifest.classes = vec![class("a", 3), class("b", 4)];
        let told = "2 classes, with 3 to 4 images to train on and 2 held out; of each: a 3+2 b 4+2";
        assert!(manifest.rows().contains(&("images".into(), told.into())));
        // An older version counted none.
        let mut older = serde_json::to_value(&manifest).unwrap();
        older.as_object_mut().unwrap().remove("classes").unwrap();
        let read: Manifest = serde_json::from_value(older).unwrap();
        assert!(read.classes.is_empty());
    }

    #[test]
    fn other_schemas_are_refused_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        manifest().save(dir.path()).unwrap();
        assert_eq!(Manifest::load(dir.path()).unwrap(), manifest());
        for (text, told) in [
            ("{\"schema\": 7}", "schema 7"),
            ("{\"version\": \"0.1.0\"}", "has no schema"),
            ("{\"schema\": 1}", "not a manifest of schema 1"),
            ("[", "not a run's manifest"),
        ] {
            fs::write(dir.path().join(NAME), text).unwrap();
            let message = format!("{:#}", Manifest::load(dir.path()).unwrap_err());
            assert!(message.contains(told) && message.contains(NAME), "{message}");
        }
    }
    #[test]
    fn a_manifest_without_an_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        // Sparse: nothing of it is on the disk.
        fs::File::create(dir.path().join(NAME)).unwrap().set_len(MOST_BYTES + 1).unwrap();
        let message = format!("{:#}", Manifest::load(dir.path()).unwrap_err());
        assert!(message.contains(NAME) && message.contains("at most 67108864 bytes"), "{message}");
    }

    proptest! {
        #[test]
        fn any_manifest_is_read_back(
            texts in prop::collection::vec(any::<String>(), 6),
            hashes in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
            seeds in prop::collection::vec(any::<u64>(), 0..4),
            (process, threads) in any::<(u32, usize)>(),
            end in any::<Option<String>>(),
            how in prop::sample::select(&[
                Ending::Running, Ending::Finished, Ending::Interrupted, Ending::Failed, Ending::Killed,
            ][..]),
        ) {
            let text = |i: usize| texts[i].clone();
            let session = Session {
                host: text(0),
                process,
                commit: text(1),
                threads,
                start: text(2),
                end: end.clone(),
                how,
            };
            let manifest = Manifest {
                version: text(3),
                device: text(4),
                cpu_features: texts.clone(),
                data_sha256: hashes,
                seeds,
                start: text(5),
                results_sha256: end.clone(),
                end,
                sessions: vec![session; 2],
                ..manifest()
            };
            let dir = tempfile::tempdir().unwrap();
            manifest.save(dir.path()).unwrap();
            prop_assert_eq!(Manifest::load(dir.path()).unwrap(), manifest);
        }
    }
}
