//! Quadratic penalties on parameters, by their gradients alone: what EWC, SI, MAS, RWalk and L2 have in common.
//!
//! A penalty `1/2 sum_k sum_i S_ki (theta_i - theta*_ki)^2` over past experiences is, but for a constant, one around a
//! weighted mean of the anchors: two vectors, however many experiences there were. Its gradient is added to that of the
//! loss, so that no graph is built for it; the loss that is reported is without it.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    parameters::{ParameterVector, gradients_from, take_gradients},
};

use crate::{State, Step, StrategyError};

/// Importances and the point that they hold parameters to.
#[derive(Debug, Clone)]
pub(crate) struct Quadratic<I: Backend> {
    importance: ParameterVector<I>,
    anchor: ParameterVector<I>,
}

impl<I: Backend> Quadratic<I> {
    pub(crate) fn new(importance: ParameterVector<I>, anchor: ParameterVector<I>) -> Self {
        Self { importance, anchor }
    }

    /// Adds the penalty of another experience; the anchor becomes the mean, weighted by the importances.
    #[must_use]
    pub(crate) fn and(self, importance: ParameterVector<I>, anchor: ParameterVector<I>) -> Self {
        let sum = self.importance.plus(importance.clone(), 1.0);
        // Where nothing is important, any anchor will do.
        let share = importance.zip(sum.clone(), |part, sum| part / sum.clamp_min(f32::MIN_POSITIVE));
        let moved = anchor.plus(self.anchor.clone(), -1.0).zip(share, |way, share| way * share);
        Self { importance: sum, anchor: self.anchor.plus(moved, 1.0) }
    }

    /// The importances.
    pub(crate) fn importance(&self) -> &ParameterVector<I> {
        &self.importance
    }

    /// S (theta - theta*)
    pub(crate) fn gradient(&self, theta: ParameterVector<I>) -> ParameterVector<I> {
        theta.plus(self.anchor.clone(), -1.0).zip(self.importance.clone(), |d, s| d * s)
    }

    /// Adds it to a checkpoint, or that there is none.
    pub(crate) fn save(this: Option<&Self>, state: &mut State) {
        state.put_vector("importance", this.map(|quadratic| &quadratic.importance));
        state.put_vector("anchor", this.map(|quadratic| &quadratic.anchor));
    }

    /// Takes it out of a checkpoint.
    pub(crate) fn restore(
        state: &mut State,
        like: &ParameterVector<I>,
    ) -> Result<Option<Self>, StrategyError> {
        let importance = state.take_vector("importance", like)?;
        let anchor = state.take_vector("anchor", like)?;
        Ok(importance.zip(anchor).map(|(importance, anchor)| Self { importance, anchor }))
    }

    /// Numbers that are kept.
    pub(crate) fn len(&self) -> u64 {
        (self.importance.len() + self.anchor.len()) as u64
    }
}

/// Adds `factor` times a gradient, given the parameters, to those of the loss.
pub(crate) fn add<B: TrainBackend, D: TrainableDenoiser<B>>(
    step: &Step<'_, B, D>,
    mut grads: GradientsParams,
    factor: f64,
    gradient: impl FnOnce(ParameterVector<B::InnerBackend>) -> ParameterVector<B::InnerBackend>,
) -> GradientsParams {
    let of_loss = take_gradients::<B, D>(step.model, &mut grads);
    let of_penalty = gradient(ParameterVector::of(&step.model.valid()));
    gradients_from::<B, D>(step.model, of_loss.plus(of_penalty, factor))
}
