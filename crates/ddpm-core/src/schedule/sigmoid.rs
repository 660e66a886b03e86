//! The sigmoid schedule of GeoDiff (Xu et al. 2022), as in diffusers.

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromScheduler, Schedule, linspace};
use crate::{CoreError, diffusers::SchedulerConfig};

/// Betas on a sigmoid between two values, over the logits -6 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// Lower asymptote.
    pub beta_start: f64,
    /// Upper asymptote.
    pub beta_end: f64,
}

impl Describe for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const SUMMARY: &'static str = "Betas on a sigmoid between two values";
    const CITATION: &'static str = "Xu et al. 2022, GeoDiff";
}

impl Schedule for Sigmoid {
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        let (start, end) = (self.beta_start, self.beta_end);
        Ok(linspace(-6.0, 6.0, timesteps).map(|x| (end - start) / (1.0 + (-x).exp()) + start).collect())
    }

    /// diffusers' sigmoid keeps its range as well.
    fn to_scheduler(&self, _timesteps: usize, scheduler: &mut SchedulerConfig) {
        scheduler.beta_schedule = Self::NAME.into();
        (scheduler.beta_start, scheduler.beta_end) = (self.beta_start, self.beta_end);
    }
}

impl FromScheduler for Sigmoid {
    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
        let SchedulerConfig { beta_start, beta_end, .. } = *scheduler;
        (scheduler.beta_schedule == Self::NAME).then_some(Self { beta_start, beta_end })
    }
}
