//! Several strategies as one: any penalty with any replay, without a file for each combination.
//!
//! The loss is `s L + sum_i R_i`: L on the current batch, R_i what the i-th term [adds](Strategy::added), and s the smallest
//! of the shares that the terms leave to L, 1 where none shares. No term scales what another one adds.
//! Gradients go from term to term; the gradient of L alone goes to the terms that [integrate](crate::PathIntegral) it.

use burn::{optim::GradientsParams, tensor::Tensor};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    noise::Key,
    parameters::{gradients_from, take_gradients},
};

use super::{
    boundary::Boundary,
    step::Step,
    strategy::{AddedLoss, HeldMemory, Observer, StepTaker, Strategy},
};
use crate::{Restore, State, StrategyError};

/// Adds up the losses of its terms, and hands the gradients through them in order.
#[derive(Debug)]
pub struct Compose<B: TrainBackend, D: TrainableDenoiser<B>> {
    terms: Vec<Term<B, D>>,
    /// Whether a term added to the loss in this step.
    added: bool,
}

/// A strategy, and the owner of its options in error messages.
#[derive(Debug)]
struct Term<B: TrainBackend, D: TrainableDenoiser<B>> {
    name: &'static str,
    strategy: Box<dyn Strategy<B, D>>,
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Compose<B, D> {
    /// The composition of `terms`; finetuning if there are none.
    pub fn new(terms: Vec<Box<dyn Strategy<B, D>>>) -> Self {
        Self::named(terms.into_iter().map(|strategy| ("", strategy)).collect())
    }

    /// The composition of `terms`, whose names stand before the keys of their options in errors.
    pub fn named(terms: Vec<(&'static str, Box<dyn Strategy<B, D>>)>) -> Self {
        let terms = terms.into_iter().map(|(name, strategy)| Term { name, strategy }).collect();
        Self { terms, added: false }
    }

    /// Calls a hook of every term.
    fn each(
        &mut self,
        mut hook: impl FnMut(&mut dyn Strategy<B, D>) -> Result<(), StrategyError>,
    ) -> Result<(), StrategyError> {
        self.through((), |strategy, ()| hook(strategy))
    }

    /// Hands a value from term to term.
    fn through<T>(
        &mut self,
        value: T,
        mut hook: impl FnMut(&mut dyn Strategy<B, D>, T) -> Result<T, StrategyError>,
    ) -> Result<T, StrategyError> {
        self.terms.iter_mut().try_fold(value, |value, term| {
            hook(&mut *term.strategy, value).map_err(|error| error.at(term.name))
        })
    }

    /// The answer of the first term that has one.
    fn first<T>(
        &self,
        mut hook: impl FnMut(&dyn Strategy<B, D>) -> Result<Option<T>, StrategyError>,
    ) -> Result<Option<T>, StrategyError> {
        let ask = |term: &Term<B, D>| hook(&*term.strategy).map_err(|error| error.at(term.name)).transpose();
        self.terms.iter().find_map(ask).transpose()
    }

    /// As [`first`](Self::first), of a hook that may change the strategy.
    fn first_mut<T>(
        &mut self,
        mut hook: impl FnMut(&mut dyn Strategy<B, D>) -> Result<Option<T>, StrategyError>,
    ) -> Result<Option<T>, StrategyError> {
        let ask = |term: &mut Term<B, D>| {
            hook(&mut *term.strategy).map_err(|error| error.at(term.name)).transpose()
        };
        self.terms.iter_mut().find_map(ask).transpose()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Compose<B, D> {
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        self.first(|term| term.training_data(stream, k))
    }

    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        self.each(|term| term.remove_classes(classes))
    }

    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.each(|term| term.before_experience(boundary))
    }

    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        self.first_mut(|term| term.start_from(boundary))
    }

    fn replace(&mut self, boundary: &Boundary<'_, B, D>, step: usize) -> Result<Option<D>, StrategyError> {
        self.first_mut(|term| term.replace(boundary, step))
    }

    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        let (mut current, mut sum) = (loss, None::<AddedLoss<B>>);
        for term in &mut self.terms {
            let name = term.name;
            let Some(added) = term.strategy.added(step).map_err(|error| error.at(name))? else {
                current = term.strategy.loss(step, current).map_err(|error| error.at(name))?;
                continue;
            };
            sum = Some(match sum {
                None => added,
                Some(sum) => AddedLoss { loss: sum.loss + added.loss, share: sum.share.min(added.share) },
            });
        }
        self.added = sum.is_some();
        Ok(match sum {
            None => current,
            Some(sum) => sum.to(current),
        })
    }

    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let mut of_loss = None;
        for term in &mut self.terms {
            let Some(integral) = term.strategy.path_integral() else { continue };
            let gradient = of_loss.get_or_insert_with(|| {
                if self.added {
                    return step.loss_gradient();
                }
                let gradient = take_gradients::<B, D>(step.model, &mut grads);
                grads = gradients_from::<B, D>(step.model, gradient.clone());
                gradient
            });
            integral.loss_gradient(gradient.clone());
        }
        self.through(grads, |term, grads| term.gradients(step, grads))
    }

    fn optimizer(&mut self) -> Option<&mut dyn StepTaker<B, D>> {
        self.terms.iter_mut().find_map(|term| term.strategy.optimizer())
    }

    fn after_step(&mut self, updated: &D) -> Result<(), StrategyError> {
        self.each(|term| term.after_step(updated))
    }

    /// There is one if every term has one.
    fn observer(&mut self) -> Option<&mut dyn Observer> {
        let all = self.terms.iter_mut().all(|term| term.strategy.observer().is_some());
        if all { Some(self) } else { None }
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.each(|term| term.after_experience(boundary))
    }

    fn model_for(
        &self,
        task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        self.first(|term| term.model_for(task, average))
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        let mut parts = Vec::new();
        for term in &self.terms {
            parts.extend(term.strategy.stored_images()?);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        Ok(Some(ImageDataset::concat(&parts.iter().collect::<Vec<_>>())?))
    }

    fn memory(&self) -> HeldMemory {
        self.terms.iter().fold(HeldMemory::default(), |sum, term| sum + term.strategy.memory())
    }

    fn save(&self, state: &mut State) {
        for (i, term) in self.terms.iter().enumerate() {
            let mut of_term = State::default();
            term.strategy.save(&mut of_term);
            state.put_scope(&i.to_string(), of_term);
        }
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        for (i, term) in self.terms.iter_mut().enumerate() {
            let mut of_term = state.take_scope(&i.to_string());
            term.strategy.restore(&mut of_term, context)?;
            of_term.finish()?;
        }
        Ok(())
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Observer for Compose<B, D> {
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError> {
        self.each(|term| term.observer().map_or(Ok(()), |observer| observer.observe(arrived, key)))
    }
}
