//! The experiments under `evidence/`: what is asked of each, and its numbers where the run has ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    repository,
    rows::Rows,
    spec::{Spec, State},
};

/// All experiments, by name.
pub struct Experiments(Vec<(String, Spec, Option<Rows>)>);

impl Experiments {
    /// Reads the folders of `evidence/`, in the order of their names.
    ///
    /// # Panics
    /// For a file that cannot be read, results that are missing, and results of an experiment that is called running.
    pub fn read() -> Self {
        let entries = fs::read_dir(repository().join("evidence")).expect("evidence/");
        let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
        folders.sort();
        Self(folders.iter().map(|folder| experiment(folder)).collect())
    }

    /// Experiments that are given.
    #[cfg(test)]
    pub fn of(all: Vec<(String, Spec, Option<Rows>)>) -> Self {
        Self(all)
    }

    /// An experiment; no numbers while it is running.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn get(&self, name: &str) -> (&Spec, Option<&Rows>) {
        let found = self.iter().find(|(known, ..)| *known == name);
        let (_, spec, rows) = found.unwrap_or_else(|| panic!("there is no experiment {name}"));
        (spec, rows)
    }

    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Spec, Option<&Rows>)> {
        self.0.iter().map(|(name, spec, rows)| (name.as_str(), spec, rows.as_ref()))
    }
}

fn experiment(folder: &Path) -> (String, Spec, Option<Rows>) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let text =
        fs::read_to_string(folder.join("tables.toml")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let spec: Spec = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let results = results(folder);
    let are_there = !results.is_empty();
    match spec.state {
        State::Done => {
            assert!(are_there, "{name}: no file of results");
            (name, spec, Some(Rows::read(&results)))
        }
        State::Running => {
            assert!(!are_there, "{name}: the results are there: take `state = \"running\"` away");
            (name, spec, None)
        }
    }
}

/// The long tables of an experiment, a file for each of its runs.
fn results(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    paths.sort();
    paths
}
