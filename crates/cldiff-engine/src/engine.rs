//! The boundary between what depends on a backend and what does not.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Duration};

use cl_metrics::{
    features::FeatureExtractor,
    likelihood::{TimestepProfile, quick_strata},
    sample::{Outcome, SampleMetric},
};
use cl_strategies::{Budget, State};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{likelihood::BitsPerDimension, sampler};
use serde::{Deserialize, Serialize};

use crate::{
    Analyses, BenchmarkJob, BitsJob, CellSpec, Cost, EngineError, EvaluationConfig, ExtractorContext,
    FeaturesConfig, HostImages, Measurement, PrecisionConfig, PredictJob, Reference, SampleJob,
};

/// A backend on a device, ready to run cells.
pub trait Engine: Send + Sync {
    /// The backend's name, as `--backend` takes it.
    fn backend(&self) -> &'static str;

    /// The device, in words.
    fn device(&self) -> String;

    /// Whether the first steps take longer, since kernels are compiled and tuned for the device.
    fn warms_up(&self) -> bool;

    /// Checks that the device has the numbers that are to be multiplied.
    ///
    /// # Errors
    /// [`EngineError::Backend`] if it has not.
    fn check_precision(&self, precision: PrecisionConfig) -> Result<(), EngineError>;

    /// The time that one image takes in a pass through a cell's network, measured on a few images within a second or two;
    /// none on a GPU, where the first pass has its kernels compiled and says nothing of the next.
    ///
    /// # Errors
    /// For options of the network that are out of range.
    fn time_of_a_pass(&self, spec: &CellSpec, stream: &Stream) -> Result<Option<Duration>, EngineError>;

    /// Makes what all cells are measured against: features of real images and the metrics' floors; or takes up what an
    /// earlier process has made.
    ///
    /// # Errors
    /// [`EngineError::Metric`] for data that the metrics cannot work with; [`EngineError::Strategy`] for a state of other
    /// images, metrics or another classifier.
    fn prepare(
        &self,
        stream: &Stream,
        evaluation: &EvaluationConfig,
        shared: Shared<'_>,
    ) -> Result<Reference, EngineError>;

    /// What gives images features, apart from any run.
    ///
    /// # Errors
    /// [`EngineError::Metric`] for weights that cannot be read or options out of range.
    fn extractor(
        &self,
        features: &FeaturesConfig,
        context: &ExtractorContext<'_>,
    ) -> Result<Box<dyn FeatureExtractor>, EngineError>;

    /// What a run computes, in small and on fixed numbers, by which backends are compared.
    ///
    /// # Errors
    /// As [`check_precision`](Self::check_precision).
    fn probe(&self, precision: PrecisionConfig) -> Result<Probe, EngineError>;

    /// Draws samples from a model in a diffusers directory; `progress` is told of every denoiser evaluation.
    ///
    /// # Errors
    /// [`EngineError::Core`] for a model that cannot be read, or options that do not fit it.
    fn sample(
        &self,
        job: &SampleJob,
        progress: &mut dyn FnMut(sampler::Progress),
    ) -> Result<HostImages, EngineError>;

    /// Writes a model as a pipeline that `DDPMPipeline.from_pretrained` loads.
    ///
    /// # Errors
    /// As [`sample`](Self::sample), and for files that cannot be written.
    fn export(&self, model: &Path, to: &Path) -> Result<(), EngineError>;

    /// What a model in a diffusers directory predicts for given noisy images.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn predict(&self, job: &PredictJob) -> Result<HostImages, EngineError>;

    /// Bits per dimension of images under a model in a diffusers directory; `progress` is told the share that is done.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn bits_per_dimension(
        &self,
        job: &BitsJob,
        progress: &mut dyn FnMut(f64),
    ) -> Result<BitsPerDimension, EngineError>;

    /// Measures speed and memory on a reference workload; `tell` gets each quantity as soon as it is known.
    ///
    /// # Errors
    /// [`EngineError::Strategy`] if the training diverges.
    fn benchmark(&self, job: &BenchmarkJob, tell: &mut dyn FnMut(Measurement)) -> Result<(), EngineError>;

    /// Trains and evaluates one cell, from its beginning or from a state that its observer was given earlier.
    ///
    /// # Errors
    /// [`EngineError::Strategy`] if the training diverges or the state is one of another cell,
    /// [`EngineError::Interrupted`] if the observer stops it, [`EngineError::Output`] from the observer.
    fn run_cell(
        &self,
        spec: &CellSpec,
        stream: &Stream,
        reference: &Reference,
        state: Option<State>,
        observer: &mut dyn CellObserver,
    ) -> Result<CellOutcome, EngineError>;
}

