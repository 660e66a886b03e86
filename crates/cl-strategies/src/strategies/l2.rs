//! L2: parameters are held to those after the last experience, all alike; EWC with an importance of 1.
//!
//! L + (lambda / 2) sum_i (theta_i - theta*_i)^2 (the comparison of Kirkpatrick et al. 2017, arXiv 1612.00796).

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Family, Needs, StrategyOptions, Tunable, shared::penalty};
use crate::{Boundary, HeldMemory, Restore, State, Step, Strategy, StrategyError, check};

/// The options of L2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct L2Config {
    /// The weight of the penalty.
    pub lambda: f64,
}

impl Default for L2Config {
    fn default() -> Self {
        Self { lambda: 0.1 }
    }
}

impl Describe for L2Config {
    const NAME: &'static str = "l2";
    const SUMMARY: &'static str = "A penalty on the squared distance from the last experience's parameters";
    const CITATION: &'static str = "Kirkpatrick et al. 2017, arXiv 1612.00796";
}

impl StrategyOptions for L2Config {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // Of 0.001 to 1, 0.01 was the best here (evidence/effects-grid).
        const { &[Tunable::log("lambda", 1e-5, 1.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for L2Config {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(L2::<B::InnerBackend>::new(*self)?))
    }
}

/// L2.
#[derive(Debug)]
pub struct L2<I: Backend> {
    config: L2Config,
    anchor: Option<ParameterVector<I>>,
}

impl<I: Backend> L2<I> {
    /// L2 before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: L2Config) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, anchor: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for L2<B::InnerBackend> {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let Some(anchor) = &self.anchor else { return Ok(grads) };
        Ok(penalty::add(step, grads, self.config.lambda, |theta| theta.plus(anchor.clone(), -1.0)))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        self.anchor = Some(ParameterVector::of(&boundary.model.valid()));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let extra_parameters = self.anchor.as_ref().map_or(0, |anchor| anchor.len() as u64);
        HeldMemory { buffer_bytes: 0, extra_parameters }
    }

    fn save(&self, state: &mut State) {
        state.put_vector("anchor", self.anchor.as_ref());
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.anchor = context.vector(state, "anchor")?;
        Ok(())
    }
}
