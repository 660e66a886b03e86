//! The sample metrics of a cell in the form of `results.json`: values, N, standard errors, and reasons where there is
//! no value.

use std::collections::BTreeMap;

use cl_metrics::sample::SampleMetric;
use cldiff_engine::{Evaluation, Measured, TaskValues};

use crate::results::{Matrix, MissingValue};

/// The numbers of all sample metrics, by name.
#[derive(Debug, Default)]
pub(super) struct SampleNumbers {
    pub matrices: BTreeMap<String, Matrix>,
    pub samples: BTreeMap<String, Vec<Vec<Option<usize>>>>,
    pub standard_errors: BTreeMap<String, Matrix>,
    pub pooled: BTreeMap<String, Vec<Option<f64>>>,
    pub pooled_samples: BTreeMap<String, Vec<Option<usize>>>,
    pub pooled_standard_errors: BTreeMap<String, Vec<Option<f64>>>,
    pub missing: Vec<MissingValue>,
}

impl SampleNumbers {
    /// From the evaluations after each task.
    pub(super) fn of(metrics: &[SampleMetric], evaluations: &[Evaluation]) -> Self {
        let mut numbers = Self::default();
        for metric in metrics {
            let rows = evaluations.iter().filter_map(|e| Some((e.experience, e.metrics.get(metric)?)));
            let rows: Vec<(usize, &TaskValues)> = rows.collect();
            numbers.add(metric.name(), &rows);
            for (k, values) in &rows {
                numbers.note_missing(metric.name(), *k, values);
            }
        }
        numbers
    }

    /// The values that are missing after one task.
    pub(super) fn missing_of(evaluation: &Evaluation) -> Vec<MissingValue> {
        let mut numbers = Self::default();
        for (metric, values) in &evaluation.metrics {
            numbers.note_missing(metric.name(), evaluation.experience, values);
        }
        numbers.missing
    }

    fn add(&mut self, name: &str, rows: &[(usize, &TaskValues)]) {
        let name = || name.to_owned();
        let value = |m: &Measured| m.value();
        self.matrices.insert(name(), by_task(rows, value));
        self.samples.insert(name(), by_task(rows, |m| Some(m.samples)));
        self.pooled.insert(name(), pooled(rows, value));
        self.pooled_samples.insert(name(), pooled(rows, |m| Some(m.samples)));
        // A metric that estimates no standard error has no matrix of them.
        let errors = by_task(rows, Measured::standard_error);
        if errors.iter().flatten().any(Option::is_some) {
            self.standard_errors.insert(name(), errors);
        }
        let errors = pooled(rows, Measured::standard_error);
        if errors.iter().any(Option::is_some) {
            self.pooled_standard_errors.insert(name(), errors);
        }
    }

    fn note_missing(&mut self, metric: &str, after_task: usize, values: &TaskValues) {
        let on_tasks = values.tasks.iter().enumerate().map(|(j, measured)| (Some(j), measured));
        for (on_task, measured) in on_tasks.chain([(None, &values.pooled)]) {
            let Some(Err(reason)) = measured.as_ref().map(|measured| &measured.outcome) else { continue };
            let (metric, reason) = (metric.to_owned(), reason.to_string());
            self.missing.push(MissingValue { metric, after_task, on_task, reason });
        }
    }
}

fn by_task<T>(rows: &[(usize, &TaskValues)], of: impl Fn(&Measured) -> Option<T>) -> Vec<Vec<Option<T>>> {
    rows.iter().map(|(_, v)| v.tasks.iter().map(|m| m.as_ref().and_then(&of)).collect()).collect()
}

fn pooled<T>(rows: &[(usize, &TaskValues)], of: impl Fn(&Measured) -> Option<T>) -> Vec<Option<T>> {
    rows.iter().map(|(_, v)| v.pooled.as_ref().and_then(&of)).collect()
}

#[cfg(test)]
mod tests {
    use cl_metrics::sample::{Estimate, Unmeasured};
    use cldiff_engine::Analyses;

    use super::*;

    #[test]
    fn values_errors_numbers_and_reasons_stand_side_by_side() {
        let measured = |outcome, samples| Some(Measured { outcome, samples });
        let lost = Err(Unmeasured("fid needs at least 2 images, got 1".into()));
        let first = TaskValues {
            tasks: vec![measured(Ok(Estimate::new(3.0, 0.5)), 10), None],
            pooled: measured(Ok(3.0.into()), 10),
        };
        let second = TaskValues {
            tasks: vec![measured(lost, 1), measured(Ok(4.0.into()), 19)],
            pooled: measured(Ok(Estimate::new(5.0, 0.25)), 20),
        };
        let evaluation = |experience, values| Evaluation {
            experience,
            metrics: BTreeMap::from([(SampleMetric::FID, values)]),
            profiles: Vec::new(),
            weight_of_past: 0.0,
            pictures: Vec::new(),
            analyses: Analyses::default(),
        };
        let found = SampleNumbers::of(&[SampleMetric::FID], &[evaluation(0, first), evaluation(1, second)]);
        assert_eq!(found.matrices["fid"], [[Some(3.0), None], [None, Some(4.0)]]);
        assert_eq!(found.samples["fid"], [[Some(10), None], [Some(1), Some(19)]]);
        assert_eq!(found.standard_errors["fid"], [[Some(0.5), None], [None, None]]);
        assert_eq!(found.pooled["fid"], [Some(3.0), Some(5.0)]);
        assert_eq!(found.pooled_samples["fid"], [Some(10), Some(20)]);
        assert_eq!(found.pooled_standard_errors["fid"], [None, Some(0.25)]);
        let [missing] = &found.missing[..] else { panic!("{:?}", found.missing) };
        assert_eq!((missing.after_task, missing.on_task), (1, Some(0)));
        assert_eq!(missing.reason, "fid needs at least 2 images, got 1");
    }
}
