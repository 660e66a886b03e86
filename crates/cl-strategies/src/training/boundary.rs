//! The moment before or after an experience, as a strategy sees it.

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::Experience;
use ddpm_core::{
    Ema, GaussianDiffusion, NoisyBatch, Objective, TrainBackend, TrainableDenoiser,
    noise::{Key, Purpose},
    objective::TimestepSampler,
    parameters::{ParameterVector, take_gradients},
};

use super::{
    batch::{ConditionOn, LabelDropout, images},
    config::TrainerConfig,
    passes::PassCounter,
};
use crate::buffer;

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
    /// The objective that the model is trained on.
    pub objective: &'a Objective,
    /// How timesteps are drawn.
    pub timesteps: &'a TimestepSampler,
    /// How the model is trained.
    pub training: &'a TrainerConfig,
    /// The moving average of the model.
    pub average: &'a Ema<B::InnerBackend>,
    /// The conditioning of the model.
    pub condition_on: ConditionOn,
    /// How labels are replaced in training.
    pub label_dropout: LabelDropout,
    /// The share of the experience that is over, by its budget: 0 before its first step, 1 after its last.
    pub progress: f64,
    /// Where images that go through a network are reported.
    pub passes: &'a PassCounter,
    /// The address of random draws at this moment; take a purpose of one's own [`within`](Key::within) it.
    pub key: Key,
    /// Where tensors live.
    pub device: &'a B::Device,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Boundary<'_, B, D> {
    /// Some images of the experience, each with noise and a timestep of its own; labels are replaced as often as in
    /// training, so that the branch without labels counts as much as it does there.
    pub fn noisy(&self, indices: &[usize], key: Key) -> NoisyBatch<B> {
        let data = &self.experience.train;
        let x_0 = images(data, indices, self.device);
        let y =
            self.condition_on.conditions_with_dropout(data, indices, self.label_dropout, key, self.device);
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
