//! Analyses that compare several moments of one training: forgetting along the timesteps, which part of a trajectory
//! has to be remembered, whether gradients agree, whether activations stay alike, how far samples moved, what became of
//! each class, and how the tasks fare within an experience.
//!
//! The metrics of one moment are in `evaluate`; this keeps what they need of earlier ones.

mod cas;
mod cka;
mod classes;
mod distance;
mod drawn;
mod drift;
mod gradients;
mod hybrid;
mod removed;
mod within;

use std::time::Instant;

use burn::tensor::{Int, Tensor};
use cl_metrics::{
    hybrid::HybridCurve,
    likelihood::{TimestepForgetting, TimestepProfile, timestep_forgetting},
    sample::{SampleMetric, drift::SampleDrift},
};
use cl_strategies::{State, StrategyError, Trainer, images};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{AnyNetwork, GaussianDiffusion, TrainBackend, noise::Purpose};
use serde::{Deserialize, Serialize};

use crate::{
    CellObserver, CellSpec, Cost, EngineError, Evaluation, Phase, Reference, Tick,
    evaluate::{Evaluator, TaskModels, some_images},
};

pub(crate) use self::drawn::Drawn;
pub use self::{
    cas::CasReading,
    cka::CkaTable,
    classes::ClassReadings,
    removed::RemovedClass,
    within::{TaskLook, WithinLook},
};

/// The analyses after one experience.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Analyses {
    /// The profile of the untrained model on each task; after the first experience only.
    pub untrained: Vec<TimestepProfile>,
    /// The change since each earlier task was learned, on that task: `[j]` for j < k. It follows from the profiles.
    #[serde(skip)]
    pub forgetting: Vec<TimestepForgetting>,
    /// Cosines of this task's gradients with each earlier task's, before this task was learned: `[j][bin]` for j < k.
    /// Empty where not asked for.
    pub gradients: Vec<Vec<Option<f64>>>,
    /// How alike activations are to those right after each earlier task; none where not asked for.
    pub cka: Option<CkaTable>,
    /// Samples drawn by two moments of the model together; after the last experience only.
    pub hybrid: Vec<HybridCurve>,
    /// The outcome for each class; none for models that are not asked for classes.
    pub classes: Option<ClassReadings>,
    /// How far samples moved since right after each earlier task: `[j]` for j < k. Empty where not asked for.
    pub drift: Vec<Option<SampleDrift>>,
    /// The classification accuracy score; none where not asked for.
    pub cas: Option<CasReading>,
    /// Traces of the classes that the stream removes, from right before their removal on.
    pub removed: Vec<RemovedClass>,
    /// Looks within the experience; empty where not asked for.
    pub within: Vec<WithinLook>,
    /// The samples that these are made from.
    #[serde(skip)]
    pub(crate) drawn: Drawn,
}

/// A network without autodiff, as it was at some moment.
type Model<B> = AnyNetwork<<B as burn::tensor::backend::AutodiffBackend>::InnerBackend>;

/// The model that is asked about a task.
type ModelOf<'a, B> = dyn Fn(usize) -> Result<Model<B>, StrategyError> + 'a;

/// Keeps what later experiences are compared with.
pub(crate) struct Analyst<'a, B: TrainBackend> {
    spec: &'a CellSpec,
    stream: &'a Stream,
    reference: &'a Reference,
    device: &'a B::Device,
    /// The bins of timesteps.
    edges: Vec<usize>,
    /// The model that was asked about task j right after it, where it is needed.
    models: Vec<Option<Model<B>>>,
    /// The first samples of task j right after it, where they are needed.
    samples: Vec<Option<ImageDataset>>,
    /// Findings that the next evaluation collects.
    found: Analyses,
}

impl<'a, B: TrainBackend> Analyst<'a, B> {
    pub(crate) fn new(
        spec: &'a CellSpec,
        stream: &'a Stream,
        reference: &'a Reference,
        edges: &[usize],
        device: &'a B::Device,
    ) -> Self {
        let (edges, models, samples) = (edges.to_vec(), Vec::new(), Vec::new());
        Self { spec, stream, reference, device, edges, models, samples, found: Analyses::default() }
    }

    /// All that going on takes.
    pub(crate) fn save(&self) -> State {
        let mut state = State::default();
        state.put("found", &self.found);
        for (j, model) in self.models.iter().enumerate() {
            if let Some(model) = model {
                state.put_module(&format!("models.{j}"), model);
            }
        }
        for (j, samples) in self.samples.iter().enumerate() {
            state.put_images(&format!("samples.{j}"), samples.as_ref());
        }
        state
    }

