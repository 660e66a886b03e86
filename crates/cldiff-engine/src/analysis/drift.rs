//! How far samples moved from the same noise: the first samples of each task are kept right after it, as 8-bit images, and
//! compared after each later task.

use cl_metrics::{
    features::pixels,
    sample::drift::{SampleDrift, sample_drift},
};
use ddpm_core::TrainBackend;

use super::{Analyst, Drawn};
use crate::EngineError;

/// The width of the range of pixels in [-1, 1].
const RANGE: f64 = 2.0;

impl<B: TrainBackend> Analyst<'_, B> {
    /// `[j]` for the tasks before this one. An unconditional model's samples are compared as they were drawn: which of them
    /// belong to a task may change.
    pub(super) fn drift(&self, drawn: &Drawn) -> Result<Vec<Option<SampleDrift>>, EngineError> {
        let of_task = |(before, after): (&Option<_>, &data_streams::ImageDataset)| {
            let Some(before) = before else { return Ok(None) };
            let after = after.take(self.spec.evaluation.drift.samples);
            Ok(Some(sample_drift(&pixels(before)?, &pixels(&after)?, RANGE)?))
        };
        self.samples.iter().zip(&drawn.images).map(of_task).collect()
    }

    /// Keeps the first samples of the task that was just learned, if there is a later one.
    pub(super) fn keep_samples(&mut self, drawn: &Drawn) {
        let k = self.samples.len();
        let first = drawn.images.get(k).map(|images| images.take(self.spec.evaluation.drift.samples));
        self.samples.push(first.filter(|_| self.needs_samples_of(k)));
    }

    /// Whether later experiences are compared with the samples right after this one.
    pub(super) fn needs_samples_of(&self, j: usize) -> bool {
        self.spec.evaluation.drift.samples > 0 && j + 1 < self.reference.tasks.len()
    }
}
