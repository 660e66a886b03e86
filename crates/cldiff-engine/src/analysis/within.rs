//! Looks at the tasks seen within an experience: before its first step, after every n-th, and after the last.
//!
//! A look trains nothing and draws from keys of its own: the training is the same with and without it. It asks the strategy
//! for its models; one that answers with models of finished tasks (an ensemble, for example) is looked at as it answers.

use std::time::Instant;

use cl_metrics::likelihood::{quick_losses, quick_strata};
use data_streams::apportion;
use ddpm_core::{
    GaussianDiffusion, TrainBackend,
    noise::{Key, Purpose},
};
use serde::{Deserialize, Serialize};

use super::{Analyst, Model, ModelOf, tell};
use crate::{
    CellObserver, Cost, EngineError,
    evaluate::{Evaluator, SAMPLES, Wanted},
};

const LOSSES: Purpose = Purpose::named("evaluation within an experience");
const IMAGES: Purpose = Purpose::named("images within an experience");

/// One look.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WithinLook {
    /// Steps of the experience that are done.
    pub step: usize,
    /// `[j]` for the tasks seen, the experience's own last.
    pub tasks: Vec<TaskLook>,
}

/// The values of a look on a task; none where a value is not finite, or was not asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskLook {
    /// Mean squared error of the noise.
    pub denoising_loss: Option<f64>,
    /// Bits per dimension.
    pub bpd: Option<f64>,
    /// FID.
    pub fid: Option<f64>,
}

impl<B: TrainBackend> Analyst<'_, B> {
    /// Whether a look is due after so many steps: at each n-th, and at the end, unless it has been taken, as by a cell that
    /// goes on from a state.
    pub(crate) fn look_is_due(&self, step: usize, is_end: bool) -> bool {
        let Some(every) = self.spec.evaluation.every_steps else { return false };
        let taken = self.found.within.last().is_some_and(|last| last.step >= step);
        !taken && (is_end || step % every.max(1) == 0)
    }

    /// Looks at the tasks 0 to `k` after so many steps of experience `k`.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if the observer breaks.
    pub(crate) fn look(
        &mut self,
        (k, step): (usize, usize),
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<(), EngineError> {
        let mut look = WithinLook { step, tasks: Vec::new() };
        for j in 0..=k {
            let model = model(j)?;
            let mut found = self.losses_on(j, &model, process, k, observer, cost)?;
            if self.spec.evaluation.within.samples > 0 {
                found.fid = self.quick_fid((j, k), &model, process, evaluator, observer, cost)?;
            }
            look.tasks.push(found);
        }
        self.found.within.push(look);
        Ok(())
    }

    fn losses_on(
        &self,
        j: usize,
        model: &Model<B>,
        process: &GaussianDiffusion,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<TaskLook, EngineError> {
        let start = Instant::now();
        let evaluation = &self.spec.evaluation;
        let batch = self.images_of::<B::InnerBackend>(j, evaluation.within.images_per_task, IMAGES);
        let passes = batch.0.dims()[0] * quick_strata(process.timesteps()).len();
        // Not the cell's seed: cells are compared on identical images and noise.
        let key = Key::new(0, LOSSES).experience(j);
        let found = quick_losses(model, process, batch, evaluation.likelihood.clip, key);
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        tell(passes, passes, k, observer, cost)?;
        let finite = |value: f64| value.is_finite().then_some(value);
        let (denoising_loss, bpd) = (finite(found.denoising_loss), finite(found.bits_per_dimension));
        Ok(TaskLook { denoising_loss, bpd, fid: None })
    }

    /// FID of a few samples of task `j`; none where it has no value, as where too few of them belong to the task.
    fn quick_fid(
        &self,
        (j, k): (usize, usize),
        model: &Model<B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Option<f64>, EngineError> {
        // Where classes have other images in each task, samples are no match for one task's.
        if evaluator.no_match(false).is_some() {
            return Ok(None);
        }
        let start = Instant::now();
        let task = &self.reference.tasks[j];
        let shares = apportion(&task.eval.counts_per_class(), self.spec.evaluation.within.samples);
        let requested =
            shares.iter().enumerate().flat_map(|(class, &n)| std::iter::repeat_n(class, n)).collect();
        let key = Key::new(self.spec.seed, SAMPLES).experience(j);
        let samples =
            evaluator.draw(model, process, Wanted { task: j, requested, key }, k, observer, cost)?;
        cost.sample_seconds += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let distance = self.distance_on(j, &samples, evaluator);
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        distance
    }
}
