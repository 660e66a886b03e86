//! How images are drawn from a teacher: the options of a generator.

use ddpm_core::{
    CoreError, GaussianDiffusion,
    sampler::{self, SamplerConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    noisy_classifier::{ClassifierGuidanceConfig, Towards},
    teacher::TeacherWeights,
};
use crate::{ConditionOn, Setting, StrategyError, check};

/// When images are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// New images in every step.
    #[default]
    Fresh,
    /// Images from a pool that is drawn once before each experience: a tenth of the cost, but a limited choice.
    Pool {
        /// Number of images in the pool.
        images: usize,
    },
}

/// How images are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// When.
    pub source: Source,
    /// How.
    pub sampler: SamplerConfig,
    /// Maximum number of images drawn at a time.
    pub sample_batch: usize,
    /// The weights of the teacher: of the model that draws, and is asked for predictions.
    pub teacher: TeacherWeights,
    /// Whether images are rounded to the 256 values that stored ones have.
    pub quantise: bool,
    /// The scale of classifier-free guidance, for a model that is also trained without labels: 1 is the model without guidance;
    /// absent: none, and half the passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier_free_guidance: Option<f64>,
    /// A classifier of noisy images guides samples towards their classes; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<ClassifierGuidanceConfig>,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        let ddim = sampler::Ddim { steps: 10, ..sampler::Ddim::default() };
        Self {
            source: Source::Fresh,
            sampler: SamplerConfig::of(ddim),
            sample_batch: 256,
            teacher: TeacherWeights::Raw,
            quantise: false,
            classifier_free_guidance: None,
            guidance: None,
        }
    }
}

impl GeneratorConfig {
    /// Checks the ranges.
    pub(crate) fn validate(&self) -> Result<(), StrategyError> {
        if let Source::Pool { images } = self.source {
            check::at_least_1("source.pool.images", images)?;
        }
        if let Some(scale) = self.classifier_free_guidance.filter(|scale| !scale.is_finite()) {
            return Err(StrategyError::config("classifier_free_guidance", scale, "expected a finite number"));
        }
        let guidance = self.guidance.map_or(Ok(()), |guidance| guidance.validate());
        guidance.map_err(|error| error.at("guidance"))?;
        check::at_least_1("sample_batch", self.sample_batch)
    }

    /// Whether images of classes are asked for, and why.
    pub(crate) fn needs_classes(&self) -> Option<&'static str> {
        self.guidance.map(|_| "a classifier guides towards classes")
    }

    /// Whether the sampler fits the process of a training, and its guidance the conditioning; a process that cannot be
    /// built is told by its owner.
    pub(crate) fn check_setting(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let towards_current = self.guidance.is_some_and(|guidance| guidance.towards == Towards::Current);
        if towards_current && setting.training.condition_on == ConditionOn::None {
            let expected = "expected `class`: a classifier that guides towards current classes learns the past ones \
                            from images that the model draws of them";
            let (key, value) = ("condition_on".into(), "none".into());
            return Err(StrategyError::Training { key, value, expected: expected.into() });
        }
        self.check_labels(setting)?;
        setting.process.build().map_or(Ok(()), |process| self.check_process(&process))
    }

    /// Whether the model learns labels and to do without, where it is guided by the difference.
    fn check_labels(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        let training = setting.training;
        if self.classifier_free_guidance.is_none() {
            return Ok(());
        }
        if training.condition_on == ConditionOn::None {
            let expected = "expected `class` or `task`: classifier-free guidance follows the label";
            let (key, value) = ("condition_on".into(), "none".into());
            return Err(StrategyError::Training { key, value, expected: expected.into() });
        }
        if training.label_dropout > 0.0 {
            return Ok(());
        }
        let expected =
            "expected above 0: classifier-free guidance needs a model that was also trained without labels";
        Err(StrategyError::training("label_dropout", training.label_dropout, expected))
    }

    /// Whether the sampler fits the process.
    pub(crate) fn check_process(&self, process: &GaussianDiffusion) -> Result<(), StrategyError> {
        self.sampler.check(process).map_err(|error| self.of_sampler(error))
    }

    /// An error of the sampler, with the sampler's name before the key of its option.
    pub(super) fn of_sampler(&self, error: CoreError) -> StrategyError {
        StrategyError::from(error).at(self.sampler.name()).at("sampler")
    }
}
