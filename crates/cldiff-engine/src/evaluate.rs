//! The measurements after an experience: samples of every task seen, their distance to real images, and the losses
//! along the timesteps on every task.

use std::{cell::Cell, time::Instant};

use burn::tensor::Tensor;
use cl_metrics::{
    MetricError,
    likelihood::{ProfileRequest, TimestepGrid, TimestepProfile, timestep_profile},
    sample::shares::requested_classes,
};
use cl_strategies::{ConditionOn, images};
use data_streams::ImageDataset;
use ddpm_core::{
    Conditioning, Denoiser, GaussianDiffusion, Guided, Kernels,
    noise::{Key, Purpose},
    sampler::{self, SampleRequest, Sampler},
};

use crate::{
    Analyses, CellObserver, CellSpec, Cost, EngineError, Evaluation, Phase, Reference, Tick, analysis::Drawn,
    measure::Samples,
};

pub(crate) const SAMPLES: Purpose = Purpose::named("evaluation samples");
const LIKELIHOOD: Purpose = Purpose::named("evaluation likelihood");
const LIKELIHOOD_IMAGES: Purpose = Purpose::named("images of the evaluation likelihood");

/// Evaluates the models of one cell.
pub(crate) struct Evaluator<'a, B: Kernels> {
    pub(crate) spec: &'a CellSpec,
    pub(crate) reference: &'a Reference,
    grid: TimestepGrid,
    sampler: Box<dyn Sampler<B>>,
    device: &'a B::Device,
}

/// The models that are asked about each task: one for all, or some of their own.
pub(crate) struct TaskModels<'m, B: Kernels> {
    shared: &'m dyn Denoiser<B>,
    own: Vec<Option<Box<dyn Denoiser<B> + 'm>>>,
}

impl<'m, B: Kernels> TaskModels<'m, B> {
    /// `own` holds the model of each task that has one.
    pub(crate) fn new(shared: &'m dyn Denoiser<B>, own: Vec<Option<Box<dyn Denoiser<B> + 'm>>>) -> Self {
        Self { shared, own }
    }

    /// Whether a task has a model of its own.
    pub(crate) fn has_own(&self, task: usize) -> bool {
        matches!(self.own.get(task), Some(Some(_)))
    }

    fn of(&self, task: usize) -> &dyn Denoiser<B> {
        match self.own.get(task) {
            Some(Some(own)) => &**own,
            _ => self.shared,
        }
    }
}

/// Samples to be drawn: the classes that are asked for, on a task, and the key of their noise.
pub(crate) struct Wanted {
    pub(crate) task: usize,
    pub(crate) requested: Vec<usize>,
    pub(crate) key: Key,
}

impl<'a, B: Kernels> Evaluator<'a, B> {
    pub(crate) fn new(
        spec: &'a CellSpec,
        reference: &'a Reference,
        device: &'a B::Device,
    ) -> Result<Self, EngineError> {
        let grid = spec.evaluation.likelihood.grid(spec.process.timesteps)?;
        let sampler = spec.evaluation.sampler.build::<B>();
        Ok(Self { spec, reference, grid, sampler, device })
    }

    /// The bins of timesteps.
    pub(crate) fn edges(&self) -> &[usize] {
        self.grid.edges()
    }

