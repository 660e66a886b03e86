//! What is measured after an experience: samples of every task seen, their distance to real images, and the losses
//! along the timesteps on every task.

use std::{cell::Cell, collections::BTreeMap, ops::Range, time::Instant};

use burn::tensor::Tensor;
use cl_metrics::{
    MetricError,
    features::{FeatureMatrix, pixels},
    likelihood::{TimestepGrid, TimestepProfile, timestep_profile},
    sample::{
        Outcome, SampleMetric, Sets, Stored, measure_sets,
        memorisation::{AskedFor, comparable},
    },
};
use cl_strategies::{ConditionOn, images};
use data_streams::{ImageDataset, ImageShape};
use ddpm_core::{
    Conditioning, Denoiser, GaussianDiffusion, Guided, Kernels,
    noise::{Key, Purpose},
    sampler::{self, SampleRequest, Sampler},
};

use crate::{
    Analyses, CellObserver, CellSpec, Cost, EngineError, Evaluation, Measured, Phase, Reference, TaskValues,
    Tick, reference::Known, training_images::TrainingPixels,
};

const SAMPLES: Purpose = Purpose::named("evaluation samples");
const LIKELIHOOD: Purpose = Purpose::named("evaluation likelihood");

/// Evaluates the models of one cell.
pub(crate) struct Evaluator<'a, B: Kernels> {
    spec: &'a CellSpec,
    reference: &'a Reference,
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

    fn of(&self, task: usize) -> &dyn Denoiser<B> {
        match self.own.get(task) {
            Some(Some(own)) => &**own,
            _ => self.shared,
        }
    }
}

/// Samples of one task and what is known of them.
struct Generated {
    images: ImageDataset,
    known: Known,
}

