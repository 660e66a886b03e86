//! The choice of a sampler as plain data: the one place where samplers are matched by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ancestral, Ddim, DpmSolver, Heun, Sampler};
use crate::{CoreError, GaussianDiffusion, Kernels};

/// The choice of a sampler, with its options.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerConfig {
    /// Few steps, deterministic unless eta > 0.
    Ddim(Ddim),
    /// Every timestep, or some, with noise.
    Ancestral(Ancestral),
    /// Few steps, second order from one evaluation a step.
    DpmSolver(DpmSolver),
    /// Few steps, second order from two evaluations a step.
    Heun(Heun),
}

impl SamplerConfig {
    /// Makes the sampler.
    pub fn build<B: Kernels>(&self) -> Box<dyn Sampler<B>> {
        match self {
            Self::Ddim(ddim) => Box::new(*ddim),
            Self::Ancestral(ancestral) => Box::new(*ancestral),
            Self::DpmSolver(solver) => Box::new(*solver),
            Self::Heun(heun) => Box::new(*heun),
        }
    }

    /// The key of its options in a configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ddim(_) => "ddim",
            Self::Ancestral(_) => "ancestral",
            Self::DpmSolver(_) => "dpm_solver",
            Self::Heun(_) => "heun",
        }
    }

    /// Denoiser evaluations that one image takes in a process of so many timesteps.
    pub fn evaluations(&self, timesteps: usize) -> usize {
        match self {
            Self::Ddim(ddim) => ddim.steps,
            Self::Ancestral(ancestral) => ancestral.steps.unwrap_or(timesteps),
            Self::DpmSolver(solver) => solver.steps,
            Self::Heun(heun) => (2 * heun.steps).saturating_sub(1),
        }
    }

    /// Whether the options fit the process.
    ///
    /// # Errors
    /// [`CoreError::Config`] for the first that does not.
    pub fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError> {
        match self {
            Self::Ddim(ddim) => ddim.timesteps(process).map(|_| ()),
            Self::Ancestral(ancestral) => ancestral.process(process).map(|_| ()),
            Self::DpmSolver(solver) => solver.timesteps(process).map(|_| ()),
            Self::Heun(heun) => heun.timesteps(process).map(|_| ()),
        }
    }
}
