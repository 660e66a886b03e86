//! Several strategies as one: any penalty with any replay, without a file for each combination.

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser};

use crate::{Boundary, HeldMemory, Step, Strategy, StrategyError};

/// Applies its terms in order: each sees the loss and the gradients that the terms before it left.
#[derive(Debug)]
pub struct Compose<B: TrainBackend, D: TrainableDenoiser<B>> {
    terms: Vec<Box<dyn Strategy<B, D>>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Compose<B, D> {
    /// The composition of `terms`; finetuning if there are none.
    pub fn new(terms: Vec<Box<dyn Strategy<B, D>>>) -> Self {
        Self { terms }
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Compose<B, D> {
    fn training_data(&self, stream: &Stream, k: usize) -> Option<ImageDataset> {
        self.terms.iter().find_map(|term| term.training_data(stream, k))
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.terms.iter_mut().try_for_each(|term| term.before_experience(boundary))
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Option<D> {
        self.terms.iter_mut().find_map(|term| term.start_from(boundary))
    }

    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        self.terms.iter_mut().fold(loss, |loss, term| term.loss(step, loss))
    }

    fn gradients(&mut self, step: &Step<'_, B, D>, grads: GradientsParams) -> GradientsParams {
        self.terms.iter_mut().fold(grads, |grads, term| term.gradients(step, grads))
    }

    fn after_step(&mut self, updated: &D) {
        self.terms.iter_mut().for_each(|term| term.after_step(updated));
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.terms.iter_mut().try_for_each(|term| term.after_experience(boundary))
    }

    fn memory(&self) -> HeldMemory {
        self.terms.iter().fold(HeldMemory::default(), |sum, term| sum + term.memory())
    }
}
