//! Riemannian walk (Chaudhry et al. 2018, arXiv 1801.10112, equations 7 to 9).
//!
//! Two importances: a running Fisher information, F <- alpha F + (1 - alpha) g^2 at every step, and a score s, the sum
//! over steps of the loss that a parameter's step saved, -g_i Delta_i, divided by half of F_i Delta_i^2: how much it
//! saved for how far it moved in the space of distributions. At the end of an experience both are scaled to at most 1
//! and the score is averaged with that of the past. L + lambda sum_i (F_i + s_i) (theta_i - theta*_i)^2.
//! Deviations: the score is updated at every step, and F is of the batch's gradient, which is at hand.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, backend::Backend},
};
use cldiff_choices::Describe;
use ddpm_core::{
    TrainBackend, TrainableDenoiser,
    parameters::{ParameterVector, gradients_from, take_gradients},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Needs, StrategyOptions,
    shared::penalty::{self, Quadratic},
};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

/// The options of RWalk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RwalkConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// alpha: the decay of the running Fisher information.
    pub alpha: f64,
    /// Added to the divisor of the score.
    pub epsilon: f64,
}

impl Default for RwalkConfig {
    fn default() -> Self {
        Self { lambda: 1.0, alpha: 0.9, epsilon: 1e-8 }
    }
}

impl Describe for RwalkConfig {
    const NAME: &'static str = "rwalk";
    const SUMMARY: &'static str = "That penalty weighted by Fisher information and path score";
    const CITATION: &'static str = "Chaudhry et al. 2018, arXiv 1801.10112";
}

impl StrategyOptions for RwalkConfig {
    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::share("alpha", self.alpha)?;
        check::above_0("epsilon", self.epsilon)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for RwalkConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Rwalk::<B::InnerBackend>::new(*self)?))
    }
}

/// RWalk.
#[derive(Debug)]
pub struct Rwalk<I: Backend> {
    config: RwalkConfig,
    fisher: Option<ParameterVector<I>>,
    score: Option<ParameterVector<I>>,
    past_score: Option<ParameterVector<I>>,
    /// The gradients of this step, and the parameters before it.
    step: Option<[ParameterVector<I>; 2]>,
    past: Option<Quadratic<I>>,
}

impl<I: Backend> Rwalk<I> {
    /// RWalk before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: RwalkConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, fisher: None, score: None, past_score: None, step: None, past: None })
    }
}

/// Scaled so that the largest number is 1; zeros stay zeros.
fn to_unit<I: Backend>(vector: ParameterVector<I>) -> ParameterVector<I> {
    let largest = vector.entries().map(|(_, values)| values.clone().max()).reduce(Tensor::max_pair);
    let largest = largest.expect("a module with parameters").clamp_min(f32::MIN_POSITIVE);
    vector.map(|values| values / largest.clone())
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Rwalk<B::InnerBackend> {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let of_loss = take_gradients::<B, D>(step.model, &mut grads);
        let alpha = self.config.alpha;
        let squares = of_loss.clone().map(|g| g.clone() * g);
        self.fisher = Some(match self.fisher.take() {
            None => squares,
            Some(fisher) => fisher.map(|f| f.mul_scalar(alpha)).plus(squares, 1.0 - alpha),
        });
        self.step = Some([of_loss.clone(), ParameterVector::of(&step.model.valid())]);
        let grads = gradients_from::<B, D>(step.model, of_loss);
        let Some(past) = &self.past else { return Ok(grads) };
        Ok(penalty::add(step, grads, 2.0 * self.config.lambda, |theta| past.gradient(theta)))
    }

    fn after_step(&mut self, updated: &D) -> Result<(), StrategyError> {
        let (Some([grads, before]), Some(fisher)) = (self.step.take(), &self.fisher) else { return Ok(()) };
        let way = ParameterVector::of(&updated.valid()).plus(before, -1.0);
        let saved = grads.zip(way.clone(), |g, way| (g * way).neg().clamp_min(0.0));
        let distance = fisher.clone().zip(way, |f, way| f * way.clone() * way);
        let epsilon = self.config.epsilon;
        let gained = saved.zip(distance, |saved, distance| saved / (distance.mul_scalar(0.5) + epsilon));
        self.score = Some(match self.score.take() {
            None => gained,
            Some(score) => score.plus(gained, 1.0),
        });
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let (Some(score), Some(fisher)) = (self.score.take(), self.fisher.clone()) else { return Ok(()) };
        let score = to_unit(score);
        let score = match self.past_score.take() {
            None => score,
            Some(past) => score.plus(past, 1.0).map(|sum| sum.div_scalar(2.0)),
        };
        let importance = to_unit(fisher).plus(score.clone(), 1.0);
        self.past_score = Some(score);
        self.past = Some(Quadratic::new(importance, ParameterVector::of(&boundary.model.valid())));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let running = [&self.fisher, &self.score, &self.past_score];
        let running = running.into_iter().flatten().map(|vector| vector.len() as u64).sum::<u64>();
        let past = self.past.as_ref().map_or(0, Quadratic::len);
        HeldMemory { buffer_bytes: 0, extra_parameters: running + past }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("fisher", self.fisher.as_ref());
        state.put_vector("score", self.score.as_ref());
        state.put_vector("past_score", self.past_score.as_ref());
        Quadratic::save(self.past.as_ref(), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.fisher = context.vector(state, "fisher")?;
        self.score = context.vector(state, "score")?;
        self.past_score = context.vector(state, "past_score")?;
        self.past = Quadratic::restore(state, &context.parameters())?;
        Ok(())
    }
}
