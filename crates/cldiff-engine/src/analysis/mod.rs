//! What is asked of several moments of one training: what was forgotten along the timesteps, which part of a trajectory
//! has to be remembered, whether gradients agree, whether activations stay alike.
//!
//! The metrics of one moment are in `evaluate`; this keeps what they need of earlier ones.

mod cka;
mod gradients;
mod hybrid;

use std::time::Instant;

use burn::tensor::{Int, Tensor};
use cl_metrics::{
    hybrid::HybridCurve,
    likelihood::{TimestepForgetting, TimestepProfile, timestep_forgetting},
    sample::SampleMetric,
};
use cl_strategies::{Trainer, images};
use ddpm_core::{GaussianDiffusion, TrainBackend, UNet2D};

use crate::{
    CellObserver, CellSpec, Cost, EngineError, Evaluation, Phase, Reference, Tick,
    evaluate::{Evaluator, TaskModels, spread},
};

pub use self::cka::CkaTable;

/// What was found after one experience by looking back.
#[derive(Debug, Clone, Default)]
pub struct Analyses {
    /// The profile of the untrained model on each task; after the first experience only.
    pub untrained: Vec<TimestepProfile>,
    /// The change since each earlier task was learned, on that task: `[j]` for j < k.
    pub forgetting: Vec<TimestepForgetting>,
    /// Cosines of this task's gradients with each earlier task's, before this task was learned: `[j][bin]` for j < k.
    /// Empty where not asked for.
    pub gradients: Vec<Vec<Option<f64>>>,
    /// How alike activations are to those right after each earlier task; none where not asked for.
    pub cka: Option<CkaTable>,
    /// Samples drawn by two moments of the model together; after the last experience only.
    pub hybrid: Vec<HybridCurve>,
}

/// A network without autodiff, as it was at some moment.
type Model<B> = UNet2D<<B as burn::tensor::backend::AutodiffBackend>::InnerBackend>;

/// Keeps what later experiences are compared with.
pub(crate) struct Analyst<'a, B: TrainBackend> {
    spec: &'a CellSpec,
    reference: &'a Reference,
    device: &'a B::Device,
    /// The bins of timesteps.
    edges: Vec<usize>,
    /// The profile on task j right after it.
    profiles: Vec<TimestepProfile>,
    /// FID on task j right after it.
    fid: Vec<Option<f64>>,
    /// The model that was asked about task j right after it, where it is needed.
    models: Vec<Option<Model<B>>>,
    /// What the next evaluation takes with it.
    found: Analyses,
}

impl<'a, B: TrainBackend> Analyst<'a, B> {
    pub(crate) fn new(
        spec: &'a CellSpec,
        reference: &'a Reference,
        edges: &[usize],
        device: &'a B::Device,
    ) -> Self {
        let (profiles, fid, models) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            spec,
            reference,
            device,
            edges: edges.to_vec(),
            profiles,
            fid,
            models,
            found: Analyses::default(),
        }
    }

    /// Looks at the model before experience `k` is learned.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if the observer breaks.
    pub(crate) fn before(
        &mut self,
        trainer: &Trainer<B, UNet2D<B>>,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<(), EngineError> {
        let start = Instant::now();
        if k == 0 {
            let untrained = trainer.average();
            let models = TaskModels::new(&untrained, Vec::new());
            self.found.untrained = evaluator.profiles(&models, trainer.process(), k, observer, cost)?;
        } else if let Some(config) = self.spec.evaluation.gradients {
            self.found.gradients = self.gradients(config, trainer, k, observer, cost)?;
        }
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Looks back after an experience was learned and measured. `model` gives what is asked about a task by now: for
    /// most strategies one model for all.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if the observer breaks, [`EngineError::Metric`] from the metrics.
    pub(crate) fn after(
        &mut self,
        model: &dyn Fn(usize) -> Model<B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        evaluation: &Evaluation,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Analyses, EngineError> {
        let k = evaluation.experience;
        self.profiles.push(evaluation.profiles[k].clone());
        self.fid.push(fid_of(evaluation, k));
        let last = k + 1 == self.reference.tasks.len();
        let needed =
            self.spec.evaluation.cka.is_some() || self.spec.evaluation.hybrid_sampling.tasks().contains(&k);
        self.models.push((needed && !last).then(|| model(k)));
        let mut found = std::mem::take(&mut self.found);
        let before = self.profiles[..k].iter().zip(&evaluation.profiles);
        found.forgetting = before.map(|(before, after)| timestep_forgetting(before, after)).collect();
        if let Some(config) = self.spec.evaluation.cka {
            let start = Instant::now();
            found.cka = Some(self.cka(&config, model, process, k, observer, cost)?);
            cost.evaluate_seconds += start.elapsed().as_secs_f64();
        }
        if last {
            found.hybrid = self.hybrid(model, process, evaluator, evaluation, observer, cost)?;
        }
        Ok(found)
    }

    /// Images of task `j`'s eval split and their conditions, on a backend with or without autodiff.
    fn images_of<D: ddpm_core::Kernels<Device = B::Device>>(
        &self,
        j: usize,
        n: usize,
    ) -> (Tensor<D, 4>, Option<Tensor<D, 1, Int>>) {
        let eval = &self.reference.tasks[j].eval;
        let some = spread(eval, n);
        let y = self.spec.training.condition_on.conditions(eval, &some, self.device);
        (images::<D>(eval, &some, self.device), y)
    }
}

/// FID on a task; none where it was not measured.
fn fid_of(evaluation: &Evaluation, task: usize) -> Option<f64> {
    evaluation.metrics.get(&SampleMetric::Fid).and_then(|values| values.tasks[task])
}

/// Tells of passes through the network, and counts them.
///
/// # Errors
/// [`EngineError::Interrupted`] if the observer breaks.
fn tell(
    passes: usize,
    work: usize,
    k: usize,
    observer: &mut dyn CellObserver,
    cost: &mut Cost,
) -> Result<(), EngineError> {
    cost.denoiser_evaluations += passes as u64;
    let images = passes as u64;
    let tick = Tick { phase: Phase::Evaluate, experience: k, work: work as u64, images, step: 0, loss: None };
    if observer.tick(tick).is_break() { Err(EngineError::Interrupted) } else { Ok(()) }
}
