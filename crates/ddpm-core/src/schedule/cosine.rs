//! The cosine schedule (Nichol & Dhariwal 2021, equation 17), diffusers' `squaredcos_cap_v2`.

use std::f64::consts::FRAC_PI_2;

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FromScheduler, Schedule};
use crate::{CoreError, diffusers::SchedulerConfig};

/// The paper's offset s, which keeps the first betas from vanishing.
const OFFSET: f64 = 0.008;

/// The paper's bound of the betas, and the only one that diffusers has.
const MAX_BETA: f64 = 0.999;

/// beta_t = 1 - f((t+1)/T) / f(t/T), at most `max_beta`, with f(u) = cos^2((u + s) / (1 + s) pi/2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SquaredcosCapV2 {
    /// The largest beta allowed; the paper's is 0.999.
    #[serde(default = "max_beta")]
    pub max_beta: f64,
}

fn max_beta() -> f64 {
    MAX_BETA
}

impl Default for SquaredcosCapV2 {
    fn default() -> Self {
        Self { max_beta: MAX_BETA }
    }
}

impl Describe for SquaredcosCapV2 {
    const NAME: &'static str = "squaredcos_cap_v2";
    const SUMMARY: &'static str = "alphas_cumprod follows a squared cosine";
    const CITATION: &'static str = "Nichol & Dhariwal 2021, equation 17";
}

impl Schedule for SquaredcosCapV2 {
    fn every_beta(&self, timesteps: usize) -> Result<Vec<f64>, CoreError> {
        let f = |i: usize| {
            let u = i as f64 / timesteps as f64;
            ((u + OFFSET) / (1.0 + OFFSET) * FRAC_PI_2).cos().powi(2)
        };
        Ok((0..timesteps).map(|t| (1.0 - f(t + 1) / f(t)).min(self.max_beta)).collect())
    }

    /// diffusers has no key for another bound: its betas are written one by one.
    fn to_scheduler(&self, timesteps: usize, scheduler: &mut SchedulerConfig) {
        scheduler.beta_schedule = Self::NAME.into();
        if self.max_beta != MAX_BETA {
            scheduler.trained_betas = self.betas(timesteps).ok();
        }
    }
}

impl FromScheduler for SquaredcosCapV2 {
    fn from_scheduler(scheduler: &SchedulerConfig) -> Option<Self> {
        (scheduler.beta_schedule == Self::NAME).then(Self::default)
    }
}
