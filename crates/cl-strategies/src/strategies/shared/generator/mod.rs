//! Images that a teacher draws instead of stored ones: fresh for every step, or from a pool drawn once an experience.
//!
//! Classes are asked for as they occurred in all past experiences. The model that is trained on the images
//! sees labels dropped as often as current ones are, so that the branch without labels is rehearsed too; the images
//! themselves are drawn with labels.
//! Under classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598) the teacher is asked with the label and without.
//! They are real numbers in [-1, 1], or, quantised, as images of 8 bits are.

mod config;
mod guide;
mod seen;

use burn::tensor::{Tensor, backend::Backend};
use data_streams::ImageShape;
use ddpm_core::{
    Conditioning, Denoiser, GaussianDiffusion, NoisyBatch, TrainBackend, TrainableDenoiser,
    guidance::Guided,
    noise::{Key, Purpose, indices},
    sampler::{self, SampleRequest},
};

pub use self::config::{GeneratorConfig, Source};
use self::{guide::Guide, seen::Seen};
use super::{
    noisy_classifier::{ClassifierGuidanceConfig, Labelled, NoisyClassifier, Towards},
    teacher::Teacher,
};
use crate::{Boundary, ConditionOn, Pass, PassCounter, Restore, State, Step, StrategyError, buffer, images};

const GENERATED: Purpose = Purpose::named("generated images");
const CLASSIFIER: Purpose = Purpose::named("training of a guiding classifier");
const NOISY: Purpose = Purpose::named("noise on generated images");

/// A teacher with what it takes to draw from it.
#[derive(Debug)]
pub(crate) struct Generator<B: TrainBackend, D: TrainableDenoiser<B>> {
    config: GeneratorConfig,
    teacher: Option<Teacher<B, D>>,
    classifier: Option<NoisyClassifier<B>>,
    /// Conditions that can be asked for: classes, or tasks where the model is told these.
    seen: Seen,
    /// The classes of the current experience, where a classifier guides towards these.
    current: Vec<usize>,
    shape: Option<ImageShape>,
    pool: Option<Images<B>>,
}

/// Images in [-1, 1] and the classes that were asked for.
#[derive(Debug, Clone)]
struct Images<B: TrainBackend> {
    x_0: Tensor<B::InnerBackend, 4>,
    labels: Vec<usize>,
}

impl<B: TrainBackend> Images<B> {
    /// Drops the images of some classes; none if no others are left.
    fn without(self, classes: &[usize]) -> Option<Self> {
        let kept: Vec<usize> =
            (0..self.labels.len()).filter(|&i| !classes.contains(&self.labels[i])).collect();
        let labels = kept.iter().map(|&i| self.labels[i]).collect();
        let x_0 = || self.x_0.clone().select(0, indices(&kept, &self.x_0.device()));
        (!kept.is_empty()).then(|| Self { x_0: x_0(), labels })
    }
}

