//! The linear schedule of Ho et al. 2020.

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromScheduler, Schedule, linspace};
use crate::{CoreError, diffusers::SchedulerConfig};

/// Betas evenly spaced between two values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// beta_0
    pub beta_start: f64,
    /// beta_{T-1}
    pub beta_end: f64,
}

impl Describe for Linear {
    const NAME: &'static str = "linear";
    const SUMMARY: &'static str = "Evenly spaced between two values";
    const CITATION: &'static str = "Ho et al. 2020";
}

impl Schedule for Linear {
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        Ok(linspace(self.beta_start, self.beta_end, timesteps).collect())
    }

    fn to_scheduler(&self, _timesteps: usize, scheduler: &mut SchedulerConfig) {
        scheduler.beta_schedule = Self::NAME.into();
        (scheduler.beta_start, scheduler.beta_end) = (self.beta_start, self.beta_end);
    }
}

impl FromScheduler for Linear {
    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
        let SchedulerConfig { beta_start, beta_end, .. } = *scheduler;
        (scheduler.beta_schedule == Self::NAME).then_some(Self { beta_start, beta_end })
    }
}
