//! Running the program, and looking at what it leaves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Variables by which a user changes what the program prints, or how it reaches a server.
const USERS: [&str; 17] = [
    "CLDIFF_FAULT",
    "CLDIFF_FAULT_TRACE",
    "CLDIFF_HEARTBEAT",
    "CLDIFF_NO_LOCKS",
    "CLDIFF_MORE_THREADS_THAN_CORES",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "NO_COLOR",
    "RAYON_NUM_THREADS",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
];

/// A scratch directory with a cache of its own, in which the program is run.
pub struct Scratch(pub tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[allow(dead_code, reason = "not every test file writes")]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The program in this directory, with a cache in it; nothing that the user has set or kept reaches it.
    pub fn command(&self) -> Command {
        let mut command = self.clean(Command::new(env!("CARGO_BIN_EXE_cldiff")));
        // Messages on one line each, so that a test finds their words.
        command.env("COLUMNS", "10000");
        command
    }

    /// Any program in this directory, likewise.
    pub fn clean(&self, mut command: Command) -> Command {
        for variable in USERS {
            command.env_remove(variable);
        }
        command
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// The program's outcome; its messages must not be in words of Rust.
    #[allow(dead_code, reason = "not every test file waits for it")]
    pub fn cldiff(&self, arguments: &[&str]) -> Output {
        let output = self.command().args(arguments).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(word_of_rust(&said), None, "{arguments:?}: {said}");
        output
    }
}

/// The first word by which Rust's `Debug` shows in what the program says: that of an option or a result, of a type, or of a
/// struct with its fields.
pub fn word_of_rust(said: &str) -> Option<&str> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let stands = |word: &str| {
        said.match_indices(word).any(|(at, _)| {
            let (before, after) = (&said[..at], &said[at + word.len()..]);
            !before.ends_with(is_letter) && (word.ends_with('(') || !after.starts_with(is_letter))
        })
    };
    let words = ["Some(", "Ok(", "Err(", "None", "usize", "isize", "PathBuf(", "Vec<", "Option<"];
    let structs = || {
        said.match_indices(" { ").find_map(|(at, _)| {
            let name = said[..at].rsplit(|c: char| !is_letter(c)).next().unwrap_or_default();
            // In TOML `features = { inception = {} }` nothing stands directly before the brace.
            name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
        })
    };
    words.into_iter().find(|word| stands(word)).or_else(structs)
}

/// The program's messages, or its results.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `results.json` without what may differ between two runs.
#[allow(dead_code, reason = "not every test file compares results")]
pub fn results_without_cost(run: &Path) -> Value {
    let mut results: Value =
        serde_json::from_str(&fs::read_to_string(run.join("results.json")).unwrap()).unwrap();
    for cell in results["cells"].as_array_mut().unwrap() {
        cell.as_object_mut().unwrap().remove("cost").unwrap();
    }
    results
}
