//! Whether the parts of a configuration fit each other, told before anything is computed or written.

use cl_metrics::{MetricError, likelihood::TimestepGrid};
use cl_strategies::{Replay, StrategyError, buffer::BufferConfig};
use data_streams::Stream;
use ddpm_core::{CoreError, ProcessConfig};

use crate::{EvaluationConfig, StrategySpec, build};

/// A value that does not fit: its full key, the value, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The dotted key.
    pub key: String,
    /// The value.
    pub value: String,
    /// What would be accepted.
    pub expected: String,
}

/// Checks how a model is evaluated against the process.
///
/// # Errors
/// The first value that does not fit.
pub fn check_evaluation(evaluation: &EvaluationConfig, process: &ProcessConfig) -> Result<(), Misfit> {
    let sampler = build::sampler_name(&evaluation.sampler);
    let core = |error: CoreError| match error {
        CoreError::Config { key, value, expected } => {
            let key = key
                .strip_prefix("sampler.")
                .map_or(key.clone(), |k| format!("evaluation.sampler.{sampler}.{k}"));
            Misfit { key, value, expected }
        }
        other => Misfit { key: "process".into(), value: String::new(), expected: other.to_string() },
    };
    let metric = |error: MetricError| match error {
        MetricError::Config { key, value, expected } => Misfit { key, value, expected },
        other => Misfit { key: "evaluation".into(), value: String::new(), expected: other.to_string() },
    };
    let built = process.build().map_err(core)?;
    build::check_sampler(&evaluation.sampler, &built).map_err(core)?;
    let likelihood = &evaluation.likelihood;
    TimestepGrid::new(process.timesteps, likelihood.bins, likelihood.points_per_bin).map_err(metric)?;
    evaluation.classifier.validate().map_err(metric)
}

/// Checks a strategy's options against the data that it will see.
///
/// # Errors
/// [`StrategyError::Config`] for the first that does not fit.
pub fn check_strategy(spec: &StrategySpec, stream: &Stream) -> Result<(), StrategyError> {
    let Some(config) = spec.replay else { return Ok(()) };
    Replay::new(config)?;
    let BufferConfig::ClassBalanced { per_class } = config.buffer;
    let counts = stream.all_train().counts_per_class();
    match counts.iter().enumerate().find(|(_, count)| **count > 0 && **count < per_class) {
        Some((class, count)) => Err(StrategyError::Config {
            key: "replay.buffer.class_balanced.per_class".into(),
            value: per_class.to_string(),
            expected: format!(
                "expected at most {count}, the training images of class \"{}\"",
                stream.class_names()[class]
            ),
        }),
        None => Ok(()),
    }
}
