//! A directory that holds no run: whether it is there, and which runs lie below it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::manifest::Manifest;

/// Runs that a message names.
const SHOWN: usize = 8;
/// Levels of directories that are searched: the runs of a sweep, and the sweeps of a directory of runs.
const LEVELS: usize = 2;

/// The message on a place that is not a run directory.
pub(super) fn message(root: &Path) -> String {
    let place = root.display();
    if !root.exists() {
        return format!("{place}: no such directory");
    }
    if !root.is_dir() {
        return format!("{place}: expected the directory of a run, and this is a file");
    }
    let below = below(root, LEVELS);
    let shown: Vec<String> = below.iter().take(SHOWN).map(|run| run.display().to_string()).collect();
    let runs = match below.len() {
        0 => String::new(),
        n if n <= SHOWN => format!("; it holds these runs: {}", shown.join(", ")),
        n => format!("; it holds these runs: {} and {} more", shown.join(", "), n - SHOWN),
    };
    format!("{place} holds no run: it has no manifest.json{runs}")
}

/// The runs below a directory, in the order of their paths.
fn below(root: &Path, levels: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut inner: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    inner.sort();
    let runs = |path: PathBuf| match levels {
        _ if Manifest::is_in(&path) => vec![path],
        2.. => below(&path, levels - 1),
        _ => Vec::new(),
    };
    inner.into_iter().flat_map(runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("manifest.json"), "{}").unwrap();
    }

    #[test]
    fn what_is_not_there_is_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        assert_eq!(message(&absent), format!("{}: no such directory", absent.display()));
        let file = dir.path().join("results.json");
        fs::write(&file, "{}").unwrap();
        assert!(
            message(&file).ends_with("results.json: expected the directory of a run, and this is a file")
        );
    }

    #[test]
    fn the_runs_of_a_sweep_and_of_sweeps_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let at = |path: &str| root.join(path).display().to_string();
        let none = format!("{} holds no run: it has no manifest.json", root.display());
        assert_eq!(message(root), none);
        for path in ["sweep/batch_size=8", "sweep/batch_size=16", "alone", "alone/cells/x", "too/far/away"] {
            run(&root.join(path));
        }
        fs::create_dir(root.join("empty")).unwrap();
        let named = [at("alone"), at("sweep/batch_size=16"), at("sweep/batch_size=8")].join(", ");
        assert_eq!(message(root), format!("{none}; it holds these runs: {named}"));
        for i in 0..8 {
            run(&root.join(format!("more/{i}")));
        }
        let many = message(root);
        assert!(many.contains(&at("more/6")) && many.ends_with(" and 3 more"), "{many}");
    }
}
