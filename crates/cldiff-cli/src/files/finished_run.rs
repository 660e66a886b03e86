//! A run as far as it has come, read back from its directory and found to be as it was written.
//!
//! The numbers are those of `results.json` and, for cells that it has not, those of the cells' `result.json`. Before
//! `results.json` is there, `reference.json` has the numbers of the run as a whole.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use cl_strategies::durable::{read_to_string, sha256};
use toml::{Table, Value};

use super::{
    cell_directory::CellDirectory,
    late,
    manifest::{Ending, Manifest},
    no_run,
};
use crate::{
    config::labels,
    results::{FailedCell, Results, SCHEMA, StreamInfo},
};

pub const CONFIG: &str = "config.toml";
pub(super) const RESULTS: &str = "results.json";
pub(super) const REFERENCE: &str = "reference.json";
pub(super) const REAL: &str = "real.png";

/// Everything that a report shows of one run.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// Its directory, which no other run has, unlike its name.
    pub place: PathBuf,
    /// The numbers.
    pub results: Results,
    /// Cells that have neither given a result nor failed, and how far each is; empty for a whole run.
    pub missing: Vec<String>,
    /// The resolved configuration.
    pub config_toml: String,
    /// SHA-256 of the images of all experiences: `train` and `eval`.
    pub data_sha256: BTreeMap<String, String>,
    /// Where and with what the run was made.
    pub manifest: Vec<(String, String)>,
    /// The sample grids (PNG) after each task, by label and seed.
    pub grids: BTreeMap<(String, u64), Vec<Vec<u8>>>,
    /// Real images of each task (PNG).
    pub real_grid: Option<Vec<u8>>,
}

/// The resolved configuration of a run.
pub(super) fn config_of(root: &Path, manifest: &Manifest) -> Result<String> {
    unchanged(&root.join(CONFIG), &manifest.config_sha256)
}

/// The resolved configuration of a run, found to be as it was written.
///
/// # Errors
/// If the directory holds no run, or one that was changed since it was written.
pub fn config(root: &Path) -> Result<String> {
    config_of(root, &manifest(root)?)
}

fn manifest(root: &Path) -> Result<Manifest> {
    if !Manifest::is_in(root) {
        bail!(no_run::message(root));
    }
    Manifest::load(root)
}

/// The references that all cells of a run are measured against; none before the run is prepared.
///
/// # Errors
/// If it was changed since it was written.
pub fn reference(root: &Path) -> Result<Option<Results>> {
    let manifest = Manifest::load(root)?;
    let path = root.join(REFERENCE);
    let Some(hash) = manifest.reference_sha256 else { return Ok(None) };
    Results::parse(&unchanged(&path, &hash)?, &path).map(Some)
}

/// The manifest of a run that is prepared, whose configuration is as it was written. A shared file system may show them
/// late.
///
/// # Errors
/// If it is not there, or not prepared, when the patience has come to its end.
pub fn prepared(root: &Path, patience: Duration) -> Result<Manifest> {
    late::seen(root, patience, || {
        let manifest = manifest(root)?;
        config_of(root, &manifest)?;
        reference(root)?.with_context(|| format!("{}: the run is not prepared", root.display()))?;
        Ok(manifest)
    })
    .map_err(|error: anyhow::Error| error.context("--cell makes cells of a run that cldiff prepare made"))
}

/// No configuration and no results are nearly as large.
const MOST_BYTES: u64 = 1 << 30;

/// The text of a file, if it is as its hash says.
fn unchanged(path: &Path, hash: &str) -> Result<String> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() || metadata.len() > MOST_BYTES) {
        bail!("{} is not a regular file of at most {MOST_BYTES} bytes", path.display());
    }
    let text = read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if sha256(text.as_bytes()) != hash {
        bail!(
            "{} was changed or damaged since the run wrote it: its SHA-256 is not that of the manifest",
            path.display()
        );
    }
    Ok(text)
}

/// Numbers that the run has written; none before it has, while a process is writing them, and where the last process ended
/// between the numbers and their hash. The cells' own files are whole then.
fn written(root: &Path, name: &str, hash: Option<&String>, manifest: &Manifest) -> Result<Option<Results>> {
    let path = root.join(name);
    let Some(hash) = hash.filter(|_| path.exists()) else { return Ok(None) };
    match unchanged(&path, hash) {
        Ok(text) => Results::parse(&text, &path).map(Some),
        // The manifest follows the file.
        Err(_) if manifest.last_ending() != Ending::Finished => Ok(None),
        Err(error) => Err(error),
    }
}

/// The numbers of `results.json` as the manifest knows it.
pub(super) fn whole_results(root: &Path, manifest: &Manifest) -> Result<Option<Results>> {
    written(root, RESULTS, manifest.results_sha256.as_ref(), manifest)
}

/// Reads a run directory at any moment of the run's life.
///
/// # Errors
/// If the directory holds no run, or one that was changed since it was written.
pub fn load(root: &Path) -> Result<FinishedRun> {
    let manifest = manifest(root)?;
    let config_toml = config_of(root, &manifest)?;
    let mut results = match whole_results(root, &manifest)? {
        Some(results) => results,
        None => written(root, REFERENCE, manifest.reference_sha256.as_ref(), &manifest)?
            .unwrap_or_else(|| nothing_measured(&config_toml)),
    };
    let missing = add_cells(root, &config_toml, &mut results);
    let tasks = results.stream.tasks.len();
    let mut grids = BTreeMap::new();
    for cell in &results.cells {
        let directory = CellDirectory::of(root, &cell.label, cell.seed);
        let pictures = (0..tasks).filter_map(|k| fs::read(directory.picture(k)).ok()).collect();
        grids.insert((cell.label.clone(), cell.seed), pictures);
    }
    Ok(FinishedRun {
        place: root.to_owned(),
        config_toml,
        data_sha256: manifest.data_sha256.clone(),
        manifest: manifest.rows(),
        grids,
        real_grid: fs::read(root.join(REAL)).ok(),
        results,
        missing,
    })
}

