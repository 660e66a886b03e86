//! Several runs as one, if they compare.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::ReportInput;
use crate::{config::first_difference, quantities::references, results::Results};

/// The first run with the cells of all.
///
/// # Errors
/// If stream, features or number of samples differ, or two runs have the same cell.
pub(super) fn merge(inputs: &[ReportInput]) -> Result<ReportInput> {
    let (first, rest) = inputs.split_first().context("no run to report")?;
    let mut merged = first.clone();
    for other in rest {
        let (a, b) = (&first.results, &other.results);
        let differing = [
            ("the stream of tasks", a.stream != b.stream),
            ("the number of samples a task", a.samples_per_task != b.samples_per_task),
            ("the bins of timesteps", edges(a) != edges(b)),
        ];
        let what = differing.into_iter().find(|(_, differs)| *differs);
        let what = what.map(|(what, _)| format!("{what} differ(s)"));
        let what = other_features(&a.features, &b.features).or(what);
        if let Some(what) = what.or_else(|| other_images(first, other)).or(other_settings(first, other)?) {
            bail!("the runs {} and {} do not compare: {what}", first.place.display(), other.place.display());
        }
        merged.results.cells.extend(b.cells.iter().cloned());
        merged.results.failed.extend(b.failed.iter().cloned());
        merged.missing.extend(other.missing.iter().cloned());
        merged.grids.extend(other.grids.clone());
    }
    check_distinct(inputs)?;
    if merged.results.cells.is_empty() {
        bail!("the run {} has no cells", first.place.display());
    }
    // A reference may come from another run than the cells that are compared with it.
    references::compare(&mut merged.results.cells);
    Ok(merged)
}

/// Refuses a cell that two runs have.
fn check_distinct(inputs: &[ReportInput]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for input in inputs {
        for cell in &input.results.cells {
            if let Some(before) = seen.insert((&cell.label, cell.seed), &input.place) {
                let (label, seed, here) = (&cell.label, cell.seed, input.place.display());
                bail!(
                    "both {} and {here} have the cell \"{label}\" with seed {seed}; give runs with different seeds or \
                     strategies",
                    before.display()
                );
            }
        }
    }
    Ok(())
}

/// Features have the hash of their network's weights in their name: a classifier that was trained on another device has
/// other weights, and numbers in its features do not compare.
fn other_features(a: &str, b: &str) -> Option<String> {
    (a != b).then(|| {
        format!(
            "the features of the sample metrics differ: {a}; {b}. A classifier is trained anew where none is cached, and is \
             another one on another device: for one classifier in all runs, copy the cache directory of cldiff from the \
             machine of the first run to those of the others (XDG_CACHE_HOME sets its place), and run again"
        )
    })
}

/// Settings in which runs that compare may differ.
const FREE: [&str; 4] = ["name", "seeds", "strategy", "checkpoints"];

fn other_settings(a: &ReportInput, b: &ReportInput) -> Result<Option<String>> {
    let parse = |input: &ReportInput| {
        let table = input.config_toml.parse::<toml::Table>();
        table.with_context(|| format!("the configuration of the run {}", input.place.display()))
    };
    let difference = first_difference(&parse(a)?, &parse(b)?, &FREE);
    Ok(difference.map(|(key, [in_a, in_b])| {
        format!("`{key}` is {in_a} in {} and {in_b} in {}", a.place.display(), b.place.display())
    }))
}

fn other_images(a: &ReportInput, b: &ReportInput) -> Option<String> {
    let differs = |part: &&str| a.data_sha256.get(*part) != b.data_sha256.get(*part);
    ["train", "eval"].into_iter().find(differs).map(|part| format!("their {part} images are not the same"))
}

fn edges(results: &Results) -> Option<&Vec<usize>> {
    results.cells.first().map(|cell| &cell.timestep.edges)
}