/// Images in [-1, 1], each number rounded to the nearest that 8 bits can be: v / 127.5 - 1, for v from 0 to 255.
pub(crate) fn quantised<I: Backend>(x_0: Tensor<I, 4>) -> Tensor<I, 4> {
    ((x_0 + 1.0) * 127.5).round() / 127.5 - 1.0
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Generator<B, D> {
    pub fn new(config: GeneratorConfig) -> Self {
        let (seen, current) = (Seen::default(), Vec::new());
        Self { config, teacher: None, classifier: None, seen, current, shape: None, pool: None }
    }

    /// Before an experience whose classes a classifier guides towards: trains the classifier and fills the pool. Before a
    /// removal: fills the pool where that has [emptied](Self::forget) it.
    ///
    /// # Errors
    /// As [`learn`](Self::learn).
    pub fn prepare(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        if self.teacher.is_none() {
            return Ok(());
        }
        let Some(guidance) = self.config.guidance.filter(|guidance| guidance.towards == Towards::Current)
        else {
            let is_emptied = boundary.experience.is_removal() && self.pool.is_none();
            return if is_emptied { self.fill_pool(boundary) } else { Ok(()) };
        };
        if boundary.experience.is_removal() {
            // Nothing is to look like what is removed.
            self.current.clear();
            return self.fill_pool(boundary);
        }
        // The classifier learns past classes from images that nothing guides.
        self.current.clear();
        self.classifier = Some(self.trained_classifier(&guidance, boundary)?);
        let counts = boundary.experience.train.counts_per_class();
        self.current = (0..counts.len()).filter(|class| counts[*class] > 0).collect();
        self.fill_pool(boundary)
    }

    /// Makes the model at the end of an experience the teacher, trains the classifier and fills the pool.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for a sampler that does not fit the process.
    pub fn learn(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.config.check_process(boundary.process)?;
        let towards = self.config.guidance.map_or(Towards::Own, |guidance| guidance.towards);
        let learns = towards == Towards::Own && !boundary.experience.is_removal();
        if let Some(guidance) = self.config.guidance.filter(|_| learns) {
            self.classifier = Some(self.trained_classifier(&guidance, boundary)?);
        }
        self.remember(boundary);
        if towards == Towards::Own { self.fill_pool(boundary) } else { Ok(()) }
    }

    fn fill_pool(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let Source::Pool { images } = self.config.source else { return Ok(()) };
        if self.seen.is_empty() {
            self.pool = None;
            return Ok(());
        }
        let key = boundary.key.within(GENERATED);
        let Boundary { process, condition_on, label_dropout, device, .. } = *boundary;
        self.report(boundary.passes, images, process);
        let conditions = (condition_on, label_dropout.null);
        self.pool = Some(self.draw(process, conditions, images, key, device)?);
        Ok(())
    }

    /// Makes the model at the end of an experience the teacher.
    pub fn remember(&mut self, boundary: &Boundary<'_, B, D>) {
        if !boundary.experience.is_removal() {
            self.seen.count(boundary.condition_on, &boundary.experience.train);
        }
        self.shape = Some(boundary.experience.train.shape());
        self.teacher = Some(Teacher::of(boundary, self.config.teacher));
    }

    /// Asks for some classes no more, and drops images of them. A pool that has no others is empty until it is
    /// [filled](Self::prepare) again.
    pub fn forget(&mut self, classes: &[usize]) {
        self.seen.forget(classes);
        self.current.retain(|class| !classes.contains(class));
        self.pool = self.pool.take().and_then(|pool| pool.without(classes));
    }

    /// `n` images of what was seen, `[n, c, h, w]`, with what was asked for.
    ///
    /// # Errors
    /// The sampler's errors.
    pub fn drawn(
        &self,
        boundary: &Boundary<'_, B, D>,
        n: usize,
        key: Key,
    ) -> Result<(Tensor<B::InnerBackend, 4>, Vec<usize>), StrategyError> {
        let Boundary { process, condition_on, label_dropout, passes, device, .. } = *boundary;
        self.report(passes, n, process);
        let conditions = (condition_on, label_dropout.null);
        let Images { x_0, labels } = self.draw(process, conditions, n, key, device)?;
        Ok((x_0, labels))
    }

    /// The classifier after another experience: trained on its images, and on those that the teacher draws of the past.
    fn trained_classifier(
        &mut self,
        config: &ClassifierGuidanceConfig,
        boundary: &Boundary<'_, B, D>,
    ) -> Result<NoisyClassifier<B>, StrategyError> {
        let Boundary { process, condition_on, label_dropout, key, device, .. } = *boundary;
        let (data, key) = (&boundary.experience.train, key.within(CLASSIFIER));
        let current = boundary.draw(data.len().min(config.steps * config.batch_size), CLASSIFIER);
        let labels = current.iter().map(|&i| data.label(i)).collect();
        let mut sets = vec![Labelled { x_0: images::<B::InnerBackend>(data, &current, device), labels }];
        if self.teacher.is_some() {
            self.report(boundary.passes, config.generated, process);
            let conditions = (condition_on, label_dropout.null);
            let past = self.draw(process, conditions, config.generated, key, device)?;
            sets.push(Labelled { x_0: past.x_0, labels: past.labels });
        }
        let share = config.batch_size.div_ceil(sets.len());
        boundary.passes.add(Pass::Classifier, config.steps * share * sets.len());
        let classifier = self.classifier.take().unwrap_or_else(|| {
            let (channels, classes) = (data.shape().channels, data.class_names().len());
            NoisyClassifier::new(config, channels, classes, key, device)
        });
        Ok(classifier.train(config, &sets, process, key, device))
    }

    /// The teacher, once there is one.
    pub fn teacher(&self) -> Option<&Teacher<B, D>> {
        self.teacher.as_ref()
    }

    /// `n` images with noise and timesteps; none before the first experience has ended, nor while there is nothing to ask for
    /// or the pool is empty.
    ///
    /// # Errors
    /// The sampler's errors.
    pub fn noisy_batch(
        &self,
        step: &Step<'_, B, D>,
        n: usize,
    ) -> Result<Option<NoisyBatch<B>>, StrategyError> {
        if self.teacher.is_none() || self.seen.is_empty() {
            return Ok(None);
        }
        let images = match (&self.pool, self.config.source) {
            (Some(pool), _) => {
                let positions = buffer::draw(pool.x_0.dims()[0], n, step.key);
                Images {
                    x_0: pool.x_0.clone().select(0, indices(&positions, step.device)),
                    labels: positions.iter().map(|i| pool.labels[*i]).collect(),
                }
            }
            (None, Source::Pool { .. }) => return Ok(None),
            (None, Source::Fresh) => {
                let key = step.key.within(GENERATED);
                self.report(step.passes, n, step.process);
                let conditions = (step.condition_on, step.label_dropout.null);
                self.draw(step.process, conditions, n, key, step.device)?
            }
        };
        let conditional = step.condition_on != ConditionOn::None;
        let (x_0, key) = (Tensor::from_inner(images.x_0), step.key.within(NOISY));
        let y = conditional.then(|| {
            let mut labels = images.labels;
            step.label_dropout.apply(&mut labels, key);
            indices(&labels, step.device)
        });
        Ok(Some(NoisyBatch::sampled(step.process, step.timesteps, x_0, y, key)))
    }

    /// Conditions to ask for, as they occurred in all past experiences.
    pub fn classes(&self, condition_on: ConditionOn, n: usize, key: Key) -> Option<Vec<usize>> {
        (condition_on != ConditionOn::None).then(|| self.seen.draw(n, key))
    }

    /// The shape of the images, once there were any.
    pub fn shape(&self) -> Option<ImageShape> {
        self.shape
    }

    /// `n` images of conditions seen, given what the model is told and the number that stands for nothing.
    ///
    /// # Errors
    /// The sampler's errors.
    fn draw(
        &self,
        process: &GaussianDiffusion,
        (condition_on, null): (ConditionOn, usize),
        n: usize,
        key: Key,
        device: &B::Device,
    ) -> Result<Images<B>, StrategyError> {
        let Some((teacher, shape)) = self.teacher.as_ref().zip(self.shape) else {
            return Err(StrategyError::state("teacher", "it is missing: nothing was learned yet"));
        };
        let (labels, conditional) = (self.seen.draw(n, key), condition_on != ConditionOn::None);
        let asked = conditional || self.classifier.is_some();
        let request = SampleRequest {
            count: n,
            batch: self.config.sample_batch,
            shape: [shape.channels, shape.height, shape.width],
            conditioning: if asked { Conditioning::Classes(labels.clone()) } else { Conditioning::None },
            key,
        };
        let model: &dyn Denoiser<B::InnerBackend> = &teacher.model;
        let by_label = self.config.classifier_free_guidance.map(|scale| Guided::new(model, scale, null));
        let model = by_label.as_ref().map_or(model, |by_label| by_label);
        let guided = self.guiding().map(|(guidance, classifier)| {
            let towards = (guidance.towards == Towards::Current).then_some(self.current.as_slice());
            let (teacher, scale) = (model, guidance.scale);
            Guide::<B> { teacher, conditional, classifier, process, scale, towards }
        });
        let model = guided.as_ref().map_or(model, |guided| guided);
        let sampler = self.config.sampler.build::<B::InnerBackend>();
        let x_0 = sampler::draw(&*sampler, model, process, &request, device, &mut |_| ())
            .map_err(|error| self.config.of_sampler(error))?;
        let x_0 = x_0.clamp(-1.0, 1.0);
        Ok(Images { x_0: if self.config.quantise { quantised(x_0) } else { x_0 }, labels })
    }

    /// The classifier that guides what is drawn now, if one does; towards current classes none does before there are any.
    fn guiding(&self) -> Option<(ClassifierGuidanceConfig, &NoisyClassifier<B>)> {
        let guiding = self.config.guidance.zip(self.classifier.as_ref());
        guiding.filter(|(guidance, _)| guidance.towards == Towards::Own || !self.current.is_empty())
    }

    /// Reports the passes that drawing `n` images takes.
    fn report(&self, passes: &PassCounter, n: usize, process: &GaussianDiffusion) {
        let evaluations = n * self.config.sampler.evaluations(process.timesteps());
        // With the label and without.
        let each = if self.config.classifier_free_guidance.is_some() { 2 } else { 1 };
        passes.add(Pass::Generator, each * evaluations);
        if let Some((guidance, _)) = self.guiding() {
            passes.add(Pass::Classifier, guidance.towards.passes() * evaluations);
        }
    }

    /// Adds teacher and pool to a checkpoint.
    pub fn save(&self, state: &mut State) {
        Teacher::save(self.teacher.as_ref(), state);
        state.put("seen", &self.seen);
        state.put("current", &self.current);
        state.put("shape", self.shape);
        if let Some(pool) = &self.pool {
            state.put_tensor("pool", &pool.x_0);
            state.put("pool_labels", &pool.labels);
        }
        if let Some(classifier) = &self.classifier {
            state.put_module("classifier", classifier);
        }
    }

    /// Takes them out again.
    pub fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.teacher = Teacher::restore(state, context)?;
        self.seen = state.take("seen")?;
        self.current = state.take("current")?;
        self.shape = state.take("shape")?;
        if state.has("pool") {
            let x_0 = state.take_tensor("pool", context.device)?;
            self.pool = Some(Images { x_0, labels: state.take("pool_labels")? });
        }
        if let Some(guidance) = self.config.guidance {
            let (channels, classes) = (context.data.shape().channels, context.data.class_names().len());
            let key = Key::new(0, CLASSIFIER);
            let like = NoisyClassifier::new(&guidance, channels, classes, key, context.device);
            self.classifier = state.take_module("classifier", like)?;
        }
        Ok(())
    }

    /// Numbers that are kept.
    pub fn len(&self) -> u64 {
        let pool = self.pool.as_ref().map_or(0, |pool| pool.x_0.shape().num_elements() as u64);
        let classifier = self.classifier.as_ref().map_or(0, NoisyClassifier::len);
        self.teacher.as_ref().map_or(0, Teacher::len) + pool + classifier
    }
}
