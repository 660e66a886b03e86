//! Memory-aware synapses (Aljundi et al. 2018, arXiv 1711.09601, equations 3 to 5).
//!
//! A parameter's importance is the mean over samples of the absolute gradient of the squared norm of the output: no
//! true labels and no loss are needed. L + lambda sum_i Omega_i (theta_i - theta*_i)^2, with the importances of all
//! experiences added up. Labels are dropped as often as in training; where timesteps are not drawn uniformly, the mean carries
//! their importance weights.

use burn::{optim::GradientsParams, tensor::backend::Backend};
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser, noise::Purpose, parameters::ParameterVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BuildStrategy, Family, Needs, StrategyOptions, Tunable,
    shared::penalty::{self, Quadratic},
};
use crate::{Boundary, HeldMemory, Pass, Restore, State, Step, Strategy, StrategyError, check};

const SAMPLES: Purpose = Purpose::named("importance of outputs");

/// The options of MAS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MasConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// Noisy images that importances are estimated from, at the end of each experience.
    pub samples: usize,
}

impl Default for MasConfig {
    fn default() -> Self {
        Self { lambda: 0.01, samples: 128 }
    }
}

impl Describe for MasConfig {
    const NAME: &'static str = "mas";
    const SUMMARY: &'static str =
        "A quadratic penalty on parameters, weighted by the sensitivity of the output";
    const CITATION: &'static str = "Aljundi et al. 2018, arXiv 1711.09601";
}

impl StrategyOptions for MasConfig {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // facebookresearch/agem searches 0.1 to 100 for classifiers, CLoG has 5 with a half. Of 0.001 to 1, 0.1 was the best
        // here (evidence/effects-grid).
        const { &[Tunable::log("lambda", 1e-4, 10.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::at_least_1("samples", self.samples)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for MasConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Mas::<B::InnerBackend>::new(*self)?))
    }
}

/// MAS.
#[derive(Debug)]
pub struct Mas<I: Backend> {
    config: MasConfig,
    past: Option<Quadratic<I>>,
}

impl<I: Backend> Mas<I> {
    /// MAS before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn new(config: MasConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        Ok(Self { config, past: None })
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B>> Strategy<B, D> for Mas<B::InnerBackend> {
    fn gradients(
        &mut self,
        step: &Step<'_, B, D>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let Some(past) = &self.past else { return Ok(grads) };
        Ok(penalty::add(step, grads, 2.0 * self.config.lambda, |theta| past.gradient(theta)))
    }

    fn after_experience(&mut self, boundary: &Boundary<'_, B, D>) -> Result<(), StrategyError> {
        let count = self.config.samples;
        let mut importance: Option<ParameterVector<B::InnerBackend>> = None;
        for (i, image) in boundary.draw(count, SAMPLES).into_iter().enumerate() {
            let batch = boundary.noisy(&[image], boundary.key.within(SAMPLES).step(i));
            boundary.passes.add(Pass::Sensitivity, 1);
            let output = boundary.process.evaluate(boundary.model, batch.x_t, &batch.t, batch.y);
            let gradient = boundary.gradient(output.powi_scalar(2).sum());
            let weight = batch.weights.map_or(1.0, |weights| weights[0]);
            let term = gradient.map(|g| g.abs().mul_scalar(weight).div_scalar(count as f64));
            importance = Some(match importance.take() {
                None => term,
                Some(sum) => sum.plus(term, 1.0),
            });
        }
        let mut importance = importance.expect("at least one sample");
        if let Some(past) = self.past.take() {
            importance = importance.plus(past.importance().clone(), 1.0);
        }
        self.past = Some(Quadratic::new(importance, ParameterVector::of(&boundary.model.valid())));
        Ok(())
    }

    fn memory(&self) -> HeldMemory {
        let extra_parameters = self.past.as_ref().map_or(0, Quadratic::len);
        HeldMemory { buffer_bytes: 0, extra_parameters }
    }

    fn save(&self, state: &mut State) {
        Quadratic::save(self.past.as_ref(), state);
    }

    fn restore(&mut self, state: &mut State, context: &Restore<'_, B, D>) -> Result<(), StrategyError> {
        self.past = Quadratic::restore(state, &context.parameters())?;
        Ok(())
    }
}
