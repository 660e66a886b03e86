//! What a cell of the benchmark consists of, as plain data: the parts of a configuration that the engine needs.

use std::path::PathBuf;

use cl_metrics::{
    features::classifier::ClassifierConfig,
    hybrid::HybridSamplingConfig,
    likelihood::LikelihoodConfig,
    representation::{CkaConfig, GradientConfig},
    sample::SampleMetric,
};
use cl_strategies::{
    AGemConfig, DerConfig, DerPlusPlusConfig, EwcConfig, GdumbConfig, GemConfig,
    GenerativeDistillationConfig, GenerativeReplayConfig, L2Config, LoraConfig, LwfConfig, MasConfig,
    OnlineEwcConfig, PacknetConfig, PartialSamplingDistillationConfig, ReplayConfig, RwalkConfig, SiConfig,
    StrategyError, TimestepReplayConfig, TrainerConfig, buffer::BufferConfig,
};
use ddpm_core::{
    ProcessConfig, UNet2DConfig,
    sampler::{Ddim, SamplerConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a model is evaluated after each experience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What samples are measured by; `cldiff list metrics` names all.
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
    /// The classifier that sees the samples' classes, and gives the features unless others are asked for.
    pub classifier: ClassifierConfig,
}

/// The choice of features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FeaturesConfig {
    /// The penultimate layer of the classifier
    #[default]
    Classifier,
    /// The images as they are
    Pixels,
    /// Inception-v3 in the form of the FID literature (Heusel et al. 2017, arXiv 1706.08500)
    Inception {
        /// The weights: a safetensors file, which `cldiff weights` makes; absent: the one that `cldiff weights fetch` made
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<PathBuf>,
    },
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
            metrics: SampleMetric::defaults(),
            features: FeaturesConfig::default(),
            hybrid_sampling: HybridSamplingConfig::default(),
            gradients: None,
            cka: None,
            classifier: ClassifierConfig::default(),
        }
    }
}

/// A term without options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

impl NoOptions {
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        clippy::trivially_copy_pass_by_ref,
        reason = "as the other terms' options have it"
    )]
    fn validate(&self) -> Result<(), StrategyError> {
        Ok(())
    }
}

/// A term that strategies are composed of: its name in configurations, what it does, and who says so.
#[derive(Debug, Clone, PartialEq)]
pub struct TermInfo {
    /// The key in a `[[strategy]]`.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Where it comes from.
    pub citation: &'static str,
    /// Its options with their defaults.
    pub defaults: toml::Value,
}

/// Declares [`StrategySpec`]: a field for each term, and what is said of it.
macro_rules! terms {
    ($($name:ident: $config:ty, $summary:literal, $citation:literal;)*) => {
        /// A strategy: the composition of the terms that are present, in the order of the fields.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct StrategySpec {
            /// What it is called in tables and file names; made from its terms if absent.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub label: Option<String>,
            $(
                #[doc = $summary]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$config>,
            )*
        }

        impl StrategySpec {
            /// The names of the terms, as they are spelt in a configuration.
            pub const KNOWN: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The strategy with the default options of one known term.
            pub fn named(name: &str) -> Option<Self> {
                let mut spec = Self::default();
                match name {
                    $(stringify!($name) => spec.$name = Some(Default::default()),)*
                    _ => return None,
                }
                Some(spec)
            }

            /// The names of the terms that are present, joined by `+`.
            pub fn name(&self) -> String {
                let present = [$((stringify!($name), self.$name.is_some())),*];
                let names: Vec<&str> = present.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
                names.join("+")
            }

            /// Checks the options of every term.
            ///
            /// # Errors
            /// [`StrategyError::Config`] for the first option out of range.
            pub(crate) fn validate(&self) -> Result<(), StrategyError> {
                $(if let Some(config) = &self.$name { config.validate()?; })*
                Ok(())
            }

            /// All terms, with their defaults.
            pub fn catalogue() -> Vec<TermInfo> {
                vec![$(TermInfo {
                    name: stringify!($name),
                    summary: $summary,
                    citation: $citation,
                    defaults: toml::Value::try_from(<$config>::default())
                        .unwrap_or_else(|_| toml::Value::Table(toml::Table::new())),
                }),*]
            }
        }
    };
}

