//! Whether the parts of a configuration fit each other, told before anything is computed or written.

use cl_metrics::{MetricError, likelihood::TimestepGrid, sample::SampleMetric};
use cl_strategies::StrategyError;
use ddpm_core::{CoreError, ProcessConfig};

use crate::EvaluationConfig;

/// A value that does not fit: its key, the value, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The dotted key, relative to the options that were checked; empty where no key is at fault.
    pub key: String,
    /// The value.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
}

impl Misfit {
    /// The misfit with its key inside that of `owner`.
    #[must_use]
    pub fn at(self, owner: &str) -> Self {
        let key = if self.key.is_empty() { owner.to_owned() } else { format!("{owner}.{}", self.key) };
        Self { key, ..self }
    }

    fn without_key(error: &dyn std::error::Error) -> Self {
        Self { key: String::new(), value: String::new(), expected: error.to_string() }
    }
}

impl From<CoreError> for Misfit {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Config { key, value, expected } => Self { key, value, expected },
            other => Self::without_key(&other),
        }
    }
}

impl From<MetricError> for Misfit {
    fn from(error: MetricError) -> Self {
        match error {
            MetricError::Config { key, value, expected } => Self { key, value, expected },
            other => Self::without_key(&other),
        }
    }
}

impl From<StrategyError> for Misfit {
    fn from(error: StrategyError) -> Self {
        match error {
            StrategyError::Config { key, value, expected } => Self { key, value, expected },
            other => Self::without_key(&other),
        }
    }
}

/// Checks how a model is evaluated against the process, which is in order itself.
///
/// # Errors
/// The first value that does not fit, its key relative to the evaluation.
pub fn check_evaluation(evaluation: &EvaluationConfig, process: &ProcessConfig) -> Result<(), Misfit> {
    let built = process.build()?;
    let sampler = &evaluation.sampler;
    sampler.check(&built).map_err(|error| error.at(sampler.name()).at("sampler"))?;
    let likelihood = &evaluation.likelihood;
    TimestepGrid::new(process.timesteps, likelihood.bins, likelihood.points_per_bin)
        .map_err(|error| error.at("likelihood"))?;
    let features = &evaluation.features;
    features.check().map_err(|error| error.at(features.name()).at("features"))?;
    evaluation.hybrid_sampling.validate().map_err(|error| error.at("hybrid_sampling"))?;
    check_metrics(evaluation)?;
    check_views(evaluation)?;
    Ok(evaluation.classifier.validate().map_err(|error| error.at("classifier"))?)
}

/// Whether the features are those that the definition of each metric is bound to.
fn check_metrics(evaluation: &EvaluationConfig) -> Result<(), Misfit> {
    let features = evaluation.features.name();
    let bound = |metric: &SampleMetric| Some((*metric, metric.bound_to().filter(|name| *name != features)?));
    match evaluation.metrics.iter().find_map(bound) {
        None => Ok(()),
        Some((metric, name)) => Err(Misfit {
            key: "metrics".into(),
            value: format!("\"{}\" with features = \"{features}\"", metric.name()),
            expected: format!("{} needs features = {{ {name} = {{}} }}", metric.name()),
        }),
    }
}

/// Whether there are images enough for gradients and activations.
fn check_views(evaluation: &EvaluationConfig) -> Result<(), Misfit> {
    let gradients = evaluation.gradients.map(|config| ("gradients", config.images, 1));
    let cka = evaluation.cka.map(|config| ("cka", config.images, if config.debiased { 4 } else { 2 }));
    match gradients.into_iter().chain(cka).find(|(_, images, least)| images < least) {
        None => Ok(()),
        Some((view, images, least)) => Err(Misfit {
            key: format!("{view}.images"),
            value: images.to_string(),
            expected: format!("expected at least {least}"),
        }),
    }
}
