//! Samples against real images: every metric on each task seen, and over all of them.
//!
//! The metrics over all tasks take N samples, however many tasks were seen: the first of each task, in the shares of the
//! tasks' held-out images. The numbers of an unconditional model take its samples as they come, and on a task those in
//! which the classifier sees a class of the task.
//!
//! Where a class has other images in each of several tasks (other domains), a model that is conditioned on the class
//! answers with a mixture of them, and samples of an unconditional one cannot be told apart by their class. A task's
//! images are no match for either: there are values over all tasks only, unless a strategy has a model for each task.

use std::{collections::BTreeMap, ops::Range};

use cl_metrics::{
    MetricError,
    features::{FeatureMatrix, pixels},
    sample::{
        Outcome, SampleMetric, Sets, Stored, Unmeasured, measure_sets,
        memorisation::{AskedFor, comparable},
        shares::pooled_shares,
    },
};
use cl_strategies::ConditionOn;
use data_streams::ImageDataset;
use ddpm_core::Kernels;

use crate::{
    EngineError, Measured, TaskValues, evaluate::Evaluator, reference::Known, training_images::TrainingPixels,
};

const A_CLASS_IN_SEVERAL_TASKS: &str = "the model is conditioned on the class, which occurs in several tasks: it cannot be \
                                        asked for one task's images; condition on the task, or give each domain \
                                        classes of its own";
const NO_TASK_IS_SEEN: &str = "the model is unconditional, and its samples are told apart by their class, which occurs in \
                               several tasks; condition on the task, or give each domain classes of its own";

/// Some samples and what is known of them.
pub(crate) struct Described {
    pub(crate) images: ImageDataset,
    pub(crate) known: Known,
}

/// The samples of an evaluation.
pub(crate) struct Samples {
    /// As they were drawn for each task.
    pub(crate) drawn: Vec<Described>,
    /// As they belong to each task, where that is not as they were drawn.
    pub(crate) by_task: Option<Vec<Described>>,
}