/// What [`Engine::prepare`] need not make anew.
#[derive(Debug, Default)]
pub struct Shared<'a> {
    /// The user's directory of trained classifiers.
    pub cache: Option<&'a Path>,
    /// The run's, which goes before it.
    pub own: Option<&'a Path>,
    /// What [`Reference::state`] gave in an earlier process.
    pub state: Option<State>,
}

/// What [`Engine::probe`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The network's output.
    pub output: Vec<f32>,
    /// The gradient of every parameter, by name.
    pub gradients: BTreeMap<String, Vec<f32>>,
    /// Every parameter and its moving average after ten training steps, by name.
    pub trained: BTreeMap<String, Vec<f32>>,
    /// Images after 20 steps of DDIM.
    pub samples: Vec<f32>,
    /// What the feature classifier says of some images: features, then logits.
    pub features: Vec<f32>,
    /// Terms of the bits per dimension, in bits, and the mean squared errors that they come from.
    pub likelihood: Vec<f64>,
    /// The output of a convolution that is large enough to go through the kernels for large ones, and its gradients, by name.
    pub convolution: BTreeMap<String, Vec<f32>>,
}

/// What a cell is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Taking optimiser steps.
    Train,
    /// Drawing samples.
    Sample,
    /// Measuring losses and metrics.
    Evaluate,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// What the cell is doing.
    pub phase: Phase,
    /// In or after which experience, from 0.
    pub experience: usize,
    /// Work done since the last tick, in passes of one image through the network (a training step's backward pass
    /// counts as two more).
    pub work: u64,
    /// Images that went through since the last tick.
    pub images: u64,
    /// Steps done in this experience, when training.
    pub step: usize,
    /// The training loss, where it was read.
    pub loss: Option<f64>,
}

/// Writes the model that was evaluated into a directory, in the form that diffusers reads.
pub type SaveModel<'a> = dyn Fn(&Path) -> Result<(), EngineError> + 'a;

/// Moments at which a cell's state can be taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After a step of the training.
    Step,
    /// After the last step of an experience, before its evaluation.
    Trained,
    /// After an experience's evaluation.
    Evaluated,
    /// After the step at which the observer's break stops the training.
    Stopping,
}

/// Makes all that going on with the cell takes, for [`Engine::run_cell`]: copies of every tensor.
pub type MakeState<'a> = dyn Fn() -> Result<State, EngineError> + 'a;

/// What is told to the caller while a cell runs.
pub trait CellObserver {
    /// Called often; a break ends the cell with [`EngineError::Interrupted`].
    fn tick(&mut self, tick: Tick) -> ControlFlow<()>;

    /// Called when a state is gone on from, with the experience that comes next or is going on, and its steps that are
    /// done.
    ///
    /// # Errors
    /// What goes wrong when it is written down.
    fn resumed(&mut self, experience: usize, steps: usize) -> Result<(), EngineError>;

    /// Called at each moment of the training and between experiences; the observer decides at which of them a state is
    /// made.
    ///
    /// # Errors
    /// What goes wrong when the state is made or written.
    fn state(&mut self, moment: Moment, make: &MakeState<'_>) -> Result<(), EngineError>;

    /// Called after each experience's evaluation.
    ///
    /// # Errors
    /// What goes wrong when the results are written.
    fn evaluated(&mut self, evaluation: &Evaluation, save: &SaveModel<'_>) -> Result<(), EngineError>;
}

/// What a cell gave.
#[derive(Debug, Clone)]
pub struct CellOutcome {
    /// After each experience; pictures only of those that were evaluated since the cell was resumed.
    pub evaluations: Vec<Evaluation>,
    /// Of all sessions together.
    pub cost: Cost,
}

/// What was measured after one experience.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluation {
    /// After which experience, from 0.
    pub experience: usize,
    /// How good samples are, by each metric that was asked for.
    pub metrics: BTreeMap<SampleMetric, TaskValues>,
    /// Losses along the timesteps, on each task, seen or not.
    pub profiles: Vec<TimestepProfile>,
    /// The weight that the moving average before the experience has in the model that is evaluated.
    #[serde(default)]
    pub weight_of_past: f64,
    /// The first samples of each task seen, as 8-bit images.
    #[serde(skip)]
    pub pictures: Vec<ImageDataset>,
    /// What was found by looking back at earlier experiences.
    pub analyses: Analyses,
}

/// One sample metric after one experience.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskValues {
    /// On each task; none for tasks not seen yet.
    pub tasks: Vec<Option<Measured>>,
    /// Of all samples against the eval data of all tasks seen; none where nothing was asked for.
    pub pooled: Option<Measured>,
}

