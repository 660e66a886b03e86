//! `search.json`: the plan of a search, and what was found on each rung. Documented in docs/results.md.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use cl_strategies::durable::{read_to_string, write_whole};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;

use super::order::ClassOrder;
use crate::config::first_difference;

/// The file in the directory of a search.
pub const FILE: &str = "search.json";
/// The schema of the file.
pub const SCHEMA: u32 = 1;

/// A search, as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The schema of the file.
    pub schema: u32,
    /// Whether every rung is decided.
    pub done: bool,
    /// All that is decided before the search begins.
    pub plan: Plan,
    /// The strategies that are searched, in the order of the configuration.
    pub strategies: Vec<Searched>,
}

/// All that is decided before a search begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The name of the configuration.
    pub name: String,
    /// The quantity that candidates are compared by, as in the long table.
    pub metric: String,
    /// `lower` or `higher`
    pub better: Better,
    /// Passes that the trainings of each strategy may take.
    pub budget: u64,
    /// A rung keeps one candidate of so many.
    pub eta: u64,
    /// The seeds of the search.
    pub seeds: Vec<u64>,
    /// The seed of the candidates' values.
    pub search_seed: u64,
    /// The order of classes.
    pub class_order: ClassOrder,
    /// The names of the tasks in that order.
    pub tasks: Vec<String>,
    /// Passes of an experience, as long as the configuration trains.
    pub passes_of_the_configuration: u64,
    /// The rungs.
    pub rungs: Vec<PlannedRung>,
    /// The strategies that are searched.
    pub strategies: Vec<Space>,
    /// The others.
    pub not_searched: Vec<NotSearched>,
    /// The configuration that is tuned, with everything filled in, without `checkpoints`.
    pub configuration: Table,
}

/// The direction that is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    Lower,
    Higher,
}

/// A rung of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRung {
    /// The run directory within that of the search.
    pub directory: String,
    /// Candidates of each strategy, at most.
    pub candidates: u64,
    /// Passes of each experience: `training.budget.passes`.
    pub passes_per_experience: u64,
}

/// The candidates of a strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// The label.
    pub label: String,
    /// The terms.
    pub strategy: String,
    /// The options with their ranges: `key`, and `low`, `high`, `scale` or `choices`.
    pub options: Vec<Value>,
    /// The values of each candidate by key; the first is the configuration's own setting.
    pub candidates: Vec<Values>,
}

/// Values by key. A key that the configuration's own setting has no value for is absent.
pub type Values = BTreeMap<String, Value>;

/// A strategy without a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotSearched {
    /// The label.
    pub label: String,
    /// The reason.
    pub reason: String,
}

/// The search of one strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Searched {
    /// The label.
    pub label: String,
    /// Passes of its trainings on all rungs so far.
    pub spent: u64,
    /// The rungs that are decided.
    pub rungs: Vec<Decided>,
    /// The outcome; none before the last rung is decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

/// A strategy's candidates on one rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The number of the rung, from 1.
    pub rung: usize,
    /// The candidates, the best first.
    pub candidates: Vec<Scored>,
}

/// A candidate on a rung.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    /// Its number, from 0.
    pub candidate: usize,
    /// The label in the run of the rung.
    pub label: String,
    /// The mean over the seeds; null if one of them has no value.
    pub score: Option<f64>,
    /// The value of each seed, in the order of the seeds.
    pub by_seed: Vec<Option<f64>>,
    /// Why there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Passes of its trainings, of all seeds together; those of a training that failed are not known.
    pub passes: u64,
}

/// The outcome of a strategy's search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The number of the candidate.
    pub candidate: usize,
    /// Its values.
    pub values: Values,
    /// Its last rung, and its score there; null if no candidate of the strategy has one.
    pub rung: usize,
    /// As that.
    pub score: Option<f64>,
    /// Against the configuration's own setting, on the last rung that both were on.
    pub against_own: Against,
}

/// Two scores on one rung.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// The number of the rung.
    pub rung: usize,
    /// The score of the configuration's own setting.
    pub own: Option<f64>,
    /// The score of the chosen one.
    pub chosen: Option<f64>,
}

impl Search {
    /// Reads the search of a directory; none if it has none.
    ///
    /// # Errors
    /// If the file is not as this program writes it.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let search: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not what cldiff tune writes", path.display()))?;
        anyhow::ensure!(
            search.schema == SCHEMA,
            "{} has schema {}: this program reads schema {SCHEMA}",
            path.display(),
            search.schema
        );
        Ok(Some(search))
    }

    /// Writes it, once it was read back as it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        anyhow::ensure!(serde_json::from_str::<Self>(&text)? == *self, "{FILE} is not read as it is written");
        Ok(write_whole(&root.join(FILE), text.as_bytes())?)
    }
}

impl Plan {
    /// The first key in which another plan differs, with the value of each.
    ///
    /// # Errors
    /// If a plan cannot be written as a table.
    pub fn difference(&self, other: &Self) -> Result<Option<(String, [String; 2])>> {
        Ok(first_difference(&Table::try_from(self)?, &Table::try_from(other)?, &[]))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn plan() -> Plan {
        Plan {
            name: "n".into(),
            metric: "fid.final_average".into(),
            better: Better::Lower,
            budget: 1000,
            eta: 3,
            seeds: vec![1000, 1001],
            search_seed: 0,
            class_order: ClassOrder::Shuffled { seed: 2 },
            tasks: vec!["a, b".into()],
            passes_of_the_configuration: 100,
            rungs: vec![PlannedRung {
                directory: "rung-1".into(),
                candidates: 2,
                passes_per_experience: 100,
            }],
            strategies: vec![Space {
                label: "r".into(),
                strategy: "replay".into(),
                options: vec![
                    serde_json::json!({ "key": "replay.x", "low": 0.1, "high": 1.0, "scale": "log" }),
                ],
                candidates: vec![Values::new(), Values::from([("replay.x".into(), 0.3.into())])],
            }],
            not_searched: Vec::new(),
            configuration: "seeds = [0]\n[training]\nbatch_size = 8\n".parse().unwrap(),
        }
    }

    #[test]
    fn a_search_is_read_as_it_was_written_and_others_are_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Search::read(dir.path()).unwrap(), None);
        let search = Search { schema: SCHEMA, done: false, plan: plan(), strategies: Vec::new() };
        search.write(dir.path()).unwrap();
        assert_eq!(Search::read(dir.path()).unwrap(), Some(search));
        for (text, told) in [("{}", "is not what cldiff tune writes"), ("{\"schema\": ", "is not what")] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(format!("{:#}", Search::read(dir.path()).unwrap_err()).contains(told));
        }
    }

    #[test]
    fn the_first_difference_of_two_plans_has_its_key() {
        assert_eq!(plan().difference(&plan()).unwrap(), None);
        let mut other = plan();
        other.configuration["training"]["batch_size"] = 16.into();
        let found = plan().difference(&other).unwrap().unwrap();
        assert_eq!(found, ("configuration.training.batch_size".into(), ["8".into(), "16".into()]));
        let found = plan().difference(&Plan { budget: 2000, ..plan() }).unwrap().unwrap();
        assert_eq!(found, ("budget".into(), ["1000".into(), "2000".into()]));
    }
}
