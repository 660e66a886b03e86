//! What a cell of the benchmark consists of, as plain data: the parts of a configuration that the engine needs.

use cl_metrics::{features::classifier::ClassifierConfig, likelihood::LikelihoodConfig};
use cl_strategies::{ReplayConfig, TrainerConfig};
use ddpm_core::{
    ProcessConfig, UNet2DConfig,
    sampler::{Ancestral, Ddim, DpmSolver, Heun},
};
use serde::{Deserialize, Serialize};

/// The choice of a sampler, with its options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerConfig {
    /// Few steps, deterministic unless eta > 0.
    Ddim(Ddim),
    /// Every timestep, or some, with noise.
    Ancestral(Ancestral),
    /// Few steps, second order from one evaluation a step.
    DpmSolver(DpmSolver),
    /// Few steps, second order from two evaluations a step.
    Heun(Heun),
}

/// How a model is evaluated after each experience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// N: samples drawn for each experience seen so far.
    pub samples_per_task: usize,
    /// At most so many samples at a time.
    pub sample_batch: usize,
    /// Samples of each experience that are kept as pictures.
    pub grid_columns: usize,
    /// How samples are drawn.
    pub sampler: SamplerConfig,
    /// The scale of classifier-free guidance; absent: none. It needs `training.label_dropout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// The denoising loss and the variational bound along the timesteps.
    pub likelihood: LikelihoodConfig,
    /// The classifier whose features the sample metrics use.
    pub classifier: ClassifierConfig,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            samples_per_task: 256,
            sample_batch: 256,
            grid_columns: 10,
            sampler: SamplerConfig::Ddim(Ddim::default()),
            guidance: None,
            likelihood: LikelihoodConfig::default(),
            classifier: ClassifierConfig::default(),
        }
    }
}

/// A term without options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// A strategy: the composition of the terms that are present, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StrategySpec {
    /// What it is called in tables and file names; made from its terms if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// All data from the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joint: Option<NoOptions>,
    /// Nothing against forgetting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finetune: Option<NoOptions>,
    /// A second loss on stored images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayConfig>,
}

impl StrategySpec {
    /// The names of the terms, as they are spelt in a configuration.
    pub const KNOWN: [&'static str; 3] = ["joint", "finetune", "replay"];

    /// The strategy with the default options of one known term.
    pub fn named(name: &str) -> Option<Self> {
        let mut spec = Self::default();
        match name {
            "joint" => spec.joint = Some(NoOptions {}),
            "finetune" => spec.finetune = Some(NoOptions {}),
            "replay" => spec.replay = Some(ReplayConfig::default()),
            _ => return None,
        }
        Some(spec)
    }

    /// The names of the terms that are present, joined by `+`.
    pub fn name(&self) -> String {
        let present = [self.joint.is_some(), self.finetune.is_some(), self.replay.is_some()];
        let names: Vec<&str> = Self::KNOWN
            .into_iter()
            .zip(present)
            .filter(|(_, present)| *present)
            .map(|(name, _)| name)
            .collect();
        names.join("+")
    }

    /// What the strategy is called in tables and file names.
    pub fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.name())
    }
}

/// All that one cell (strategy x seed) needs beside the data.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSpec {
    /// The strategy.
    pub strategy: StrategySpec,
    /// The seed of the model and of the training.
    pub seed: u64,
    /// The network.
    pub model: UNet2DConfig,
    /// The diffusion process.
    pub process: ProcessConfig,
    /// The training.
    pub training: TrainerConfig,
    /// The evaluation.
    pub evaluation: EvaluationConfig,
}
