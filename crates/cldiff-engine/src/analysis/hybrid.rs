//! Hybrid sampling (`cl_metrics::hybrid`): samples of an old task that two moments of the model draw together.

use std::time::Instant;

use cl_metrics::{hybrid::HybridCurve, sample::SampleMetric};
use cl_strategies::ConditionOn;
use ddpm_core::{Denoiser, GaussianDiffusion, TimestepSwitch, TrainBackend};

use super::{Analyst, Model, ModelOf, fid_of};
use crate::{CellObserver, Cost, EngineError, Evaluation, evaluate::Evaluator};

impl<B: TrainBackend> Analyst<'_, B> {
    /// The curve of every task that is asked for, with `model` of the task as the new one.
    pub(super) fn hybrid(
        &self,
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        (earlier, evaluation): (&[Evaluation], &Evaluation),
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Vec<HybridCurve>, EngineError> {
        let config = &self.spec.evaluation.hybrid_sampling;
        // Two moments that share a trajectory have no task of their own.
        if evaluator.no_match(false).is_some() {
            return Ok(Vec::new());
        }
        let thresholds = config.timesteps(process.timesteps());
        let mut curves = Vec::new();
        for (task, before) in earlier.iter().enumerate().filter(|(task, _)| config.tasks().contains(task)) {
            let Some(old) = &self.models[task] else { continue };
            let new = &model(task)?;
            let mut fid = |noisy: &Model<B>, clear: &Model<B>, threshold| {
                let switch = TimestepSwitch::new(noisy, clear, threshold);
                self.fid_on(task, &switch, process, evaluator, observer, cost)
            };
            // A conditional model's own samples of the task are measured already, with the same noise. Samples of an
            // unconditional one are sorted by the classifier among the samples of all tasks, and are others.
            let conditional = self.spec.training.condition_on != ConditionOn::None;
            let ends = if conditional && self.spec.evaluation.metrics.contains(&SampleMetric::FID) {
                (fid_of(before, task), fid_of(evaluation, task))
            } else {
                (fid(old, old, 0)?, fid(new, new, 0)?)
            };
            let mut curve = HybridCurve {
                task,
                thresholds: thresholds.clone(),
                old_above: vec![ends.0],
                new_above: vec![ends.1],
            };
            for &threshold in &thresholds[1..thresholds.len() - 1] {
                curve.old_above.push(fid(old, new, threshold)?);
                curve.new_above.push(fid(new, old, threshold)?);
            }
            curve.old_above.push(ends.1);
            curve.new_above.push(ends.0);
            curves.push(curve);
        }
        Ok(curves)
    }

    /// FID on a task of samples by a denoiser; none where it has no value, as where too few of them belong to the task.
    fn fid_on(
        &self,
        task: usize,
        denoiser: &dyn Denoiser<B::InnerBackend>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Option<f64>, EngineError> {
        let k = self.reference.tasks.len() - 1;
        let start = Instant::now();
        let samples = evaluator.samples_of(denoiser, process, task, k, observer, cost)?;
        cost.sample_seconds += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let distance = self.distance_on(task, &samples, evaluator);
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        distance
    }
}
