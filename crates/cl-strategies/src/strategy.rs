//! The trait that every continual-learning strategy implements.

use std::cell::{Cell, RefCell};

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::{Augmentation, Experience, ImageDataset, Stream};
use ddpm_core::{
    Ema, GaussianDiffusion, NoisyBatch, Objective, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    objective::TimestepSampler,
    parameters::{ParameterVector, take_gradients},
};

use crate::{
    ConditionOn, LabelDropout, Restore, State, StrategyError, TrainerConfig,
    batch::{augmented_images, images},
    buffer,
};

/// One training step, as a strategy sees it.
#[derive(Debug)]
pub struct Step<'a, B: TrainBackend, D> {
    /// The model as it is before the step.
    pub model: &'a D,
    /// The noisy batch of the current experience.
    pub batch: &'a NoisyBatch<B>,
    /// The diffusion process.
    pub process: &'a GaussianDiffusion,
    /// What the model is trained on.
    pub objective: &'a Objective,
    /// How timesteps are drawn.
    pub timesteps: &'a TimestepSampler,
    /// What the model is conditioned on.
    pub condition_on: ConditionOn,
    /// How labels are replaced in training.
    pub label_dropout: LabelDropout,
    /// How images are changed in training.
    pub augmentation: Augmentation,
    /// The experience, from 0.
    pub experience: usize,
    /// The step within the experience, from 0.
    pub step: usize,
    /// The address of this step's random draws; take a purpose of one's own [`within`](Key::within) it.
    pub key: Key,
    /// Where tensors live.
    pub device: &'a B::Device,
    /// Images whose loss was computed in this step so far.
    pub(crate) images: Cell<u64>,
    /// Timesteps and losses of this step so far, where the drawing of timesteps follows them.
    pub(crate) losses: RefCell<Vec<(Vec<usize>, Tensor<B, 1>)>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Step<'_, B, D> {
    /// Other images than the current batch, with noise and timesteps of their own.
    pub fn noisy(&self, data: &ImageDataset, indices: &[usize], purpose: Purpose) -> NoisyBatch<B> {
        let key = self.key.within(purpose);
        let x_0 = augmented_images(data, indices, self.augmentation, key, self.device);
        let y =
            self.condition_on.conditions_with_dropout(data, indices, self.label_dropout, key, self.device);
        NoisyBatch::sampled(self.process, self.timesteps, x_0, y, key)
    }

    /// As [`noisy`](Self::noisy), at given timesteps.
    pub fn noisy_at(
        &self,
        data: &ImageDataset,
        indices: &[usize],
        t: Vec<usize>,
        purpose: Purpose,
    ) -> NoisyBatch<B> {
        let key = self.key.within(purpose);
        let x_0 = augmented_images(data, indices, self.augmentation, key, self.device);
        let y =
            self.condition_on.conditions_with_dropout(data, indices, self.label_dropout, key, self.device);
        let eps = NoisyBatch::<B>::noise(&x_0, key);
        NoisyBatch::at(self.process, x_0, y, t, eps)
    }

    /// The model's loss on a noisy batch, `[1]`.
    pub fn loss_on(&self, batch: &NoisyBatch<B>) -> Tensor<B, 1> {
        let losses = self.losses_on(batch);
        if self.timesteps.wants_losses() {
            self.losses.borrow_mut().push((batch.t.clone(), losses.clone().detach()));
        }
        batch.weighted_mean(losses)
    }

    /// The model's loss on each image of a noisy batch, `[n]`, without importance weights.
    pub fn losses_on(&self, batch: &NoisyBatch<B>) -> Tensor<B, 1> {
        self.count_images(batch.len());
        self.objective.losses(self.model, batch, self.process)
    }

    /// Notes that so many images went through the model.
    pub fn count_images(&self, n: usize) {
        self.images.set(self.images.get() + n as u64);
    }
}

/// The moment before or after an experience, as a strategy sees it.
#[derive(Debug)]
pub struct Boundary<'a, B: TrainBackend, D> {
    /// The experience, from 0.
    pub k: usize,
    /// Its data.
    pub experience: &'a Experience,
    /// The model as it is.
    pub model: &'a D,
    /// The diffusion process.
    pub process: &'a GaussianDiffusion,
    /// What the model is trained on.
    pub objective: &'a Objective,
    /// How timesteps are drawn.
    pub timesteps: &'a TimestepSampler,
    /// How the model is trained.
    pub training: &'a TrainerConfig,
    /// The moving average of the model.
    pub average: &'a Ema<B::InnerBackend>,
    /// What the model is conditioned on.
    pub condition_on: ConditionOn,
    /// The address of random draws at this moment; take a purpose of one's own [`within`](Key::within) it.
    pub key: Key,
    /// Where tensors live.
    pub device: &'a B::Device,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Boundary<'_, B, D> {
    /// Some images of the experience, each with noise and a timestep of its own.
    pub fn noisy(&self, indices: &[usize], key: Key) -> NoisyBatch<B> {
        let data = &self.experience.train;
        let x_0 = images(data, indices, self.device);
        let y = self.condition_on.conditions(data, indices, self.device);
        NoisyBatch::sampled(self.process, self.timesteps, x_0, y, key)
    }

    /// The model that would be evaluated now.
    pub fn averaged(&self) -> D::InnerModule {
        self.average.averaged(self.model)
    }

    /// The gradient of a loss with respect to every parameter; zeros where it does not depend on one.
    pub fn gradient(&self, loss: Tensor<B, 1>) -> ParameterVector<B::InnerBackend> {
        let mut grads = GradientsParams::from_grads(loss.backward(), self.model);
        take_gradients::<B, D>(self.model, &mut grads)
    }

    /// `n` of the experience's training images: without repetition if it has so many, else with.
    pub fn draw(&self, n: usize, purpose: Purpose) -> Vec<usize> {
        buffer::draw(self.experience.train.len(), n, self.key.within(purpose))
    }
}

