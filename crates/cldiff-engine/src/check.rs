//! Whether the parts of a configuration fit each other, told before anything is computed or written.

use cl_metrics::{MetricError, sample::SampleMetric};
use cl_strategies::{ConditionOn, StrategyError, TrainerConfig};
use data_streams::Stream;
use ddpm_core::{CoreError, ProcessConfig};

use crate::EvaluationConfig;

/// A value that does not fit: its key, the value, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The dotted key, relative to the options that were checked; empty where no key is at fault.
    pub key: String,
    /// The value.
    pub value: String,
    /// The values that would be accepted.
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
    evaluation.likelihood.grid(process.timesteps).map_err(|error| error.at("likelihood"))?;
    if let Some(scale) = evaluation.guidance.filter(|scale| !scale.is_finite()) {
        let expected = "expected a finite number".to_owned();
        return Err(Misfit { key: "guidance".into(), value: scale.to_string(), expected });
    }
    let features = &evaluation.features;
    features.check().map_err(|error| error.at(features.name()).at("features"))?;
    evaluation.hybrid_sampling.validate().map_err(|error| error.at("hybrid_sampling"))?;
    check_metrics(evaluation)?;
    check_views(evaluation)?;
    check_readings(evaluation)?;
    Ok(evaluation.classifier.validate().map_err(|error| error.at("classifier"))?)
}

/// Whether each metric is named once, and the features are those that its definition is bound to.
fn check_metrics(evaluation: &EvaluationConfig) -> Result<(), Misfit> {
    let metrics = &evaluation.metrics;
    if let Some(i) = (1..metrics.len()).find(|&i| metrics[..i].contains(&metrics[i])) {
        let value = format!("\"{}\" twice", metrics[i].name());
        return Err(Misfit { key: "metrics".into(), value, expected: "expected each metric once".into() });
    }
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

/// Warnings: quantities that an evaluation cannot measure on a stream, or measures badly. The key is that of the
/// whole configuration, and `expected` says what is the matter.
pub fn evaluation_doubts(
    evaluation: &EvaluationConfig,
    training: &TrainerConfig,
    stream: &Stream,
) -> Vec<Misfit> {
    let fewer = fewer_than_classes(evaluation.samples_per_task, stream);
    let domains = stream.shares_classes_across_domains() && training.condition_on != ConditionOn::Task;
    let domains = domains.then(|| Misfit {
        key: "training.condition_on".into(),
        value: if training.condition_on == ConditionOn::Class { "class" } else { "none" }.into(),
        expected: "classes occur in several tasks, in other images each time, so that the model cannot be asked for \
                   one task's images: samples are measured over all tasks only. Condition on the task, or give each \
                   domain classes of its own (`labels = \"by_domain\"`)"
            .into(),
    });
    fewer.into_iter().chain(domains).collect()
}

/// Whether a task, or else all of them together, have classes that no sample will be asked for.
fn fewer_than_classes(n: usize, stream: &Stream) -> Option<Misfit> {
    let many = |classes: usize, of: String| {
        (classes > n).then(|| Misfit {
            key: "evaluation.samples_per_task".into(),
            value: n.to_string(),
            expected: format!(
                "fewer samples ({n}) than classes of {of} ({classes}), so that some have none and frequencies of \
                 classes cannot be as in the data"
            ),
        })
    };
    let present = |counts: Vec<usize>| counts.into_iter().filter(|&count| count > 0).count();
    let mut experiences = stream.experiences().iter().enumerate();
    experiences
        .find_map(|(k, e)| many(present(e.eval.counts_per_class()), format!("task {}", k + 1)))
        .or_else(|| many(present(stream.all_eval().counts_per_class()), "all tasks together".into()))
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

fn check_readings(evaluation: &EvaluationConfig) -> Result<(), Misfit> {
    evaluation.classes.validate().map_err(|error| error.at("classes"))?;
    evaluation.within.validate().map_err(|error| error.at("within"))?;
    evaluation.cas.map_or(Ok(()), |cas| cas.validate()).map_err(|error| error.at("cas"))?;
    if evaluation.every_steps == Some(0) {
        let (key, value) = ("every_steps".to_owned(), "0".to_owned());
        return Err(Misfit { key, value, expected: "expected at least 1".to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_is_named_twice_is_refused() {
        let kid = SampleMetric::named("kid").unwrap();
        let check = |metrics: &[SampleMetric]| {
            let evaluation = EvaluationConfig { metrics: metrics.to_vec(), ..EvaluationConfig::default() };
            check_evaluation(&evaluation, &ProcessConfig::default())
        };
        assert_eq!(check(&[SampleMetric::FID, kid]), Ok(()));
        let expected = "expected each metric once".to_owned();
        let twice = Misfit { key: "metrics".into(), value: "\"fid\" twice".into(), expected };
        assert_eq!(check(&[SampleMetric::FID, kid, SampleMetric::FID]), Err(twice));
    }
}