impl<B: Kernels> Evaluator<'_, B> {
    /// Describes samples that were drawn for each task seen. An unconditional model cannot be asked for a task's images:
    /// its samples belong to the task of the class that the classifier sees in them.
    pub(crate) fn describe(&self, samples: Vec<ImageDataset>) -> Result<Samples, EngineError> {
        let describe = |images: ImageDataset| {
            let known = self.reference.describe(&images)?;
            Ok::<_, EngineError>(Described { images, known })
        };
        let drawn: Vec<Described> = samples.into_iter().map(describe).collect::<Result<_, _>>()?;
        let by_task = match self.spec.training.condition_on {
            ConditionOn::Class | ConditionOn::Task => None,
            ConditionOn::None => Some(self.sort_by_task(&drawn)?),
        };
        Ok(Samples { drawn, by_task })
    }

    fn sort_by_task(&self, drawn: &[Described]) -> Result<Vec<Described>, EngineError> {
        let images: Vec<&ImageDataset> = drawn.iter().map(|samples| &samples.images).collect();
        let images = ImageDataset::concat(&images).map_err(MetricError::from)?;
        let known = Known::pooled(&drawn.iter().map(|samples| &samples.known).collect::<Vec<_>>())?;
        let seen = known.judged.argmax();
        let of_task = |j| {
            let own = self.of_task(&seen, j);
            Described { images: images.select(&own), known: known.select(&own) }
        };
        Ok((0..drawn.len()).map(of_task).collect())
    }

    /// Gives the samples in which a class of task `j` is seen.
    pub(crate) fn of_task(&self, seen: &[usize], j: usize) -> Vec<usize> {
        let counts = self.reference.tasks[j].eval.counts_per_class();
        (0..seen.len()).filter(|&i| counts[seen[i]] > 0).collect()
    }

    /// Why samples cannot be compared with the images of one task; `has_own`: whether the task has a model of its own.
    pub(crate) fn no_match(&self, has_own: bool) -> Option<Unmeasured> {
        let reason = match self.spec.training.condition_on {
            ConditionOn::Task => return None,
            ConditionOn::Class if has_own => return None,
            ConditionOn::Class => A_CLASS_IN_SEVERAL_TASKS,
            ConditionOn::None => NO_TASK_IS_SEEN,
        };
        self.reference.classes_in_domains.then(|| Unmeasured(reason.to_owned()))
    }

    /// Every metric on each task seen, and over all of them; `own`: whether each task has a model of its own.
    pub(crate) fn measure_all(
        &self,
        drawn: &[Described],
        by_task: &[Described],
        own: &[bool],
        stored: Option<&ImageDataset>,
    ) -> Result<BTreeMap<SampleMetric, TaskValues>, EngineError> {
        let wanted = &self.spec.evaluation.metrics;
        let empty = TaskValues { tasks: vec![None; self.reference.tasks.len()], pooled: None };
        let mut metrics: BTreeMap<_, _> = wanted.iter().map(|&metric| (metric, empty.clone())).collect();
        for (j, samples) in by_task.iter().enumerate() {
            let found = match self.no_match(own[j]) {
                Some(reason) => wanted.iter().map(|&metric| (metric, Err(reason.clone()))).collect(),
                None => self.measure(&samples.known, stored, by_task.len(), j..j + 1)?,
            };
            for (metric, outcome) in found {
                let measured = Measured { outcome, samples: samples.images.len() };
                metrics.entry(metric).and_modify(|values| values.tasks[j] = Some(measured));
            }
        }
        let pooled = self.pooled(drawn)?;
        for (metric, outcome) in self.measure(&pooled, stored, drawn.len(), 0..drawn.len())? {
            let measured = Measured { outcome, samples: pooled.labels.len() };
            metrics.entry(metric).and_modify(|values| values.pooled = Some(measured));
        }
        Ok(metrics)
    }

    /// N samples of all tasks seen.
    fn pooled(&self, drawn: &[Described]) -> Result<Known, MetricError> {
        let real: Vec<&ImageDataset> =
            self.reference.tasks[..drawn.len()].iter().map(|task| &task.eval).collect();
        let shares = pooled_shares(&real, self.spec.evaluation.samples_per_task);
        let parts: Vec<Known> =
            drawn.iter().zip(shares).map(|(samples, share)| samples.known.first(share)).collect();
        Known::pooled(&parts.iter().collect::<Vec<_>>())
    }

    /// The metrics of samples of some tasks, or the reasons why they cannot be measured, after `seen` tasks.
    fn measure(
        &self,
        samples: &Known,
        stored: Option<&ImageDataset>,
        seen: usize,
        tasks: Range<usize>,
    ) -> Result<BTreeMap<SampleMetric, Outcome>, EngineError> {
        let real_tasks = &self.reference.tasks[tasks.clone()];
        let real = Known::pooled(&real_tasks.iter().map(|task| &task.known).collect::<Vec<_>>())?;
        let gaussian = if let [task] = real_tasks { task.gaussian.as_ref() } else { None };
        let stored = stored.map(|stored| self.stored_pixels(stored, seen, &tasks)).transpose()?.flatten();
        let conditional = self.spec.training.condition_on == ConditionOn::Class;
        let training = self.reference.training.as_ref();
        let training = training.map(|all| all.comparable(seen, &tasks, self.asked_for()));
        let training = training.transpose()?.flatten();
        let sets = Sets {
            real: &real.set(gaussian, true),
            generated: &samples.set(None, conditional),
            stored: stored.as_ref().map(|(pixels, held_out)| Stored { pixels, held_out }),
            training: training.as_ref().map(TrainingPixels::set),
        };
        Ok(measure_sets(&self.spec.evaluation.metrics, &sets)?)
    }

    /// The request, which tells the images that samples of a task may be copies of.
    fn asked_for(&self) -> AskedFor {
        match self.spec.training.condition_on {
            ConditionOn::Task => AskedFor::Tasks,
            // Without a condition, samples are sorted by the class that is seen in them.
            ConditionOn::Class | ConditionOn::None => AskedFor::Classes,
        }
    }

    /// The stored images that samples of some tasks may repeat, after `seen` tasks, and real ones to compare them with.
    fn stored_pixels(
        &self,
        stored: &ImageDataset,
        seen: usize,
        tasks: &Range<usize>,
    ) -> Result<Option<(FeatureMatrix, FeatureMatrix)>, MetricError> {
        let held_out: Vec<&ImageDataset> =
            self.reference.tasks[..seen].iter().map(|task| &task.eval).collect();
        comparable(stored, &held_out, tasks.clone(), self.asked_for())
            .map(|(stored, held_out)| Ok((pixels(&stored)?, pixels(&held_out)?)))
            .transpose()
    }
}