/// The results of a run that has not measured anything yet.
fn nothing_measured(config_toml: &str) -> Results {
    let table = config_toml.parse::<Table>().unwrap_or_default();
    Results {
        schema: SCHEMA,
        name: table.get("name").and_then(Value::as_str).unwrap_or("run").to_owned(),
        features: String::new(),
        samples_per_task: 0,
        stream: StreamInfo { tasks: Vec::new() },
        judge: None,
        floor_samples: BTreeMap::new(),
        floor_standard_errors: BTreeMap::new(),
        floor_summary: BTreeMap::new(),
        floor_draws_overlap: false,
        judge_confusion: Vec::new(),
        floor: BTreeMap::new(),
        cells: Vec::new(),
        failed: Vec::new(),
    }
}

/// Adds the results of cells that are finished and not among the results, and the failures. Returns a line on each
/// other cell.
fn add_cells(root: &Path, config_toml: &str, results: &mut Results) -> Vec<String> {
    let cells = cells_of(config_toml);
    let tasks = results.stream.tasks.len();
    let (mut missing, mut not_begun) = (Vec::new(), Vec::new());
    for (label, strategy, seed) in &cells {
        if results.cells.iter().any(|cell| cell.label == *label && cell.seed == *seed) {
            continue;
        }
        let directory = CellDirectory::of(root, label, *seed);
        let is_it = |failed: &FailedCell| failed.label == *label && failed.seed == *seed;
        if let Some(result) = directory.finished() {
            results.failed.retain(|failed| !is_it(failed));
            results.cells.push(result);
        } else if let Some(reason) = directory.failed() {
            if !results.failed.iter().any(is_it) {
                let (strategy, label, seed) = (strategy.clone(), label.clone(), *seed);
                results.failed.push(FailedCell::new(strategy, label, seed, reason));
            }
        } else if directory.progress(tasks).is_some() {
            missing.push(directory.told(label, *seed, tasks));
        } else {
            not_begun.push(directory.told(label, *seed, tasks));
        }
    }
    let place = |label: &str, seed: u64| cells.iter().position(|(l, _, s)| l == label && *s == seed);
    results.cells.sort_by_key(|cell| place(&cell.label, cell.seed).unwrap_or(cells.len()));
    missing.extend(not_begun);
    missing
}

/// Label, terms and seed of each cell of a configuration, in its order. A strategy need not be known to this program.
pub fn cells_of(config_toml: &str) -> Vec<(String, String, u64)> {
    let table = config_toml.parse::<Table>().unwrap_or_default();
    let seeds = table.get("seeds").and_then(Value::as_array).into_iter().flatten();
    let seeds: Vec<u64> = seeds.filter_map(|seed| u64::try_from(seed.as_integer()?).ok()).collect();
    let strategies = table.get("strategy").and_then(Value::as_array).into_iter().flatten();
    let terms = |strategy: &Value| -> String {
        let keys = strategy.as_table().into_iter().flat_map(Table::keys);
        keys.filter(|key| *key != "label").cloned().collect::<Vec<_>>().join("+")
    };
    let strategies: Vec<(String, String)> = labels(&table).into_iter().zip(strategies.map(terms)).collect();
    let of_seed = |seed: &u64| {
        strategies.iter().map(|(label, terms)| (label.clone(), terms.clone(), *seed)).collect::<Vec<_>>()
    };
    seeds.iter().flat_map(of_seed).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::tests::manifest, *};

    /// A process that ends between `results.json` and the manifest has damaged nothing: the cells' files have all numbers.
    #[test]
    fn results_are_none_while_the_manifest_lags_behind_them() {
        let run = tempfile::tempdir().unwrap();
        let text = include_str!("../../../fuzz-targets/examples/results.json");
        fs::write(run.path().join(RESULTS), text).unwrap();
        let mut manifest = manifest();
        manifest.results_sha256 = Some(sha256(b"the results before"));
        let session = manifest.begin_session(|_| false);
        for how in [Ending::Running, Ending::Interrupted, Ending::Failed, Ending::Killed] {
            manifest.end_session(&session, how);
            assert!(whole_results(run.path(), &manifest).unwrap().is_none(), "{how:?}");
        }
        manifest.end_session(&session, Ending::Finished);
        let message = format!("{:#}", whole_results(run.path(), &manifest).unwrap_err());
        assert!(message.contains("was changed or damaged"), "{message}");
        manifest.finish(sha256(text.as_bytes()), true);
        assert!(whole_results(run.path(), &manifest).unwrap().is_some());
    }

    #[test]
    fn the_cells_of_a_configuration_are_named_without_knowing_its_strategies() {
        let text = "seeds = [0, 3]\n[[strategy]]\nmine = {}\n[[strategy]]\nlabel = 'r'\nreplay = {}\n";
        let found = cells_of(text);
        let expected = [("mine", "mine", 0), ("r", "replay", 0), ("mine", "mine", 3), ("r", "replay", 3)];
        assert_eq!(found, expected.map(|(label, terms, seed)| (label.to_owned(), terms.to_owned(), seed)));
        assert!(cells_of("").is_empty());
    }

    #[test]
    fn a_directory_without_a_manifest_holds_no_run() {
        let dir = tempfile::tempdir().unwrap();
        let message = format!("{:#}", load(dir.path()).unwrap_err());
        assert!(message.contains("holds no run"), "{message}");
    }
}
