//! The trait that every continual-learning strategy implements.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use data_streams::{ImageDataset, Stream};
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Key, parameters::ParameterVector};

use super::{boundary::Boundary, step::Step};
use crate::{Restore, State, StrategyError};

/// The memory that a strategy holds beside the model.
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

/// The losses that a strategy adds in a step: `share L + loss`, where L is the loss on the current batch.
#[derive(Debug, Clone)]
pub struct AddedLoss<B: TrainBackend> {
    /// The weighted sum of what is added, `[1]`.
    pub loss: Tensor<B, 1>,
    /// The weight that is left to the loss on the current batch: 1 for a strategy that does not share with it.
    pub share: f64,
}

impl<B: TrainBackend> AddedLoss<B> {
    /// A loss beside that on the current batch, which keeps its weight of 1.
    pub fn beside(loss: Tensor<B, 1>) -> Self {
        Self { loss, share: 1.0 }
    }

    /// The sum.
    ///
    /// # Shapes
    /// - `current` (the loss on the current batch) and output: `[1]`
    pub fn to(self, current: Tensor<B, 1>) -> Tensor<B, 1> {
        let current = if self.share == 1.0 { current } else { current.mul_scalar(self.share) };
        current + self.loss
    }
}

/// The part of a strategy that integrates the gradient of the loss along the path of the parameters.
pub trait PathIntegral<I: Backend> {
    /// Called before [`Strategy::gradients`] by a composition, with the gradient of the loss on the current batch alone.
    /// A strategy that is on its own finds it in the gradients that are handed to it there.
    fn loss_gradient(&mut self, gradient: ParameterVector<I>);
}

/// An optimiser of a strategy's own.
pub trait StepTaker<B: TrainBackend, D: TrainableDenoiser<B>> {
    /// The model after a step with these gradients, whose joint norm is clipped to `max_norm`.
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training, and the model is lost.
    fn take_step(
        &mut self,
        model: D,
        grads: GradientsParams,
        learning_rate: f64,
        max_norm: Option<f64>,
    ) -> Result<D, StrategyError>;
}

/// The part of a strategy that looks at the images of a stream as they arrive.
pub trait Observer {
    /// Called after each step of a stream that does not tell where experiences end, with the images that arrived.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options that do not fit the data.
    fn observe(&mut self, arrived: &ImageDataset, key: Key) -> Result<(), StrategyError>;
}

/// A continual-learning strategy: hooks into the [`Trainer`](crate::Trainer)'s loop, each of which does nothing by
/// default, so that a strategy with no hook of its own is plain finetuning.
///
/// Everything random comes from the keys handed in, so that a run can be repeated.
pub trait Strategy<B: TrainBackend, D: TrainableDenoiser<B>>: std::fmt::Debug {
    /// The images that experience `k` trains on, asked after [`before_experience`](Self::before_experience); none leaves
    /// the choice to the other terms of a composition and, in the end, to the experience's own images.
    ///
    /// # Errors
    /// [`StrategyError::Data`] for images that do not fit together.
    fn training_data(&self, stream: &Stream, k: usize) -> Result<Option<ImageDataset>, StrategyError> {
        let _ = (stream, k);
        Ok(None)
    }

    /// Called before an experience that removes classes, before [`before_experience`](Self::before_experience): stored images
    /// of them go, and nothing asks a model for them any more.
    ///
    /// # Errors
    /// [`StrategyError::Data`] for images that do not fit together.
    fn remove_classes(&mut self, classes: &[usize]) -> Result<(), StrategyError> {
        let _ = classes;
        Ok(())
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
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn start_from(&mut self, boundary: &Boundary<'_, B, D>) -> Result<Option<D>, StrategyError> {
        let _ = boundary;
        Ok(None)
    }

    /// The model to go on from at a step of an experience; none leaves it the model as it is. Asked before every step,
    /// [`start_from`](Self::start_from) before the first. The optimiser and the moving average start anew with it.
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn replace(&mut self, boundary: &Boundary<'_, B, D>, step: usize) -> Result<Option<D>, StrategyError> {
        let _ = (boundary, step);
        Ok(None)
    }

    /// The losses that the strategy adds to that on the current batch in a step, if any.
    ///
    /// A composition adds up what its terms add. A term that shares, shares with the loss on the current batch alone:
    /// where several do, that loss has the smallest weight that one of them leaves to it.
    ///
    /// A composition may ask a term that added nothing again in the same step, by way of [`loss`](Self::loss).
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn added(&mut self, step: &Step<'_, B, D>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let _ = step;
        Ok(None)
    }

    /// The loss of a step, given that on the current batch: with what the strategy [adds](Self::added). A strategy that
    /// changes the loss itself overrides this one instead, and adds nothing; a composition asks it before it adds.
    ///
    /// # Shapes
    /// - `loss` and output: `[1]`
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn loss(&mut self, step: &Step<'_, B, D>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        Ok(match self.added(step)? {
            None => loss,
            Some(added) => added.to(loss),
        })
    }

    /// The gradients to apply, given those of the loss.
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let _ = step;
        Ok(grads)
    }

    /// The part that integrates the gradient of the loss, if the strategy has one.
    fn path_integral(&mut self) -> Option<&mut dyn PathIntegral<B::InnerBackend>> {
        None
    }

    /// The optimiser that takes the place of the trainer's for the next step, if the strategy has one.
    fn optimizer(&mut self) -> Option<&mut dyn StepTaker<B, D>> {
        None
    }

    /// Called after the optimiser's step, with the updated model. A strategy that needs the parameters before the step
    /// keeps them in [`gradients`](Self::gradients); then the step cannot be made in place, and takes memory for another
    /// copy.
    ///
    /// # Errors
    /// Any [`StrategyError`]; it ends the training.
    fn after_step(&mut self, updated: &D) -> Result<(), StrategyError> {
        let _ = updated;
        Ok(())
    }

    /// The part that looks at the images of a stream that does not tell where experiences end; none: the strategy works
    /// only where it is told, and the trainer refuses other streams.
    fn observer(&mut self) -> Option<&mut dyn Observer> {
        None
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
    ///
    /// # Errors
    /// Any [`StrategyError`].
    fn model_for(
        &self,
        task: usize,
        average: &D::InnerModule,
    ) -> Result<Option<D::InnerModule>, StrategyError> {
        let _ = (task, average);
        Ok(None)
    }

    /// The images that the strategy stores now, if any: samples may turn out to be copies of them.
    ///
    /// # Errors
    /// [`StrategyError::Data`] for images that do not fit together.
    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        Ok(None)
    }

    /// Numbers and images that the strategy holds beside the model.
    fn memory(&self) -> HeldMemory {
        HeldMemory::default()
    }

    /// Adds to a checkpoint all that the strategy has learned and stored; asked between steps.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_adds_up_kind_by_kind() {
        let of = |buffer_bytes, extra_parameters| HeldMemory { buffer_bytes, extra_parameters };
        assert_eq!(of(3, 50) + of(4, 600), of(7, 650));
    }
}
