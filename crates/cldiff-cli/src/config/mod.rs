//! The configuration of a run: one TOML file, every key checked, every error with its line.

mod advice;
mod assign;
pub mod builtin;
pub mod commands;
mod compare;
mod counts;
mod data;
mod load;
mod locate;
mod names;
mod nearest;
mod resolve;
mod resumed;
mod rewrite;
mod strategies;
mod sweep;

use cl_strategies::TrainerConfig;
use cldiff_engine::{CellSpec, EvaluationConfig, ModelConfig, PrecisionConfig, ProcessConfig, StrategySpec};
use data_streams::{DataConfig, StreamConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use assign::labels;
pub use compare::{differences, first_difference};
pub use data::{advised, named_split, places};
pub use load::{Loaded, load};
pub use resumed::other_settings;
pub use sweep::Sweep;

/// A whole configuration, as `config.toml` of a run directory holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The schema of the configuration.
    #[serde(default = "current_schema")]
    pub schema: u32,
    /// The name of the run.
    #[serde(default = "default_name")]
    pub name: String,
    /// One cell for each strategy and seed.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// The data set.
    pub data: DataConfig,
    /// How the data set becomes a stream of experiences.
    #[serde(default)]
    pub stream: StreamConfig,
    /// The network; what the data decide (size, channels, classes) may be left out.
    #[serde(default)]
    pub model: ModelConfig,
    /// The diffusion process.
    #[serde(default)]
    pub process: ProcessConfig,
    /// The training.
    #[serde(default)]
    pub training: TrainerConfig,
    /// The evaluation.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// Number format of the inputs of matrix products.
    #[serde(default)]
    pub precision: PrecisionConfig,
    /// States to go on from after an interruption.
    #[serde(default)]
    pub checkpoints: CheckpointsConfig,
    /// The strategies to compare.
    #[serde(default)]
    pub strategy: Vec<StrategySpec>,
}

/// The schema that this program reads.
pub const SCHEMA: u32 = 1;

/// When the state of a cell is kept beside the ends of tasks, and how many states.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointsConfig {
    /// Steps from one state to the next; 0: at the ends of tasks alone.
    pub every_steps: usize,
    /// Part of the time that states between the ends of tasks may take, at most; there are fewer of them where writing
    /// takes long.
    pub most_time: f64,
    /// States that are kept: a damaged one costs no more than the way from the one before.
    pub keep: usize,
}

impl Default for CheckpointsConfig {
    fn default() -> Self {
        Self { every_steps: 100, most_time: 0.02, keep: 2 }
    }
}

impl Config {
    /// The cells of the benchmark: every strategy with every seed.
    pub fn cells(&self) -> Vec<CellSpec> {
        let cell = |strategy: &StrategySpec, seed: u64| CellSpec {
            strategy: strategy.clone(),
            seed,
            model: self.model.clone(),
            process: self.process.clone(),
            training: self.training,
            evaluation: self.evaluation.clone(),
            precision: self.precision,
        };
        self.seeds.iter().flat_map(|&seed| self.strategy.iter().map(move |s| cell(s, seed))).collect()
    }
}

fn current_schema() -> u32 {
    SCHEMA
}

fn default_name() -> String {
    "run".into()
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;

    /// Each table with one of its numbers replaced, however deep.
    fn changed(value: &Value, number: &dyn Fn(&Value) -> Vec<Value>) -> Vec<Value> {
        match value {
            Value::Integer(_) | Value::Float(_) => number(value),
            Value::Array(items) => (0..items.len())
                .flat_map(|i| {
                    changed(&items[i], number).into_iter().map(move |item| {
                        let mut items = items.clone();
                        items[i] = item;
                        Value::Array(items)
                    })
                })
                .collect(),
            Value::Table(table) => table
                .iter()
                .flat_map(|(key, item)| {
                    changed(item, number).into_iter().map(move |item| {
                        let mut table = table.clone();
                        table.insert(key.clone(), item);
                        Value::Table(table)
                    })
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The configuration that a run keeps is read again as it was, whatever its numbers.
    #[test]
    fn any_configuration_that_is_read_is_written_and_read_again() {
        let extremes = |value: &Value| match value {
            Value::Integer(_) => [0, 1, i64::from(u32::MAX), i64::MAX].map(Value::Integer).to_vec(),
            _ => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0, 1e300, -0.0]
                .map(Value::Float)
                .to_vec(),
        };
        let mut read = 0;
        for name in ["smoke", "default"] {
            let (_, text) = builtin::named(name).unwrap();
            let config: Config = toml::from_str(&text).unwrap();
            let full: Table = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
            for table in changed(&Value::Table(full), &extremes) {
                let Ok(config) = table.try_into::<Config>() else { continue };
                let text = toml::to_string(&config).unwrap();
                let again: Config = toml::from_str(&text).unwrap();
                assert_eq!(toml::to_string(&again).unwrap(), text);
                read += 1;
            }
        }
        assert!(read > 200, "{read}");
    }
}
