//! Several strategies as one: any penalty with any replay, without a file for each combination.

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Key};

use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError};

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

    fn replace(&mut self, boundary: &Boundary<'_, B, D>, step: usize) -> Option<D> {
        self.terms.iter_mut().find_map(|term| term.replace(boundary, step))
    }

    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Tensor<B, 1> {
        self.terms.iter_mut().fold(loss, |loss, term| term.loss(step, loss))
    }

    fn gradients(&mut self, step: &Step<'_, B, D>, grads: GradientsParams) -> GradientsParams {
        self.terms.iter_mut().fold(grads, |grads, term| term.gradients(step, grads))
    }

    fn takes_steps(&self) -> bool {
        self.terms.iter().any(|term| term.takes_steps())
    }

    fn take_step(
        &mut self,
        model: D,
        grads: GradientsParams,
        learning_rate: f64,
        max_norm: Option<f64>,
    ) -> D {
        match self.terms.iter_mut().find(|term| term.takes_steps()) {
            Some(term) => term.take_step(model, grads, learning_rate, max_norm),
            None => model,
        }
    }

    fn after_step(&mut self, updated: &D) {
        self.terms.iter_mut().for_each(|term| term.after_step(updated));
    }

    fn needs_boundaries(&self) -> bool {
        self.terms.iter().any(|term| term.needs_boundaries())
    }

    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.terms.iter_mut().try_for_each(|term| term.observe(arrived, key))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.terms.iter_mut().try_for_each(|term| term.after_experience(boundary))
    }

    fn model_for(&self, task: usize, average: &D::InnerModule) -> Option<D::InnerModule> {
        self.terms.iter().find_map(|term| term.model_for(task, average))
    }

    fn stored_images(&self) -> Option<ImageDataset> {
        let parts: Vec<ImageDataset> = self.terms.iter().filter_map(|term| term.stored_images()).collect();
        ImageDataset::concat(&parts.iter().collect::<Vec<_>>()).ok()
    }

    fn memory(&self) -> HeldMemory {
        self.terms.iter().fold(HeldMemory::default(), |sum, term| sum + term.memory())
    }

    fn save(&self, state: &mut State) {
        for (i, term) in self.terms.iter().enumerate() {
            let mut of_term = State::default();
            term.save(&mut of_term);
            state.put_scope(&i.to_string(), of_term);
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        for (i, term) in self.terms.iter_mut().enumerate() {
            let mut of_term = state.take_scope(&i.to_string());
            term.restore(&mut of_term, context)?;
            of_term.finish()?;
        }
        Ok(())
    }
}