    /// Measures what was learned after experience `k`; `stored` are the images that the strategy holds.
    pub(crate) fn evaluate(
        &self,
        models: &TaskModels<'_, B>,
        process: &GaussianDiffusion,
        k: usize,
        stored: Option<&ImageDataset>,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Evaluation, EngineError> {
        let start = Instant::now();
        let samples = self.samples(models, process, k, observer, cost)?;
        cost.sample_seconds += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let profiles = self.profiles(models, process, k, observer, cost)?;
        let Samples { drawn, by_task } = self.describe(samples)?;
        let own: Vec<bool> = (0..=k).map(|j| models.has_own(j)).collect();
        let by_task = by_task.as_ref().unwrap_or(&drawn);
        let columns = self.spec.evaluation.grid_columns;
        let evaluation = Evaluation {
            experience: k,
            metrics: self.measure_all(&drawn, by_task, &own, stored)?,
            profiles,
            pictures: by_task.iter().map(|samples| samples.images.take(columns)).collect(),
            weight_of_past: 0.0,
            analyses: Analyses { drawn: Drawn::of(&drawn), ..Analyses::default() },
        };
        cost.evaluate_seconds += start.elapsed().as_secs_f64();
        Ok(evaluation)
    }

    /// Samples of each task seen, as 8-bit images. Their noise is the same after every experience, so that what
    /// changes from picture to picture is the model.
    fn samples(
        &self,
        models: &TaskModels<'_, B>,
        process: &GaussianDiffusion,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Vec<ImageDataset>, EngineError> {
        (0..=k).map(|j| self.samples_of(models.of(j), process, j, k, observer, cost)).collect()
    }

    /// Samples of task `j` by a model after task `k`, under guidance where that is asked for.
    pub(crate) fn samples_of(
        &self,
        model: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        j: usize,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<ImageDataset, EngineError> {
        let (evaluation, task) = (&self.spec.evaluation, &self.reference.tasks[j]);
        let requested = requested_classes(&task.eval, evaluation.samples_per_task);
        let key = Key::new(self.spec.seed, SAMPLES).experience(j);
        self.draw(model, process, Wanted { task: j, requested, key }, k, observer, cost)
    }

    /// Samples of some classes of a task by a model after, or within, task `k`.
    pub(crate) fn draw(
        &self,
        model: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        Wanted { task: j, requested, key }: Wanted,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<ImageDataset, EngineError> {
        let (evaluation, task) = (&self.spec.evaluation, &self.reference.tasks[j]);
        let shape = task.eval.shape();
        let request = SampleRequest {
            count: requested.len(),
            batch: evaluation.sample_batch,
            shape: [shape.channels, shape.height, shape.width],
            conditioning: self.conditioning(&requested, j),
            key,
        };
        let interrupted = Cell::new(false);
        let evaluations = Cell::new(0);
        // Under guidance each image goes through with its condition and without.
        let passes =
            if evaluation.guidance.is_some() && request.conditioning != Conditioning::None { 2 } else { 1 };
        let mut progress = |p: sampler::Progress| {
            let (images, work) = (p.batch as u64, p.batch as u64 * passes);
            evaluations.set(evaluations.get() + work);
            let tick = Tick { phase: Phase::Sample, experience: k, work, images, step: 0, loss: None };
            interrupted.set(interrupted.get() || observer.tick(tick).is_break());
        };
        let guided = self.guided(model);
        let model: &dyn Denoiser<B> = guided.as_ref().map_or(model, |guided| guided);
        let x_0 = sampler::draw(&*self.sampler, model, process, &request, self.device, &mut progress)?;
        if interrupted.get() {
            return Err(EngineError::Interrupted);
        }
        cost.sampling_passes += evaluations.get();
        to_images(x_0, &task.eval, requested)
    }

    /// The model under classifier-free guidance, where that is asked for; the null condition comes after the others.
    fn guided<'m>(&self, model: &'m dyn Denoiser<B>) -> Option<Guided<'m, B>> {
        let (classes, tasks) = (self.reference.tasks[0].eval.class_names().len(), self.reference.tasks.len());
        let null_class = self.spec.training.condition_on.cardinality(classes, tasks).unwrap_or(0);
        self.spec.evaluation.guidance.map(|scale| Guided::new(model, scale, null_class))
    }

    /// The condition by which the samples of a task are asked for.
    fn conditioning(&self, requested: &[usize], task: usize) -> Conditioning {
        match self.spec.training.condition_on {
            ConditionOn::None => Conditioning::None,
            ConditionOn::Class => Conditioning::Classes(requested.to_vec()),
            ConditionOn::Task => Conditioning::Classes(vec![task; requested.len()]),
        }
    }

    /// The losses along the timesteps after experience `k`, on each task.
    pub(crate) fn profiles(
        &self,
        models: &TaskModels<'_, B>,
        process: &GaussianDiffusion,
        k: usize,
        observer: &mut dyn CellObserver,
        cost: &mut Cost,
    ) -> Result<Vec<TimestepProfile>, EngineError> {
        let likelihood = &self.spec.evaluation.likelihood;
        let mut profiles = Vec::new();
        for (j, task) in self.reference.tasks.iter().enumerate() {
            let some = some_images(&task.eval, likelihood.images_per_task, LIKELIHOOD_IMAGES, j);
            let x_0 = images::<B>(&task.eval, &some, self.device);
            let y = self.spec.training.condition_on.conditions(&task.eval, &some, self.device);
            let request = ProfileRequest {
                grid: &self.grid,
                draws: likelihood.draws,
                clip: likelihood.clip,
                // Not the cell's seed: models and cells are compared on identical images, timesteps and noise.
                key: Key::new(0, LIKELIHOOD).experience(j),
            };
            profiles.push(timestep_profile(models.of(j), process, x_0, y, &request));
            let passes = (some.len() * likelihood.passes(&self.grid)) as u64;
            cost.evaluation_passes += passes;
            let tick = Tick {
                phase: Phase::Evaluate,
                experience: k,
                work: passes,
                images: passes,
                step: 0,
                loss: None,
            };
            if observer.tick(tick).is_break() {
                return Err(EngineError::Interrupted);
            }
        }
        Ok(profiles)
    }
}

/// `n` images of an eval split, or all: their positions, every class in its share. The cell's seed does not choose them:
/// cells are compared on identical images.
pub(crate) fn some_images(eval: &ImageDataset, n: usize, purpose: Purpose, task: usize) -> Vec<usize> {
    eval.stratified(n, Key::new(0, purpose).experience(task))
}

/// Samples in [-1, 1] to 8-bit images with the requested classes as labels; clipped, as pictures are.
fn to_images<B: Kernels>(
    x_0: Tensor<B, 4>,
    like: &ImageDataset,
    requested: Vec<usize>,
) -> Result<ImageDataset, EngineError> {
    let values = ((x_0 + 1.0) * 127.5).into_data().convert::<f32>();
    let values: Vec<f32> = values.iter::<f32>().collect();
    let size = (values.len() / requested.len().max(1)).max(1);
    let lost = values.chunks(size).filter(|image| image.iter().any(|v| !v.is_finite())).count();
    if lost > 0 {
        tracing::warn!(
            "{lost} of {} samples have numbers that are not finite, as those of a model that has diverged; they count as \
             black and white",
            requested.len()
        );
    }
    // `as u8` saturates; NaN becomes black.
    let pixels: Vec<u8> = values.iter().map(|v| v.round() as u8).collect();
    let names = like.class_names().to_vec();
    Ok(ImageDataset::new("samples", like.shape(), names, pixels, requested).map_err(MetricError::from)?)
}
