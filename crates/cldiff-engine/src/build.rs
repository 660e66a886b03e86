//! From a configuration's choices to the objects that they name: the one place where each enum is matched.

use cl_metrics::likelihood::TimestepGrid;
use cl_strategies::{
    AGem, Compose, Cumulative, Der, Ensemble, Ewc, Finetune, Gdumb, Gem, GenerativeDistillation,
    GenerativeReplay, Joint, L2, Lora, Lwf, Mas, Packnet, PartialSamplingDistillation, Replay, Rwalk, Si,
    Strategy, StrategyError, TimestepReplay,
};
use ddpm_core::{TrainBackend, TrainableDenoiser, diffusers::SchedulerConfig, sampler::SamplerConfig};

use crate::{EvaluationConfig, SamplerKind, StrategySpec};

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
pub(crate) fn strategy<B: TrainBackend, D: TrainableDenoiser<B> + 'static>(
    spec: &StrategySpec,
) -> Result<Compose<B, D>, StrategyError> {
    let mut terms: Vec<Box<dyn Strategy<B, D>>> = Vec::new();
    let StrategySpec {
        label: _,
        joint,
        cumulative,
        ensemble,
        finetune,
        gdumb,
        replay,
        timestep_replay,
        generative_replay,
        generative_distillation,
        partial_sampling_distillation,
        lwf,
        der,
        der_plus_plus,
        l2,
        ewc,
        online_ewc,
        si,
        mas,
        rwalk,
        a_gem,
        gem,
        lora,
        packnet,
    } = spec;
    macro_rules! term {
        ($config:ident, $build:expr) => {
            if let Some(config) = $config {
                terms.push(Box::new($build(*config)?));
            }
        };
    }
    if joint.is_some() {
        terms.push(Box::new(Joint));
    }
    if cumulative.is_some() {
        terms.push(Box::new(Cumulative));
    }
    if ensemble.is_some() {
        terms.push(Box::new(Ensemble::<B, D>::default()));
    }
    if finetune.is_some() {
        terms.push(Box::new(Finetune));
    }
    term!(gdumb, Gdumb::<D>::new);
    term!(replay, Replay::new);
    term!(timestep_replay, TimestepReplay::new);
    term!(generative_replay, GenerativeReplay::<B, D>::new);
    term!(generative_distillation, GenerativeDistillation::<B, D>::new);
    term!(partial_sampling_distillation, PartialSamplingDistillation::<B, D>::new);
    term!(lwf, Lwf::<B, D>::new);
    term!(der, Der::<B>::new);
    term!(der_plus_plus, Der::<B>::plus_plus);
    term!(l2, L2::<B::InnerBackend>::new);
    term!(ewc, Ewc::<B::InnerBackend>::new);
    term!(online_ewc, Ewc::<B::InnerBackend>::online);
    term!(si, Si::<B::InnerBackend>::new);
    term!(mas, Mas::<B::InnerBackend>::new);
    term!(rwalk, Rwalk::<B::InnerBackend>::new);
    term!(a_gem, AGem::new);
    term!(gem, Gem::new);
    term!(lora, Lora::<B>::new);
    term!(packnet, Packnet::<B::InnerBackend>::new);
    Ok(Compose::new(terms))
}

/// Denoiser evaluations that one sample takes.
pub(crate) fn sampler_evaluations(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    let passes = evaluation.sampler.evaluations(timesteps);
    if evaluation.guidance.is_some() { 2 * passes } else { passes }
}

/// Timesteps at which each image's losses are evaluated.
pub(crate) fn grid_points(evaluation: &EvaluationConfig, timesteps: usize) -> usize {
    let likelihood = &evaluation.likelihood;
    TimestepGrid::new(timesteps, likelihood.bins, likelihood.points_per_bin)
        .map_or(0, |grid| grid.points().len())
}
