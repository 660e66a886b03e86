//! From a configuration's choices to the objects that they name: the one place where each enum is matched.

use cl_metrics::likelihood::TimestepGrid;
use cl_strategies::{Compose, Finetune, Joint, Replay, Strategy, StrategyError};
use ddpm_core::{GaussianDiffusion, Kernels, TrainBackend, TrainableDenoiser, sampler::Sampler};

use crate::{EvaluationConfig, SamplerConfig, StrategySpec};

/// The sampler of a configuration.
pub(crate) fn sampler<B: Kernels>(config: &SamplerConfig) -> Box<dyn Sampler<B>> {
    match config {
        SamplerConfig::Ddim(ddim) => Box::new(*ddim),
        SamplerConfig::Ancestral(ancestral) => Box::new(*ancestral),
    }
}

/// The composition of a strategy's terms.
///
/// # Errors
/// [`StrategyError::Config`] for options out of range.
pub(crate) fn strategy<B: TrainBackend, D: TrainableDenoiser<B>>(
    spec: &StrategySpec,
) -> Result<Compose<B, D>, StrategyError> {
    let mut terms: Vec<Box<dyn Strategy<B, D>>> = Vec::new();
    if spec.joint.is_some() {
        terms.push(Box::new(Joint));
    }
    if spec.finetune.is_some() {
        terms.push(Box::new(Finetune));
    }
    if let Some(config) = spec.replay {
        terms.push(Box::new(Replay::new(config)?));
    }
    Ok(Compose::new(terms))
}

/// Denoiser evaluations that one sample takes.
pub(crate) fn sampler_evaluations(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    match evaluation.sampler {
        SamplerConfig::Ddim(ddim) => ddim.steps,
        SamplerConfig::Ancestral(_) => timesteps,
    }
}

/// Timesteps at which each image's losses are evaluated.
pub(crate) fn grid_points(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    let likelihood = &evaluation.likelihood;
    TimestepGrid::new(timesteps, likelihood.bins, likelihood.points_per_bin)
        .map_or(0, |grid| grid.points().len())
}

/// Whether a sampler's options fit the process.
pub(crate) fn check_sampler(
    config: &SamplerConfig,
    process: &GaussianDiffusion,
) -> Result<(), ddpm_core::CoreError> {
    match config {
        SamplerConfig::Ddim(ddim) => ddim.timesteps(process).map(|_| ()),
        SamplerConfig::Ancestral(_) => Ok(()),
    }
}
