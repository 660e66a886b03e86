//! A cell of the benchmark as plain data: the parts of a configuration that the engine needs.

use cl_metrics::{
    features::classifier::ClassifierConfig,
    hybrid::HybridSamplingConfig,
    likelihood::LikelihoodConfig,
    readings::{CasConfig, ClassesConfig, DriftConfig, WithinConfig},
    representation::{CkaConfig, GradientConfig},
    sample::SampleMetric,
};
use cl_strategies::TrainerConfig;
use ddpm_core::{
    ProcessConfig,
    sampler::{Ddim, SamplerConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FeaturesConfig, ModelConfig, StrategySpec};

/// How a model is evaluated after each experience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// N: samples drawn for each experience seen so far, and samples behind each metric over all of them.
    pub samples_per_task: usize,
    /// Maximum number of samples computed at a time.
    pub sample_batch: usize,
    /// Samples of each experience that are kept as pictures, at most `samples_per_task`.
    pub grid_columns: usize,
    /// How samples are drawn.
    pub sampler: SamplerConfig,
    /// The scale of classifier-free guidance; absent: none. It needs `training.label_dropout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f64>,
    /// The denoising loss and the variational bound along the timesteps.
    pub likelihood: LikelihoodConfig,
    /// The metrics of samples; `cldiff list metrics` names all.
    pub metrics: Vec<SampleMetric>,
    /// The features in which samples are compared with real images.
    pub features: FeaturesConfig,
    /// Samples that the model right after a task and the final model draw together.
    pub hybrid_sampling: HybridSamplingConfig,
    /// Cosines of the gradients of old and new tasks by timestep; absent: not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradients: Option<GradientConfig>,
    /// CKA of activations before and after later tasks by block and timestep; absent: not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cka: Option<CkaConfig>,
    /// The outcome for each class: confusion, accuracy and FID, for models that are conditioned on the class.
    #[serde(skip_serializing_if = "is_default")]
    pub classes: ClassesConfig,
    /// How far samples move from the same noise after later tasks.
    #[serde(skip_serializing_if = "is_default")]
    pub drift: DriftConfig,
    /// Classification accuracy on real images after training on samples; absent: not measured. It needs
    /// `training.condition_on = "class"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cas: Option<CasConfig>,
    /// Steps between two looks at the tasks seen within an experience; absent: no looks. The first look is before the first
    /// step, the last after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_steps: Option<usize>,
    /// The measurements of a look within an experience.
    #[serde(skip_serializing_if = "is_default")]
    pub within: WithinConfig,
    /// The classifier that sees the samples' classes, and gives the features unless others are asked for.
    pub classifier: ClassifierConfig,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            samples_per_task: 256,
            sample_batch: 256,
            grid_columns: 10,
            sampler: SamplerConfig::of(Ddim::default()),
            guidance: None,
            likelihood: LikelihoodConfig::default(),
            metrics: SampleMetric::defaults(),
            features: FeaturesConfig::default(),
            hybrid_sampling: HybridSamplingConfig::default(),
            gradients: None,
            cka: None,
            classes: ClassesConfig::default(),
            drift: DriftConfig::default(),
            cas: None,
            every_steps: None,
            within: WithinConfig::default(),
            classifier: ClassifierConfig::default(),
        }
    }
}

/// Keys with their default are not written: a configuration of an older version is the same as one that leaves them out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// All that one cell (strategy x seed) needs beside the data.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSpec {
    /// The strategy.
    pub strategy: StrategySpec,
    /// The seed of the model and of the training.
    pub seed: u64,
    /// The network.
    pub model: ModelConfig,
    /// The diffusion process.
    pub process: ProcessConfig,
    /// The training.
    pub training: TrainerConfig,
    /// The evaluation.
    pub evaluation: EvaluationConfig,
    /// Number format of the inputs of matrix products.
    pub precision: PrecisionConfig,
}

/// Number format of the inputs of matrix products: convolutions, linear layers and attention. Weights, sums, normalisations, losses, optimiser,
/// average and the features of samples are f32 in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionConfig {
    /// `tf32` on a device whose tensor cores have it, `f32` on every other.
    #[default]
    Auto,
    /// f32, without tensor cores: slower on a GPU, and the same as on every other device but for the order of sums.
    F32,
    /// f32 of which tensor cores may leave out the last 13 bits. As with the others, a CPU rounds as they do, which shows its
    /// effect and is no faster.
    Tf32,
    /// bf16 factors (Micikevicius et al. 2018).
    Bf16,
    /// f16 factors, with gradients scaled into their range: for GPUs that have no bf16.
    F16,
}
