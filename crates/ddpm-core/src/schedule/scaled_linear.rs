//! The scaled linear schedule of latent diffusion (Rombach et al. 2022).

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromScheduler, Schedule, linspace};
use crate::{CoreError, diffusers::SchedulerConfig};

/// Betas whose square roots are evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaledLinear {
    /// beta_0
    pub beta_start: f64,
    /// beta_{T-1}
    pub beta_end: f64,
}

impl Describe for ScaledLinear {
    const NAME: &'static str = "scaled_linear";
    const SUMMARY: &'static str = "Square roots evenly spaced";
    const CITATION: &'static str = "Rombach et al. 2022, latent diffusion";
}

impl Schedule for ScaledLinear {
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        let roots = linspace(self.beta_start.sqrt(), self.beta_end.sqrt(), timesteps);
        Ok(roots.map(|root| root * root).collect())
    }

    fn to_scheduler(&self, _timesteps: usize, scheduler: &mut SchedulerConfig) {
        scheduler.beta_schedule = Self::NAME.into();
        (scheduler.beta_start, scheduler.beta_end) = (self.beta_start, self.beta_end);
    }
}

impl FromScheduler for ScaledLinear {
    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
        let SchedulerConfig { beta_start, beta_end, .. } = *scheduler;
        (scheduler.beta_schedule == Self::NAME).then_some(Self { beta_start, beta_end })
    }
}
