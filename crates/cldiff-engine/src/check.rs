//! Whether the parts of a configuration fit each other, told before anything is computed or written.

use cl_metrics::{MetricError, features::inception::check_weights, likelihood::TimestepGrid};
use cl_strategies::{ConditionOn, StrategyError, TrainerConfig};
use data_streams::Stream;
use ddpm_core::{CoreError, ProcessConfig};

use crate::{EvaluationConfig, FeaturesConfig, StrategySpec};

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
    TimestepGrid::new(process.timesteps, likelihood.bins, likelihood.points_per_bin)
        .map_err(|error| metric(error.at("evaluation.likelihood")))?;
    if let FeaturesConfig::Inception { weights } = &evaluation.features {
        let Some(weights) = weights else { return Err(no_weights()) };
        check_weights(weights).map_err(|error| {
            let key = "evaluation.features.inception.weights".into();
            Misfit { key, value: format!("\"{}\"", weights.display()), expected: error.to_string() }
        })?;
    }
    let hybrid = evaluation.hybrid_sampling.validate();
    hybrid.map_err(|error| metric(error.at("evaluation.hybrid_sampling")))?;
    check_views(evaluation)?;
    evaluation.classifier.validate().map_err(|error| metric(error.at("evaluation.classifier")))
}

/// The program fills in the default; whoever calls the engine otherwise has to name a file.
fn no_weights() -> Misfit {
    Misfit {
        key: "evaluation.features.inception.weights".into(),
        value: "absent".into(),
        expected: "expected the weights of Inception-v3, a safetensors file".into(),
    }
}

/// Whether there are images enough for gradients and activations.
fn check_views(evaluation: &EvaluationConfig) -> Result<(), Misfit> {
    let gradients = evaluation.gradients.map(|config| ("gradients", config.images, 1));
    let cka = evaluation.cka.map(|config| ("cka", config.images, if config.debiased { 4 } else { 2 }));
    match gradients.into_iter().chain(cka).find(|(_, images, least)| images < least) {
        None => Ok(()),
        Some((view, images, least)) => Err(Misfit {
            key: format!("evaluation.{view}.images"),
            value: images.to_string(),
            expected: format!("expected at least {least}"),
        }),
    }
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
    let guided =
        [spec.generative_replay.map(|c| c.generator), spec.generative_distillation.map(|c| c.generator)];
    if training.condition_on == ConditionOn::Task
        && guided.into_iter().flatten().any(|g| g.guidance.is_some())
    {
        let expected = "expected `class` or `none`: a classifier guides towards classes";
        return Err(config_mistake("training.condition_on", "task", expected));
    }
    let Some(stream) = stream else { return Ok(()) };
    if let (false, Some(term)) = (stream.tells_boundaries(), spec.needs_boundaries()) {
        let expected = "expected a strategy that is not told where experiences end: joint, cumulative, finetune, or \
                        replay, timestep_replay (by power) and a_gem with a reservoir";
        return Err(config_mistake(&term, "part of a strategy on an online stream", expected));
    }
    for experience in stream.experiences() {
        let counts = experience.train.counts_per_class();
        for (name, buffer) in spec.buffers() {
            buffer.check(name, stream.class_names(), &counts)?;
        }
    }
    Ok(())
}

fn config_mistake(key: &str, value: &str, expected: &str) -> StrategyError {
    StrategyError::Config { key: key.into(), value: value.into(), expected: expected.into() }
}
