//! Synaptic intelligence (Zenke et al. 2017, arXiv 1703.04200, equations 3 to 5).
//!
//! omega_i is the path integral of minus the gradient times the step of parameter i over an experience; its importance
//! grows by omega_i / (Delta_i^2 + xi), where Delta_i is how far it went in all. L + c sum_i Omega_i (theta_i -
//! theta*_i)^2. The gradient is that of the loss on the current batch alone, also where a composition adds other losses; the
//! step is the one taken. A negative omega counts as zero, since it would reward going away; the paper has no such maximum.
//! Deviation: it is taken of each experience's part, as in facebookresearch/agem, where the authors' code (ganguli-lab/pathint,
//! `protocols.py`) takes it of the Omega that has added up.

use burn::{optim::GradientsParams, tensor::backend::Backend};
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

/// The options of SI.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SiConfig {
    /// The weight of the penalty.
    pub c: f64,
    /// xi: the damping.
    pub xi: f64,
}

impl Default for SiConfig {
    fn default() -> Self {
        Self { c: 0.1, xi: 1e-3 }
    }
}

impl Describe for SiConfig {
    const NAME: &'static str = "si";
    const SUMMARY: &'static str =
        "A quadratic penalty on parameters, weighted by path integrals of the gradient";
    const CITATION: &'static str = "Zenke et al. 2017, arXiv 1703.04200";
}

impl StrategyOptions for SiConfig {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // facebookresearch/agem searches 0.1 to 10 and takes 0.1 and 1; Mammoth (`utils/best_args.py`) has 0.5 and 1. Of 0.01 to
        // 100, 1 was the best here (evidence/effects-grid). xi is a constant of the method.
        const { &[Tunable::log("c", 1e-2, 1e2)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("c", self.c)?;
        check::above_0("xi", self.xi)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for SiConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Si::<B::InnerBackend>::new(*self)?))
    }
}

/// SI.
#[derive(Debug)]
pub struct Si<I: Backend> {
    config: SiConfig,
    /// Of this experience.
    omega: Option<ParameterVector<I>>,
    /// The gradient of the loss alone in this step, where other terms add to the loss.
    told: Option<ParameterVector<I>>,
    /// The gradients of this step, and the parameters before it.
    step: Option<[ParameterVector<I>; 2]>,
    /// Where this experience began.
    start: Option<ParameterVector<I>>,
    /// Importances of all experiences, and the parameters at the end of the last.
    past: Option<Quadratic<I>>,
}

impl<I: Backend> Si<I> {
    /// SI before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: SiConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, omega: None, told: None, step: None, start: None, past: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Si<B::InnerBackend> {
    fn before_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let theta = ParameterVector::of(&boundary.model.valid());
        self.omega = Some(theta.zeros_like());
        self.start = Some(theta);
        Ok(())
    }

    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        mut grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        // The gradients of the loss alone: the path integral leaves the penalty out.
        let of_loss = take_gradients::<B, D>(step.model, &mut grads);
        let alone = self.told.take().unwrap_or_else(|| of_loss.clone());
        self.step = Some([alone, ParameterVector::of(&step.model.valid())]);
        let grads = gradients_from::<B, D>(step.model, of_loss);
        let Some(past) = &self.past else { return Ok(grads) };
        Ok(penalty::add(step, grads, 2.0 * self.config.c, |theta| past.gradient(theta)))
    }

    fn path_integral(&mut self) -> Option<&mut dyn PathIntegral<B::InnerBackend>> {
        Some(self)
    }

    fn after_step(&mut self, updated: &D) -> Result<(), StrategyError> {
        let (Some([grads, before]), Some(omega)) = (self.step.take(), self.omega.take()) else {
            return Ok(());
        };
        let step = ParameterVector::of(&updated.valid()).plus(before, -1.0);
        self.omega = Some(omega.plus(grads.zip(step, |g, step| g * step), -1.0));
        Ok(())
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let (Some(omega), Some(start)) = (self.omega.take(), self.start.take()) else { return Ok(()) };
        let theta = ParameterVector::of(&boundary.model.valid());
        let way = theta.clone().plus(start, -1.0);
        let xi = self.config.xi;
        let gained = omega.zip(way, |omega, way| omega.clamp_min(0.0) / (way.clone() * way + xi));
        let importance = match self.past.take() {
            None => gained,
            Some(past) => gained.plus(past.importance().clone(), 1.0),
        };
        self.past = Some(Quadratic::new(importance, theta));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let running = [&self.omega, &self.start].into_iter().flatten().map(|v| v.len() as u64).sum::<u64>();
        let past = self.past.as_ref().map_or(0, Quadratic::len);
        HeldMemory { buffer_bytes: 0, extra_parameters: running + past }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("omega", self.omega.as_ref());
        state.put_vector("start", self.start.as_ref());
        Quadratic::save(self.past.as_ref(), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.omega = context.vector(state, "omega")?;
        self.start = context.vector(state, "start")?;
        self.past = Quadratic::restore(state, &context.parameters())?;
        Ok(())
    }
}

impl<I: Backend> PathIntegral<I> for Si<I> {
    fn loss_gradient(&mut self, gradient: ParameterVector<I>) {
        self.told = Some(gradient);
    }
}
