//! Riemannian walk (Chaudhry et al. 2018, arXiv 1801.10112, equations 7 to 10; code: facebookresearch/agem).
//!
//! Two importances. A running Fisher information, every so many steps F <- (1 - alpha) F + alpha mean(g^2) over these steps:
//! alpha weighs the *new* one. And a score: the loss that a parameter saved over these steps, -sum g_i delta_i if above 0,
//! divided by half of F_i Delta_i^2, with F of before the update and Delta the way in all these steps: how much it saved
//! for how far it moved in the space of distributions. At the end of an experience the score is averaged with that of the
//! past, as in Avalanche, and then both are scaled to at most 1. L + lambda sum_i (F_i + s_i) (theta_i - theta*_i)^2. The
//! gradient is that of the loss on the current batch alone, also where a composition adds other losses.
//!
//! Deviations: F is of the batch's gradient, as in the code; F begins as that of the first steps, where the code begins with
//! 0; the mean of g^2 is over the steps since the last update, where the code never sets its sum (`tmp_fisher`) to 0 within a
//! task, so that it is over all steps of the task so far, divided by the steps of one update; the past score becomes the
//! average, where the code adds the average to it; steps at the end of an experience that are too few count as well, where
//! the code drops them; scaling divides by the largest number, where the code subtracts the smallest first; the divisor has
//! the half of the paper, which the code leaves out, and a smaller epsilon, since gradients of mean losses are small.

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
    BuildStrategy, Family, Needs, StrategyOptions, Tunable,
    shared::penalty::{self, Quadratic},
};
use crate::{Boundary, HeldMemory, PathIntegral, Restore, State, Step, Strategy, StrategyError, check};

/// The score of past experiences in a state. Earlier versions had it as `past_score`, scaled to at most 1.
const PAST_SCORE: &str = "past_raw_score";

/// The options of RWalk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RwalkConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// alpha: the weight of the new Fisher information, the rest being that of the running one.
    pub alpha: f64,
    /// Steps after which the running Fisher information and the score are updated.
    pub update_every: usize,
    /// Added to the divisor of the score.
    pub epsilon: f64,
}

impl Default for RwalkConfig {
    fn default() -> Self {
        Self { lambda: 1.0, alpha: 0.9, update_every: 10, epsilon: 1e-8 }
    }
}

impl Describe for RwalkConfig {
    const NAME: &'static str = "rwalk";
    const SUMMARY: &'static str =
        "A quadratic penalty on parameters, weighted by Fisher information and path score";
    const CITATION: &'static str = "Chaudhry et al. 2018, arXiv 1801.10112";
}

