//! Whether the parts of a configuration fit each other, told before anything is computed or written.

use cl_metrics::{MetricError, likelihood::TimestepGrid};
use cl_strategies::{StrategyError, TrainerConfig};
use data_streams::Stream;
use ddpm_core::{CoreError, ProcessConfig};

use crate::{EvaluationConfig, StrategySpec};

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
    let sampler = evaluation.sampler.name();
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
    evaluation.sampler.check(&built).map_err(core)?;
    let likelihood = &evaluation.likelihood;
    TimestepGrid::new(process.timesteps, likelihood.bins, likelihood.points_per_bin).map_err(metric)?;
    evaluation.classifier.validate().map_err(metric)
}

/// Checks a strategy's options, against the training, the process, and the data that it will see if these are known.
///
/// # Errors
/// [`StrategyError::Config`] for the first that does not fit.
pub fn check_strategy(
    spec: &StrategySpec,
    training: &TrainerConfig,
    process: &ProcessConfig,
    stream: Option<&Stream>,
) -> Result<(), StrategyError> {
    spec.validate()?;
    spec.packnet.map_or(Ok(()), |packnet| packnet.check(training))?;
    if let Ok(process) = process.build() {
        let generators = [
            ("generative_replay", spec.generative_replay.map(|config| config.generator)),
            ("generative_distillation", spec.generative_distillation.map(|config| config.generator)),
        ];
        for (name, generator) in generators {
            generator.map_or(Ok(()), |generator| generator.check_process(name, &process))?;
        }
        spec.partial_sampling_distillation.map_or(Ok(()), |config| config.check_process(&process))?;
    }
    let Some(stream) = stream else { return Ok(()) };
    let counts = stream.all_train().counts_per_class();
    spec.buffers()
        .into_iter()
        .try_for_each(|(name, buffer)| buffer.check(name, stream.class_names(), &counts))
}
