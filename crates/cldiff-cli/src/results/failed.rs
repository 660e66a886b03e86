//! Cells that gave no result.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{CellResult, Costs, Readings, TimestepResult};

/// A cell that gave no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Told")]
pub struct FailedCell {
    /// The terms of the strategy.
    pub strategy: String,
    /// The label of the strategy in this run.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// Why.
    pub reason: String,
    #[serde(skip)]
    empty: Box<CellResult>,
}

/// As it stands in a file.
#[derive(Deserialize)]
struct Told {
    strategy: String,
    label: String,
    seed: u64,
    reason: String,
}

impl FailedCell {
    /// A cell that failed for a reason.
    pub fn new(strategy: String, label: String, seed: u64, reason: String) -> Self {
        let empty = Box::new(empty(&strategy, &label, seed, &reason));
        Self { strategy, label, seed, reason, empty }
    }

    /// A result without any number, which stands among those of the strategy's other seeds: a mean over the seeds then is
    /// none, as it is where one value of a seed is missing. The seeds that did not fail are no sample of all.
    pub fn as_result(&self) -> &CellResult {
        &self.empty
    }
}

impl From<Told> for FailedCell {
    fn from(Told { strategy, label, seed, reason }: Told) -> Self {
        Self::new(strategy, label, seed, reason)
    }
}

impl fmt::Display for FailedCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (seed {}) failed: {}", self.label, self.seed, self.reason)
    }
}

fn empty(strategy: &str, label: &str, seed: u64, reason: &str) -> CellResult {
    CellResult {
        strategy: strategy.to_owned(),
        label: label.to_owned(),
        seed,
        bound: None,
        matrices: BTreeMap::new(),
        pooled: BTreeMap::new(),
        timestep: TimestepResult::default(),
        standard_errors: BTreeMap::new(),
        untrained: BTreeMap::new(),
        hybrid_sampling: Vec::new(),
        gradient_cosine: None,
        cka: None,
        samples: BTreeMap::new(),
        pooled_samples: BTreeMap::new(),
        pooled_standard_errors: BTreeMap::new(),
        ema_weight_of_past: Vec::new(),
        missing: Vec::new(),
        readings: Readings::default(),
        summary: BTreeMap::new(),
        summary_missing: BTreeMap::new(),
        cost: Costs::default(),
        failed: Some(format!("failed: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_four_keys_and_the_empty_result_is_made_again() {
        let failed = FailedCell::new("ewc".into(), "b".into(), 4, "it diverged".into());
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(text, r#"{"strategy":"ewc","label":"b","seed":4,"reason":"it diverged"}"#);
        let read: FailedCell = serde_json::from_str(&text).unwrap();
        assert_eq!(read, failed);
        let CellResult { label, seed, failed, .. } = read.as_result();
        assert_eq!((label.as_str(), *seed, failed.as_deref()), ("b", 4, Some("failed: it diverged")));
        assert_eq!(read.to_string(), "b (seed 4) failed: it diverged");
    }
}