/// What a strategy holds beside the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldMemory {
    /// Bytes of stored images.
    pub buffer_bytes: u64,
    /// Numbers stored in the form of parameters: teachers, importances, masks.
    pub extra_parameters: u64,
}

impl std::ops::Add for HeldMemory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            buffer_bytes: self.buffer_bytes + other.buffer_bytes,
            extra_parameters: self.extra_parameters + other.extra_parameters,
        }
    }
}

/// A continual-learning strategy: hooks into the [`Trainer`](crate::Trainer)'s loop, each of which does nothing by
/// default, so that a strategy with no hook of its own is plain finetuning.
///
/// Everything random comes from the keys handed in, so that a run can be repeated.
pub trait Strategy<B: TrainBackend, D: TrainableDenoiser<B>>: std::fmt::Debug {
    /// The images that experience `k` trains on, asked after [`before_experience`](Self::before_experience); none leaves
    /// the choice to the other terms of a composition and, in the end, to the experience's own images.
    fn training_data(&self, stream: &Stream, k: usize) -> Option<ImageDataset> {
        let _ = (stream, k);
        None
    }

    /// Called before the first step of an experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options that do not fit the data.
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let _ = boundary;
        Ok(())
    }

    /// The model to start an experience from; none leaves it the model trained so far. Asked after
    /// [`before_experience`](Self::before_experience).
    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Option<D> {
        let _ = boundary;
        None
    }

    /// The model to go on from at a step of an experience; none leaves it the model as it is. Asked before every step,
    /// [`start_from`](Self::start_from) before the first. The optimiser and the moving average start anew with it.
    fn replace(&mut self, boundary: &Boundary<'_, B, D>, step: usize) -> Option<D> {
        let _ = (boundary, step);
        None
    }

    /// The loss of a step, given that of the terms before this one (at first the loss on the current batch).
    ///
    /// # Shapes
    /// - `loss` and output: `[1]`
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        let _ = step;
        loss
    }

    /// The gradients to apply, given those of the loss.
    fn gradients(&mut self, step: &Step<'_, B, D>, grads: GradientsParams) -> GradientsParams {
        let _ = step;
        grads
    }

    /// Whether [`take_step`](Self::take_step) takes the place of the optimiser.
    fn takes_steps(&self) -> bool {
        false
    }

    /// The model after a step with these gradients, for a strategy that [has its own optimiser](Self::takes_steps).
    /// Gradients are clipped to `max_norm` there.
    fn take_step(
        &mut self,
        model: D,
        grads: GradientsParams,
        learning_rate: f64,
        max_norm: Option<f64>,
    ) -> D {
        let _ = (grads, learning_rate, max_norm);
        model
    }

    /// Called after the optimiser's step, with the updated model. Who needs the parameters before it keeps them in
    /// [`gradients`](Self::gradients); then the step cannot be made in place, and takes memory for another copy.
    fn after_step(&mut self, updated: &D) {
        let _ = updated;
    }

    /// Whether the strategy works only where it is told when an experience ends. One that does not
    /// [observes](Self::observe) instead.
    fn needs_boundaries(&self) -> bool {
        true
    }

    /// Called after each step of a stream that does not tell where experiences end, with the images that arrived.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options that do not fit the data.
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        let _ = (arrived, key);
        Ok(())
    }

    /// Called after the last step of an experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options that do not fit the data.
    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let _ = boundary;
        Ok(())
    }

    /// The model that is asked about a task, given the moving average of the one in training, for a strategy that has
    /// parameters of its own for each task; none: that average.
    fn model_for(&self, task: usize, average: &D::InnerModule) -> Option<D::InnerModule> {
        let _ = (task, average);
        None
    }

    /// The images that the strategy stores now, if any: what samples may turn out to be copies of.
    fn stored_images(&self) -> Option<ImageDataset> {
        None
    }

    /// What the strategy holds beside the model.
    fn memory(&self) -> HeldMemory {
        HeldMemory::default()
    }

    /// Adds to a checkpoint all that the strategy has learned and stored; asked between steps. A strategy that keeps
    /// nothing has nothing to add.
    fn save(&self, state: &mut State) {
        let _ = state;
    }

    /// Takes out what [`save`](Self::save) added, into a strategy that was newly made from the same options.
    ///
    /// # Errors
    /// [`StrategyError::State`] for a state of something else.
    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        let _ = (state, context);
        Ok(())
    }
}
