//! Online EWC (Schwarz et al. 2018, arXiv 1805.06370, section 3.2): EWC with one Fisher information, to which each
//! experience adds its own after `decay` was applied, around the last parameters. Labels are dropped as in training.
//! Deviations: the paper scales each Fisher information to one norm, and its penalty has `decay` times that of the past,
//! where the penalty here has it as it is, as in Avalanche.

use burn::tensor::backend::Backend;
use cldiff_choices::Describe;
use ddpm_core::{TrainBackend, TrainableDenoiser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildStrategy, Ewc, EwcConfig, Family, Fisher, Needs, StrategyOptions, Tunable};
use crate::{Strategy, StrategyError, check};

/// The options of online EWC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OnlineEwcConfig {
    /// The weight of the penalty.
    pub lambda: f64,
    /// Factor of the Fisher information of the past at the end of each experience.
    pub decay: f64,
    /// Images that it is estimated from.
    pub samples: usize,
    /// Timesteps, each with a noise, for each of these images.
    pub timesteps_per_sample: usize,
}

impl Default for OnlineEwcConfig {
    fn default() -> Self {
        Self { lambda: 100.0, decay: 0.95, samples: 64, timesteps_per_sample: 2 }
    }
}

impl Describe for OnlineEwcConfig {
    const NAME: &'static str = "online_ewc";
    const SUMMARY: &'static str = "EWC with one decaying Fisher information";
    const CITATION: &'static str = "Schwarz et al. 2018, arXiv 1805.06370";
}

impl StrategyOptions for OnlineEwcConfig {
    fn family(&self) -> Family {
        Family::Penalty
    }

    fn tunables(&self) -> &'static [Tunable] {
        // lambda as for EWC; Mammoth (`utils/best_args.py`) has a decay of 1 everywhere.
        const { &[Tunable::log("lambda", 1e2, 1e7), Tunable::linear("decay", 0.5, 1.0)] }
    }

    fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("lambda", self.lambda)?;
        check::share("decay", self.decay)?;
        check::at_least_1("samples", self.samples)?;
        check::at_least_1("timesteps_per_sample", self.timesteps_per_sample)
    }

    fn needs(&self) -> Needs {
        Needs::boundaries()
    }
}

impl<B: TrainBackend, D: TrainableDenoiser<B> + 'static> BuildStrategy<B, D> for OnlineEwcConfig {
    fn build(&self) -> Result<Box<dyn Strategy<B, D>>, StrategyError> {
        Ok(Box::new(Ewc::<B::InnerBackend>::online(*self)?))
    }
}

impl<I: Backend> Ewc<I> {
    /// Online EWC before the first experience.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for options out of range.
    pub fn online(config: OnlineEwcConfig) -> Result<Self, StrategyError> {
        config.validate()?;
        let OnlineEwcConfig { lambda, decay, samples, timesteps_per_sample } = config;
        let fisher = Fisher::PerSample;
        let config = EwcConfig { lambda, fisher, samples, timesteps_per_sample, batch_size: None };
        Ok(Self::decaying(config, decay))
    }
}
