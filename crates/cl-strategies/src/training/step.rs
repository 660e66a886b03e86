//! One training step, as a strategy sees it.

use std::cell::RefCell;

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::{Augmentation, ImageDataset};
use ddpm_core::{
    GaussianDiffusion, NoisyBatch, Objective, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    objective::TimestepSampler,
    parameters::{ParameterVector, take_gradients},
};

use super::{
    batch::{ConditionOn, LabelDropout, augmented_images},
    passes::{Pass, PassCounter},
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
    /// The objective that the model is trained on.
    pub objective: &'a Objective,
    /// How timesteps are drawn.
    pub timesteps: &'a TimestepSampler,
    /// The conditioning of the model.
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
    /// Where images that go through a network are reported.
    pub passes: &'a PassCounter,
    /// All batches of the optimiser's step, of which `batch` is one.
    pub(crate) batches: &'a [NoisyBatch<B>],
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

    /// The gradient of the loss on the current data alone, whatever other losses a composition adds to it: over all batches
    /// of the step. It takes another pass of these through the model.
    ///
    /// # Panics
    /// Never: a step has a batch.
    pub fn loss_gradient(&self) -> ParameterVector<B::InnerBackend> {
        let images: usize = self.batches.iter().map(NoisyBatch::len).sum();
        let gradient = |batch: &NoisyBatch<B>| {
            let loss = batch.weighted_mean(self.losses_on(batch));
            let loss = loss.mul_scalar(batch.len() as f64 / images as f64);
            take_gradients::<B, D>(self.model, &mut GradientsParams::from_grads(loss.backward(), self.model))
        };
        let gradients = self.batches.iter().map(gradient);
        gradients.reduce(|sum, gradient| sum.plus(gradient, 1.0)).expect("a step has a batch")
    }

    /// Reports that so many images went through the model in training.
    pub fn count_images(&self, n: usize) {
        self.passes.add(Pass::Training, n);
    }
}
