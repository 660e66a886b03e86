//! From a configuration's choices to the objects that they name: the one place where each enum is matched.

use cl_metrics::likelihood::TimestepGrid;
use cl_strategies::{Compose, Finetune, Joint, Replay, Strategy, StrategyError};
use ddpm_core::{
    GaussianDiffusion, Kernels, TrainBackend, TrainableDenoiser, diffusers::SchedulerConfig, sampler::Sampler,
};

use crate::{EvaluationConfig, SamplerConfig, SamplerKind, StrategySpec};

/// The sampler of a configuration.
pub(crate) fn sampler<B: Kernels>(config: &SamplerConfig) -> Box<dyn Sampler<B>> {
    match config {
        SamplerConfig::Ddim(ddim) => Box::new(*ddim),
        SamplerConfig::Ancestral(ancestral) => Box::new(*ancestral),
        SamplerConfig::DpmSolver(solver) => Box::new(*solver),
        SamplerConfig::Heun(heun) => Box::new(*heun),
    }
}

/// The key of a sampler's options.
pub(crate) fn sampler_name(config: &SamplerConfig) -> &'static str {
    match config {
        SamplerConfig::Ddim(_) => "ddim",
        SamplerConfig::Ancestral(_) => "ancestral",
        SamplerConfig::DpmSolver(_) => "dpm_solver",
        SamplerConfig::Heun(_) => "heun",
    }
}

/// The sampler that diffusers' scheduler of the kind would be for a pretrained model.
pub(crate) fn pretrained_sampler(
    kind: SamplerKind,
    steps: Option<usize>,
    eta: f64,
    scheduler: &SchedulerConfig,
) -> SamplerConfig {
    match kind {
        SamplerKind::Ddim => SamplerConfig::Ddim(scheduler.ddim(steps.unwrap_or(50), eta)),
        SamplerKind::Ancestral => SamplerConfig::Ancestral(scheduler.ancestral(steps)),
        SamplerKind::DpmSolver => SamplerConfig::DpmSolver(scheduler.dpm_solver(steps.unwrap_or(20))),
        SamplerKind::Heun => SamplerConfig::Heun(scheduler.heun(steps.unwrap_or(20))),
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
    let passes = match evaluation.sampler {
        SamplerConfig::Ddim(ddim) => ddim.steps,
        SamplerConfig::Ancestral(ancestral) => ancestral.steps.unwrap_or(timesteps),
        SamplerConfig::DpmSolver(solver) => solver.steps,
        SamplerConfig::Heun(heun) => (2 * heun.steps).saturating_sub(1),
    };
    if evaluation.guidance.is_some() { 2 * passes } else { passes }
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
        SamplerConfig::Ancestral(ancestral) => ancestral.process(process).map(|_| ()),
        SamplerConfig::DpmSolver(solver) => solver.timesteps(process).map(|_| ()),
        SamplerConfig::Heun(heun) => heun.timesteps(process).map(|_| ()),
    }
}