terms! {
    joint: NoOptions, "All data from the start: the upper bound", "";
    cumulative: NoOptions, "All data so far, as from a buffer without bounds", "";
    ensemble: NoOptions, "A model for each experience, chosen by the task: no forgetting, and memory that grows", "van de Ven & Tolias 2019, arXiv 1904.07734";
    finetune: NoOptions, "Nothing against forgetting: the lower bound", "";
    gdumb: GdumbConfig, "A model trained from scratch on a balanced buffer alone", "Prabhu et al. 2020";
    replay: ReplayConfig, "A second loss on stored images, with a rehearsal coefficient", "arXiv 2303.15342; Chaudhry et al. 2019, arXiv 1902.10486";
    timestep_replay: TimestepReplayConfig, "Replay that rehearses some timesteps more than others", "this project, after arXiv 2303.15342";
    generative_replay: GenerativeReplayConfig, "Replay of images that the last model draws", "Shin et al. 2017, arXiv 1705.08690";
    generative_distillation: GenerativeDistillationConfig, "The last model's predictions at noisy images that it drew", "Masip et al. 2023, arXiv 2311.14028";
    partial_sampling_distillation: PartialSamplingDistillationConfig, "The last model's next step, somewhere along its own sampling", "KamilDeja/analysing_ddgm";
    lwf: LwfConfig, "The last model's predictions at current noisy images", "Li & Hoiem 2016, arXiv 1606.09282";
    der: DerConfig, "Stored predictions at stored images, timesteps and noise", "Buzzega et al. 2020, arXiv 2004.07211";
    der_plus_plus: DerPlusPlusConfig, "Dark experience replay, and the ordinary loss on stored images", "Buzzega et al. 2020, arXiv 2004.07211";
    l2: L2Config, "A penalty on the way from the last parameters", "Kirkpatrick et al. 2017, arXiv 1612.00796";
    ewc: EwcConfig, "That penalty weighted by the Fisher information", "Kirkpatrick et al. 2017, arXiv 1612.00796; rank 1: arXiv 2509.23593";
    online_ewc: OnlineEwcConfig, "EWC with one decaying Fisher information", "Schwarz et al. 2018, arXiv 1805.06370";
    si: SiConfig, "That penalty weighted by path integrals of the gradient", "Zenke et al. 2017, arXiv 1703.04200";
    mas: MasConfig, "That penalty weighted by the sensitivity of the output", "Aljundi et al. 2018, arXiv 1711.09601";
    rwalk: RwalkConfig, "That penalty weighted by Fisher information and path score", "Chaudhry et al. 2018, arXiv 1801.10112";
    a_gem: AGemConfig, "Gradients without what points against the buffer's", "Chaudhry et al. 2019, arXiv 1812.00420";
    gem: GemConfig, "Gradients that point against no past experience's", "Lopez-Paz & Ranzato 2017, arXiv 1706.08840";
    lora: LoraConfig, "Frozen weights, and low-rank adapters for each task", "Hu et al. 2021, arXiv 2106.09685; Smith et al. 2023, arXiv 2304.06027";
    packnet: PacknetConfig, "Weights of its own for each task, found by pruning", "Mallya & Lazebnik 2018, arXiv 1711.05769";
}

impl StrategySpec {
    /// What the strategy is called in tables and file names.
    pub fn label(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.name())
    }

    /// Whether a step looks at other images beside the current ones.
    pub(crate) fn looks_back(&self) -> bool {
        let plain = [
            "joint",
            "cumulative",
            "ensemble",
            "finetune",
            "gdumb",
            "l2",
            "ewc",
            "online_ewc",
            "si",
            "mas",
            "rwalk",
            "lora",
            "packnet",
        ];
        self.name().split('+').any(|name| !plain.contains(&name))
    }

    /// The first of its terms that works only where it is told when an experience ends.
    pub(crate) fn needs_boundaries(&self) -> Option<String> {
        let online = [
            ("joint", true),
            ("cumulative", true),
            ("finetune", true),
            ("replay", self.replay.is_some_and(|config| !config.needs_boundaries())),
            ("timestep_replay", self.timestep_replay.is_some_and(|config| !config.needs_boundaries())),
            ("a_gem", self.a_gem.is_some_and(|config| !config.needs_boundaries())),
        ];
        let works = |name: &str| online.contains(&(name, true));
        self.name().split('+').find(|name| !name.is_empty() && !works(name)).map(str::to_owned)
    }

    /// The buffers of its terms, each with the name of its term.
    pub(crate) fn buffers(&self) -> Vec<(&'static str, BufferConfig)> {
        [
            ("gdumb", self.gdumb.map(|config| config.buffer)),
            ("replay", self.replay.map(|config| config.buffer)),
            ("timestep_replay", self.timestep_replay.map(|config| config.buffer)),
            ("a_gem", self.a_gem.map(|config| config.buffer)),
        ]
        .into_iter()
        .filter_map(|(name, buffer)| buffer.map(|buffer| (name, buffer)))
        .collect()
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
    /// What the network multiplies in training and sampling.
    pub precision: PrecisionConfig,
}

/// What the network multiplies in convolutions, linear layers and attention. Weights, sums, normalisations, losses, optimiser,
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