impl StrategyOptions for RwalkConfig {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // facebookresearch/agem searches 0.1 to 100. Of these, 1 was the best here (evidence/effects-grid).
        const { &[Tunable::log("lambda", 0.01, 100.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::share("alpha", self.alpha)?;
        check::at_least_1("update_every", self.update_every)?;
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
    /// The average over past experiences, not scaled.
    past_score: Option<ParameterVector<I>>,
    /// The steps since the last update.
    walk: Option<Walk<I>>,
    /// The gradient of the loss alone in this step, where other terms add to the loss.
    told: Option<ParameterVector<I>>,
    /// The gradients of this step, and the parameters before it.
    step: Option<[ParameterVector<I>; 2]>,
    past: Option<Quadratic<I>>,
}

/// Some steps in a row.
#[derive(Debug, Clone)]
struct Walk<I: Backend> {
    steps: usize,
    /// The parameters before the first.
    from: ParameterVector<I>,
    /// The sum of g^2.
    squares: ParameterVector<I>,
    /// The loss saved: the sum of -g delta.
    saved: ParameterVector<I>,
}

impl<I: Backend> Walk<I> {
    fn at(from: ParameterVector<I>) -> Self {
        let zeros = from.zeros_like();
        Self { steps: 0, from, squares: zeros.clone(), saved: zeros }
    }

    fn take(&mut self, g: ParameterVector<I>, way: ParameterVector<I>) {
        let squares = g.clone().map(|g| g.clone() * g);
        self.squares = self.squares.clone().plus(squares, 1.0);
        self.saved = self.saved.clone().plus(g.zip(way, |g, way| g * way), -1.0);
        self.steps += 1;
    }
}

impl<I: Backend> Rwalk<I> {
    /// RWalk before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: RwalkConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        let (fisher, score, past_score, walk) = (None, None, None, None);
        Ok(Self { config, fisher, score, past_score, walk, told: None, step: None, past: None })
    }

    /// Updates score and Fisher information by the steps since the last time, which led to `theta`.
    fn update(&mut self, theta: ParameterVector<I>) {
        let Some(Walk { steps, from, squares, saved }) = self.walk.take() else { return };
        let RwalkConfig { alpha, epsilon, .. } = self.config;
        let new = squares.map(|sum| sum.div_scalar(steps as f64));
        let running = self.fisher.take();
        let distance = running
            .clone()
            .unwrap_or_else(|| new.clone())
            .zip(theta.plus(from, -1.0), |f, way| f * way.clone() * way);
        let gained = saved
            .zip(distance, |saved, distance| saved.clamp_min(0.0) / (distance.mul_scalar(0.5) + epsilon));
        self.score = Some(match self.score.take() {
            None => gained,
            Some(score) => score.plus(gained, 1.0),
        });
        self.fisher = Some(match running {
            None => new,
            Some(running) => running.map(|f| f.mul_scalar(1.0 - alpha)).plus(new, alpha),
        });
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
        let alone = self.told.take().unwrap_or_else(|| of_loss.clone());
        self.step = Some([alone, ParameterVector::of(&step.model.valid())]);
        let grads = gradients_from::<B, D>(step.model, of_loss);
        let Some(past) = &self.past else { return Ok(grads) };
        Ok(penalty::add(step, grads, 2.0 * self.config.lambda, |theta| past.gradient(theta)))
    }

    fn path_integral(&mut self) -> Option<&mut dyn PathIntegral<B::InnerBackend>> {
        Some(self)
    }

    fn after_step(&mut self, updated: &D) -> Result<(), StrategyError> {
        let Some([g, before]) = self.step.take() else { return Ok(()) };
        let theta = ParameterVector::of(&updated.valid());
        let way = theta.clone().plus(before.clone(), -1.0);
        let walk = self.walk.get_or_insert_with(|| Walk::at(before));
        walk.take(g, way);
        if walk.steps == self.config.update_every {
            self.update(theta);
        }
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let theta = ParameterVector::of(&boundary.model.valid());
        self.update(theta.clone());
        let (Some(score), Some(fisher)) = (self.score.take(), self.fisher.clone()) else { return Ok(()) };
        let score = match self.past_score.take() {
            None => score,
            Some(past) => score.plus(past, 1.0).map(|sum| sum.div_scalar(2.0)),
        };
        let importance = to_unit(fisher).plus(to_unit(score.clone()), 1.0);
        self.past_score = Some(score);
        self.past = Some(Quadratic::new(importance, theta));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let walk = self.walk.as_ref().map(|walk| [&walk.from, &walk.squares, &walk.saved]);
        let running = [self.fisher.as_ref(), self.score.as_ref(), self.past_score.as_ref()];
        let running = running.into_iter().chain(walk.into_iter().flatten().map(Some));
        let running = running.flatten().map(|vector| vector.len() as u64).sum::<u64>();
        let past = self.past.as_ref().map_or(0, Quadratic::len);
        HeldMemory { buffer_bytes: 0, extra_parameters: running + past }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("fisher", self.fisher.as_ref());
        state.put_vector("score", self.score.as_ref());
        state.put_vector(PAST_SCORE, self.past_score.as_ref());
        let walk = self.walk.as_ref();
        state.put("walk_steps", walk.map(|walk| walk.steps));
        state.put_vector("walk_from", walk.map(|walk| &walk.from));
        state.put_vector("walk_squares", walk.map(|walk| &walk.squares));
        state.put_vector("walk_saved", walk.map(|walk| &walk.saved));
        Quadratic::save(self.past.as_ref(), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        if state.has("past_score") {
            let problem = "an earlier version scaled it to at most 1, where it is averaged unscaled now";
            return Err(StrategyError::state("past_score", problem));
        }
        self.fisher = context.vector(state, "fisher")?;
        self.score = context.vector(state, "score")?;
        self.past_score = context.vector(state, PAST_SCORE)?;
        let steps: Option<usize> = state.take("walk_steps")?;
        let from = context.vector(state, "walk_from")?;
        let squares = context.vector(state, "walk_squares")?;
        let saved = context.vector(state, "walk_saved")?;
        self.walk = steps.zip(from).zip(squares).zip(saved).map(|(((steps, from), squares), saved)| Walk {
            steps,
            from,
            squares,
            saved,
        });
        self.past = Quadratic::restore(state, &context.parameters())?;
        Ok(())
    }
}

impl<I: Backend> PathIntegral<I> for Rwalk<I> {
    fn loss_gradient(&mut self, gradient: ParameterVector<I>) {
        self.told = Some(gradient);
    }
}