impl TaskValues {
    /// The value on a task; none where there is none.
    pub fn on(&self, task: usize) -> Option<f64> {
        self.tasks.get(task).and_then(Option::as_ref).and_then(Measured::value)
    }
}

/// A metric of some samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The value with its standard error, or the reason why there is none.
    pub outcome: Outcome,
    /// N: the number of samples.
    pub samples: usize,
}

impl Measured {
    /// The value.
    pub fn value(&self) -> Option<f64> {
        self.outcome.as_ref().ok().map(|estimate| estimate.value)
    }

    /// The standard error over samples.
    pub fn standard_error(&self) -> Option<f64> {
        self.outcome.as_ref().ok().and_then(|estimate| estimate.standard_error)
    }
}

/// How much work a cell is, in the unit of [`Tick::work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload(pub u64);

impl Workload {
    /// An estimate for a cell on a stream.
    pub fn of(spec: &CellSpec, stream: &Stream) -> Self {
        let (training, tasks) = (&spec.training, stream.len());
        let steps: usize = (0..tasks).map(|k| training.steps_in(stream, k)).sum();
        let current = (steps * training.batch_size * training.accumulated_batches) as u64;
        // Strategies that look back take about as many images again, unless they have to make do with a budget of passes.
        let rehearsed = spec.strategy.looks_back() && !matches!(training.budget, Some(Budget::Passes(_)));
        let replayed = if rehearsed { current - current / tasks.max(1) as u64 } else { 0 };
        let evaluation = &spec.evaluation;
        let evaluations = sampler_evaluations(evaluation, spec.process.timesteps);
        let sets = tasks * (tasks + 1) / 2 + evaluation.hybrid_sampling.draws(tasks);
        let draws = (sets * evaluation.samples_per_task * evaluations) as u64;
        let points = grid_points(evaluation, spec.process.timesteps);
        // Once more for the untrained model.
        let looks = ((tasks + 1) * tasks * evaluation.likelihood.images_per_task * points) as u64;
        let readings = readings_work(spec, stream, evaluations);
        // Of each removed class, right before its removal and from then on.
        let asked: usize = (0..tasks).map(|k| stream.removed_by(k + 1).len()).sum();
        let removed = (asked * evaluation.samples_per_task * evaluations) as u64;
        Self(3 * (current + replayed) + draws + looks + views(evaluation, tasks) + readings + removed)
    }
}

/// Denoiser evaluations that one sample takes.
fn sampler_evaluations(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    let passes = evaluation.sampler.evaluations(timesteps);
    if evaluation.guidance.is_some() { 2 * passes } else { passes }
}

/// Evaluations that each image's losses take.
fn grid_points(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    let likelihood = &evaluation.likelihood;
    likelihood.grid(timesteps).map_or(0, |grid| likelihood.passes(&grid))
}

/// Passes that gradients and activations take, where they are asked for; a gradient counts for three.
fn views(evaluation: &EvaluationConfig, tasks: usize) -> u64 {
    let (bins, pairs) = (evaluation.likelihood.bins, tasks * tasks.saturating_sub(1) / 2);
    let gradients =
        evaluation.gradients.map_or(0, |config| 3 * config.images * (pairs + tasks.saturating_sub(1)));
    let cka = evaluation.cka.map_or(0, |config| 2 * config.images * pairs);
    (bins * (gradients + cka)) as u64
}

/// Passes that the readings take which are asked for: samples to train a classifier on, and looks within experiences.
fn readings_work(spec: &CellSpec, stream: &Stream, evaluations: usize) -> u64 {
    let (evaluation, tasks) = (&spec.evaluation, stream.len());
    let classes = stream.class_names().len();
    let cas = evaluation.cas.map_or(0, |cas| {
        // Every task brings its share of the classes.
        let sets = if cas.every_task { classes * (tasks + 1) / 2 } else { classes };
        sets * cas.samples_per_class * evaluations
    });
    let look = evaluation.within.images_per_task * quick_strata(spec.process.timesteps).len()
        + evaluation.within.samples * evaluations;
    let looks_in = |k: usize| {
        let looks = evaluation.every_steps.map_or(0, |every| {
            // Before the first step, after every n-th but the last, and after the last.
            spec.training.steps_in(stream, k).saturating_sub(1) / every.max(1) + 2
        });
        looks * (k + 1) * look
    };
    (cas + (0..tasks).map(looks_in).sum::<usize>()) as u64
}