impl<'a, B: Kernels> Evaluator<'a, B> {
    pub(crate) fn new(
        spec: &'a CellSpec,
        reference: &'a Reference,
        device: &'a B::Device,
    ) -> Result<Self, EngineError> {
        let likelihood = &spec.evaluation.likelihood;
        let grid = TimestepGrid::new(spec.process.timesteps, likelihood.bins, likelihood.points_per_bin)?;
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
        let generated = self.describe(samples)?;
        let evaluation = Evaluation {
            experience: k,
            metrics: self.measure_all(&generated, stored)?,
            profiles,
            pictures: generated
                .into_iter()
                .map(|g| g.images.take(self.spec.evaluation.grid_columns))
                .collect(),
            analyses: Analyses::default(),
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
        let shape = task.eval.shape();
        let request = SampleRequest {
            count: requested.len(),
            batch: evaluation.sample_batch,
            shape: [shape.channels, shape.height, shape.width],
            conditioning: self.conditioning(&requested, j),
            key: Key::new(self.spec.seed, SAMPLES).experience(j),
        };
        let interrupted = Cell::new(false);
        let evaluations = Cell::new(0);
        let mut progress = |p: sampler::Progress| {
            let images = p.batch as u64;
            evaluations.set(evaluations.get() + images);
            let tick =
                Tick { phase: Phase::Sample, experience: k, work: images, images, step: 0, loss: None };
            interrupted.set(interrupted.get() || observer.tick(tick).is_break());
        };
        let guided = self.guided(model);
        let model: &dyn Denoiser<B> = guided.as_ref().map_or(model, |guided| guided);
        let x_0 = sampler::draw(&*self.sampler, model, process, &request, self.device, &mut progress)?;
        if interrupted.get() {
            return Err(EngineError::Interrupted);
        }
        cost.denoiser_evaluations += evaluations.get();
        to_images(x_0, &task.eval, requested)
    }

    /// The model under classifier-free guidance, where that is asked for; the null condition comes after the others.
    fn guided<'m>(&self, model: &'m dyn Denoiser<B>) -> Option<Guided<'m, B>> {
        let (classes, tasks) = (self.reference.tasks[0].eval.class_names().len(), self.reference.tasks.len());
        let null_class = self.spec.training.condition_on.cardinality(classes, tasks).unwrap_or(0);
        self.spec.evaluation.guidance.map(|scale| Guided::new(model, scale, null_class))
    }

    /// What the samples of a task are asked for by.
    fn conditioning(&self, requested: &[usize], task: usize) -> Conditioning {
        match self.spec.training.condition_on {
            ConditionOn::None => Conditioning::None,
            ConditionOn::Class => Conditioning::Classes(requested.to_vec()),
            ConditionOn::Task => Conditioning::Classes(vec![task; requested.len()]),
        }
    }

    /// An unconditional model cannot be asked for a task's images: its samples belong to the task of the class that
    /// the classifier sees in them.
    fn describe(&self, samples: Vec<ImageDataset>) -> Result<Vec<Generated>, EngineError> {
        let sets = match self.spec.training.condition_on {
            ConditionOn::Class | ConditionOn::Task => samples,
            ConditionOn::None => self.sort_by_task(&samples)?,
        };
        sets.into_iter()
            .map(|images| {
                let known = self.reference.describe(&images)?;
                Ok(Generated { images, known })
            })
            .collect()
    }

    fn sort_by_task(&self, samples: &[ImageDataset]) -> Result<Vec<ImageDataset>, EngineError> {
        let parts: Vec<&ImageDataset> = samples.iter().collect();
        let all = ImageDataset::concat(&parts).map_err(MetricError::from)?;
        let seen = self.reference.classes_seen(&all)?;
        Ok((0..samples.len()).map(|j| all.select(&self.of_task(&seen, j))).collect())
    }

    /// Which samples show a class of task `j`, of the classes that are seen in them.
    pub(crate) fn of_task(&self, seen: &[usize], j: usize) -> Vec<usize> {
        let counts = self.reference.tasks[j].eval.counts_per_class();
        (0..seen.len()).filter(|&i| counts[seen[i]] > 0).collect()
    }

    /// Every metric on each task seen, and over all of them.
    fn measure_all(
        &self,
        generated: &[Generated],
        stored: Option<&ImageDataset>,
    ) -> Result<BTreeMap<SampleMetric, TaskValues>, EngineError> {
        let empty = TaskValues { tasks: vec![None; self.reference.tasks.len()], pooled: None };
        let wanted = &self.spec.evaluation.metrics;
        let mut metrics: BTreeMap<_, _> = wanted.iter().map(|&metric| (metric, empty.clone())).collect();
        let mut note = |range: Range<usize>, keep: fn(&mut TaskValues, usize) -> &mut Option<Measured>| {
            let samples = generated[range.clone()].iter().map(|g| g.images.len()).sum();
            for (metric, outcome) in self.measure(generated, stored, range.clone())? {
                if let Some(values) = metrics.get_mut(&metric) {
                    *keep(values, range.start) = Some(Measured { outcome, samples });
                }
            }
            Ok::<(), EngineError>(())
        };
        for j in 0..generated.len() {
            note(j..j + 1, |values, j| &mut values.tasks[j])?;
        }
        note(0..generated.len(), |values, _| &mut values.pooled)?;
        Ok(metrics)
    }

    /// The metrics over the pooled images of some tasks, or the reasons why they cannot be measured.
    fn measure(
        &self,
        generated: &[Generated],
        stored: Option<&ImageDataset>,
        tasks: Range<usize>,
    ) -> Result<BTreeMap<SampleMetric, Outcome>, EngineError> {
        let real_tasks = &self.reference.tasks[tasks.clone()];
        let real = Known::pooled(&real_tasks.iter().map(|task| &task.known).collect::<Vec<_>>())?;
        let gaussian = if let [task] = real_tasks { task.gaussian.as_ref() } else { None };
        let samples = Known::pooled(&generated[tasks.clone()].iter().map(|g| &g.known).collect::<Vec<_>>())?;
        let stored = stored.map(|stored| self.stored_pixels(stored, generated.len(), &tasks));
        let stored = stored.transpose()?.flatten();
        let conditional = self.spec.training.condition_on == ConditionOn::Class;
        let training = self.reference.training.as_ref();
        let training = training.map(|all| all.comparable(generated.len(), &tasks, self.asked_for()));
        let training = training.transpose()?.flatten();
        let sets = Sets {
            real: &real.set(gaussian, true),
            generated: &samples.set(None, conditional),
            stored: stored.as_ref().map(|(pixels, held_out)| Stored { pixels, held_out }),
            training: training.as_ref().map(TrainingPixels::set),
        };
        Ok(measure_sets(&self.spec.evaluation.metrics, &sets)?)
    }

    /// What samples of a task may be copies of.
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
            let some = spread(&task.eval, likelihood.images_per_task);
            let x_0 = images::<B>(&task.eval, &some, self.device);
            let y = self.spec.training.condition_on.conditions(&task.eval, &some, self.device);
            // Not the cell's seed: cells are compared on identical images and noise.
            let key = Key::new(0, LIKELIHOOD).experience(j);
            profiles.push(timestep_profile(models.of(j), process, x_0, y, &self.grid, likelihood.clip, key));
            let passes = (some.len() * self.grid.points().len()) as u64;
            cost.denoiser_evaluations += passes;
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

/// `n` classes of a task in turn, so that any number of first samples shows them all.
fn requested_classes(eval: &ImageDataset, n: usize) -> Vec<usize> {
    let counts = eval.counts_per_class();
    let classes: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] > 0).collect();
    (0..n).map(|i| classes[i % classes.len()]).collect()
}

/// `n` positions spread evenly over a data set, or all.
pub(crate) fn spread(data: &ImageDataset, n: usize) -> Vec<usize> {
    let n = n.min(data.len());
    (0..n).map(|i| i * data.len() / n).collect()
}

/// Samples in [-1, 1] to 8-bit images with the requested classes as labels; clipped, as pictures are.
fn to_images<B: Kernels>(
    x_0: Tensor<B, 4>,
    like: &ImageDataset,
    requested: Vec<usize>,
) -> Result<ImageDataset, EngineError> {
    let ImageShape { .. } = like.shape();
    let values = ((x_0 + 1.0) * 127.5).into_data().convert::<f32>();
    // `as u8` saturates; a model that has diverged gives NaN, which becomes black.
    let pixels: Vec<u8> = values.iter::<f32>().map(|v| v.round() as u8).collect();
    let names = like.class_names().to_vec();
    Ok(ImageDataset::new("samples", like.shape(), names, pixels, requested).map_err(MetricError::from)?)
}
