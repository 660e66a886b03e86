//! The configuration of a run: one TOML file, every key checked, every error with its line.

pub mod commands;
mod data;
mod load;
mod locate;
mod names;
mod resolve;

use cl_strategies::TrainerConfig;
use cldiff_engine::{CellSpec, EvaluationConfig, ProcessConfig, StrategySpec};
use ddpm_core::UNet2DConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use data::{DataConfig, StreamConfig, fetched, located};
pub use load::{Loaded, load};

/// A whole configuration, as `config.toml` of a run directory holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the run is called.
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
    pub model: UNet2DConfig,
    /// The diffusion process.
    #[serde(default)]
    pub process: ProcessConfig,
    /// The training.
    #[serde(default)]
    pub training: TrainerConfig,
    /// The evaluation.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// The strategies to compare.
    #[serde(default)]
    pub strategy: Vec<StrategySpec>,
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
        };
        self.seeds.iter().flat_map(|&seed| self.strategy.iter().map(move |s| cell(s, seed))).collect()
    }
}

fn default_name() -> String {
    "run".into()
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}
