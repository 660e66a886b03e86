//! FID of a few samples on a task, as hybrid sampling and looks within an experience ask for it.

use cl_metrics::{MetricError, sample::fid::frechet_distance_of};
use cl_strategies::ConditionOn;
use data_streams::ImageDataset;
use ddpm_core::TrainBackend;

use super::Analyst;
use crate::{EngineError, evaluate::Evaluator, reference::Known};

impl<B: TrainBackend> Analyst<'_, B> {
    /// FID of samples on a task; none where it has no value. Of an unconditional model's samples, those count that the
    /// classifier takes for the task's.
    ///
    /// # Errors
    /// [`EngineError::Metric`] from the features.
    pub(super) fn distance_on(
        &self,
        task: usize,
        samples: &ImageDataset,
        evaluator: &Evaluator<'_, B::InnerBackend>,
    ) -> Result<Option<f64>, EngineError> {
        let Known { described, judged, .. } = self.reference.describe(samples)?;
        let mut features = described.features;
        if self.spec.training.condition_on == ConditionOn::None {
            features = features.select(&evaluator.of_task(&judged.argmax(), task));
        }
        let real = &self.reference.tasks[task].known.described.features;
        Ok(finite_value(frechet_distance_of(real, &features))?)
    }
}

/// A value, or none for the reasons for which `cl_metrics::sample::measure` gives none: too few samples, a decomposition that
/// does not converge, a value that is not finite.
fn finite_value(outcome: Result<f64, MetricError>) -> Result<Option<f64>, MetricError> {
    match outcome {
        Ok(value) => Ok(Some(value).filter(|value| value.is_finite())),
        Err(MetricError::TooFew { .. } | MetricError::Numerics { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_had_is_none_and_no_error() {
        let metric = "fid";
        assert_eq!(finite_value(Ok(1.5)).unwrap(), Some(1.5));
        for none in [
            Ok(f64::NAN),
            Ok(f64::INFINITY),
            Err(MetricError::TooFew { metric, needed: 2, found: 1 }),
            Err(MetricError::Numerics { metric, problem: "no convergence".into() }),
        ] {
            assert_eq!(finite_value(none).unwrap(), None);
        }
        let width = finite_value(Err(MetricError::Width { a: 2, b: 3 }));
        assert!(matches!(width, Err(MetricError::Width { a: 2, b: 3 })));
    }
}
