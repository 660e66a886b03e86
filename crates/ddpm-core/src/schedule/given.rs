//! Betas given one by one (diffusers' `trained_betas`).

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromScheduler, Schedule};
use crate::{CoreError, diffusers::SchedulerConfig};

/// Betas given one by one, beta_0 first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Given(pub Vec<f64>);

impl Describe for Given {
    const NAME: &'static str = "given";
    const SUMMARY: &'static str = "Given one by one (diffusers' `trained_betas`)";
}

impl Schedule for Given {
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        if self.0.len() == timesteps {
            return Ok(self.0.clone());
        }
        let expected = format!("expected {timesteps}, the number of timesteps");
        Err(CoreError::config("schedule", format_args!("a list of {} betas", self.0.len()), expected))
    }

    fn is_checked(&self) -> bool {
        false
    }

    fn to_scheduler(&self, _timesteps: usize, scheduler: &mut SchedulerConfig) {
        scheduler.trained_betas = Some(self.0.clone());
    }
}

impl FromScheduler for Given {
    const IS_NAMED: bool = false;

    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
        scheduler.trained_betas.clone().map(Self)
    }
}