    /// Goes on from a state, after these evaluations, and adds to them what follows from them. `like` is a model to fill
    /// with the kept ones' numbers.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of another cell.
    pub(crate) fn restore(
        &mut self,
        mut state: State,
        evaluations: &mut [Evaluation],
        like: &Model<B>,
    ) -> Result<(), EngineError> {
        let tasks = self.reference.tasks.len();
        if evaluations.len() > tasks || evaluations.iter().any(|e| e.profiles.len() != tasks) {
            return Err(misfit("evaluations", "they are of another stream").into());
        }
        for k in 0..evaluations.len() {
            let (earlier, later) = evaluations.split_at_mut(k);
            later[0].analyses.forgetting = forgetting(earlier, &later[0]);
        }
        self.found = state.take("found")?;
        self.models.clear();
        for j in 0..evaluations.len() {
            let model = state.take_module(&format!("models.{j}"), like.clone())?;
            if model.is_none() && self.needs_model_of(j) {
                return Err(misfit(&format!("models.{j}"), "it is missing").into());
            }
            self.models.push(model);
        }
        self.samples.clear();
        for j in 0..evaluations.len() {
            let samples = state.take_images(&format!("samples.{j}"), &self.reference.tasks[j].eval)?;
            if samples.is_none() && self.needs_samples_of(j) {
                return Err(misfit(&format!("samples.{j}"), "they are missing").into());
            }
            self.samples.push(samples);
        }
        Ok(state.finish()?)
    }

    /// Whether later experiences are compared with the model right after this one.
    fn needs_model_of(&self, j: usize) -> bool {
        let last = j + 1 == self.reference.tasks.len();
        let evaluation = &self.spec.evaluation;
        !last && (evaluation.cka.is_some() || evaluation.hybrid_sampling.tasks().contains(&j))
    }

    /// Looks at the model before experience `k` is learned.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if the observer breaks.
    pub(crate) fn before(
        &mut self,
        trainer: &Trainer<B, AnyNetwork<B>>,
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

    /// Looks back after an experience was learned and measured; `earlier` are the evaluations before it. `model` gives
    /// what is asked about a task by now: for most strategies one model for all.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`] if the observer breaks, [`EngineError::Metric`] from the metrics.
    pub(crate) fn after(
        &mut self,
        model: &ModelOf<'_, B>,
        process: &GaussianDiffusion,
        evaluator: &Evaluator<'_, B::InnerBackend>,
        (earlier, evaluation): (&[Evaluation], &Evaluation),
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Analyses, EngineError> {
        let k = evaluation.experience;
        let kept = if self.needs_model_of(k) { Some(model(k)?) } else { None };
        self.models.push(kept);
        let mut found = std::mem::take(&mut self.found);
        found.forgetting = forgetting(earlier, evaluation);
        self.read_samples(&mut found, &evaluation.analyses.drawn, cost)?;
        if let Some(config) = self.spec.evaluation.cka {
            let start = Instant::now();
            found.cka = Some(self.cka(&config, model, process, k, observer, cost)?);
            cost.evaluate_seconds += start.elapsed().as_secs_f64();
        }
        found.removed = self.removed(model, process, evaluator, k, observer, cost)?;
        let is_last = k + 1 == self.reference.tasks.len();
        if let Some(config) = self.spec.evaluation.cas.filter(|config| config.every_task || is_last) {
            found.cas = Some(self.cas(config, model, process, evaluator, k, (&mut *observer, &mut *cost))?);
        }
        if is_last {
            found.hybrid = self.hybrid(model, process, evaluator, (earlier, evaluation), observer, cost)?;
        }
        Ok(found)
    }

    /// Readings of the samples that the evaluation has drawn.
    fn read_samples(
        &mut self,
        found: &mut Analyses,
        drawn: &Drawn,
        cost: &mut Cost,
    ) -> Result<(), EngineError> {
        let start = Instant::now();
        found.classes = self.classes(drawn)?;
        found.drift = self.drift(drawn)?;
        self.keep_samples(drawn);
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// How many of `n` images task `j`'s eval split has.
    fn images_in(&self, j: usize, n: usize) -> usize {
        n.min(self.reference.tasks[j].eval.len())
    }

    /// Images of task `j`'s eval split, every class in its share, and their conditions, on a backend with or without
    /// autodiff.
    fn images_of<D: ddpm_core::Kernels<Device = B::Device>>(
        &self,
        j: usize,
        n: usize,
        purpose: Purpose,
    ) -> (Tensor<D, 4>, Option<Tensor<D, 1, Int>>) {
        let eval = &self.reference.tasks[j].eval;
        let some = some_images(eval, n, purpose, j);
        let y = self.spec.training.condition_on.conditions(eval, &some, self.device);
        (images::<D>(eval, &some, self.device), y)
    }
}

/// The change on each earlier task since right after it.
fn forgetting(earlier: &[Evaluation], evaluation: &Evaluation) -> Vec<TimestepForgetting> {
    let before = earlier.iter().map(|before| &before.profiles[before.experience]);
    before.zip(&evaluation.profiles).map(|(before, after)| timestep_forgetting(before, after)).collect()
}

fn misfit(name: &str, problem: &str) -> StrategyError {
    StrategyError::State { name: name.to_owned(), problem: problem.to_owned() }
}

/// FID on a task; none where it was not measured.
fn fid_of(evaluation: &Evaluation, task: usize) -> Option<f64> {
    evaluation.metrics.get(&SampleMetric::FID).and_then(|values| values.on(task))
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
    cost.evaluation_passes += passes as u64;
    let images = passes as u64;
    let tick = Tick { phase: Phase::Evaluate, experience: k, work: work as u64, images, step: 0, loss: None };
    if observer.tick(tick).is_break() { Err(EngineError::Interrupted) } else { Ok(()) }
}
