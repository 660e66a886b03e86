//! Several runs as one, if they compare.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use super::ReportInput;
use crate::run::numbers::add_plasticity;

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
            ("the features of the sample metrics", a.features != b.features),
            ("the number of samples a task", a.samples_per_task != b.samples_per_task),
            ("the bins of timesteps", edges(a) != edges(b)),
        ];
        if let Some((what, _)) = differing.into_iter().find(|(_, differs)| *differs) {
            bail!("the runs \"{}\" and \"{}\" do not compare: {what} differ(s)", a.name, b.name);
        }
        merged.results.cells.extend(b.cells.iter().cloned());
        merged.grids.extend(other.grids.clone());
    }
    let mut seen = BTreeSet::new();
    for cell in &merged.results.cells {
        if !seen.insert((&cell.label, cell.seed)) {
            bail!("two of the runs have the cell \"{}\" with seed {}", cell.label, cell.seed);
        }
    }
    if merged.results.cells.is_empty() {
        bail!("the run \"{}\" has no cells", first.results.name);
    }
    // The joint cell may come from another run than the cells that it is compared with.
    add_plasticity(&mut merged.results.cells);
    Ok(merged)
}

fn edges(results: &crate::results::Results) -> Option<&Vec<usize>> {
    results.cells.first().map(|cell| &cell.timestep.edges)
}
