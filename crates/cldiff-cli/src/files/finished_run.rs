//! A finished run, read back from its directory and found to be as it was written.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use cl_strategies::durable::sha256;

use super::{cell_directory::CellDirectory, manifest::Manifest};
use crate::results::Results;

pub(super) const CONFIG: &str = "config.toml";
pub(super) const RESULTS: &str = "results.json";
pub(super) const REAL: &str = "real.png";

/// Everything that a report shows of one run.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// Its directory, which no other run has, unlike its name.
    pub place: PathBuf,
    /// The numbers.
    pub results: Results,
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

/// No configuration and no results are nearly as large.
const MOST_BYTES: u64 = 1 << 30;

/// The text of a file, if it is as its hash says.
fn unchanged(path: &Path, hash: &str) -> Result<String> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() || metadata.len() > MOST_BYTES) {
        bail!("{} is not a regular file of at most {MOST_BYTES} bytes", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if sha256(text.as_bytes()) != hash {
        bail!(
            "{} was changed or damaged since the run wrote it: its SHA-256 is not that of the manifest",
            path.display()
        );
    }
    Ok(text)
}

/// Reads a run directory.
///
/// # Errors
/// If the directory holds no finished run, or one that was changed since.
pub fn load(root: &Path) -> Result<FinishedRun> {
    let path = root.join(RESULTS);
    if !path.exists() {
        let why = if Manifest::is_in(root) { ": it was interrupted; go on with it by --resume" } else { "" };
        bail!("{} holds no finished run{why}", root.display());
    }
    let manifest = Manifest::load(root)?;
    let hash = manifest.results_sha256.as_ref();
    let hash =
        hash.with_context(|| format!("{} is older than its results", root.join("manifest.json").display()))?;
    let results = Results::parse(&unchanged(&path, hash)?, &path)?;
    let tasks = results.stream.tasks.len();
    let mut grids = BTreeMap::new();
    for cell in &results.cells {
        let directory = CellDirectory::of(root, &cell.label, cell.seed);
        let pictures = (0..tasks).filter_map(|k| fs::read(directory.picture(k)).ok()).collect();
        grids.insert((cell.label.clone(), cell.seed), pictures);
    }
    Ok(FinishedRun {
        place: root.to_owned(),
        config_toml: config_of(root, &manifest)?,
        data_sha256: manifest.data_sha256.clone(),
        manifest: manifest.rows(),
        grids,
        real_grid: fs::read(root.join(REAL)).ok(),
        results,
    })
}
