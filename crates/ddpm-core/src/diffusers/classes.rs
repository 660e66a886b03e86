//! The classes of diffusers' schedulers whose process is one of betas over discrete timesteps, one line each.
//!
//! A class that is not here has another process (EDM, variance-exploding, flow matching), or is of a model that was
//! distilled (LCM, TCD, consistency models): a file of it is refused, never read as if it were DDPM's.

use super::SchedulerConfig;
use crate::schedule::Spacing;

/// A class of diffusers' schedulers.
pub(super) struct Class {
    /// Its name there.
    pub(super) name: &'static str,
    /// Where its defaults are not `DDPMScheduler`'s.
    defaults: fn(&mut SchedulerConfig),
    /// The pipeline that draws with it. `DDPMPipeline` uses a scheduler as it is, and does not scale what the model sees,
    /// as some classes need; `DDIMPipeline` makes a `DDIMScheduler` of any.
    pub(super) pipeline: &'static str,
}

const DDPM: &str = "DDPMPipeline";
const DDIM: &str = "DDIMPipeline";

/// The class of a process that nothing more is said of.
pub(super) const PLAIN: &str = "DDPMScheduler";

pub(super) const CLASSES: [Class; 17] = [
    Class { name: PLAIN, defaults: |_| {}, pipeline: DDPM },
    Class { name: "DDPMParallelScheduler", defaults: |_| {}, pipeline: DDPM },
    Class { name: "DDIMScheduler", defaults: |_| {}, pipeline: DDIM },
    Class { name: "DDIMParallelScheduler", defaults: |_| {}, pipeline: DDIM },
    Class { name: "PNDMScheduler", defaults: |config| config.set_alpha_to_one = false, pipeline: DDIM },
    Class { name: "DPMSolverMultistepScheduler", defaults: solver, pipeline: DDPM },
    Class { name: "DPMSolverSinglestepScheduler", defaults: solver, pipeline: DDPM },
    Class { name: "DPMSolverSDEScheduler", defaults: of_stable_diffusion, pipeline: DDIM },
    Class { name: "DEISMultistepScheduler", defaults: linspace, pipeline: DDIM },
    Class { name: "UniPCMultistepScheduler", defaults: linspace, pipeline: DDIM },
    Class { name: "SASolverScheduler", defaults: solver, pipeline: DDIM },
    Class { name: "EulerDiscreteScheduler", defaults: linspace, pipeline: DDIM },
    Class { name: "EulerAncestralDiscreteScheduler", defaults: linspace, pipeline: DDIM },
    Class { name: "HeunDiscreteScheduler", defaults: unclipped, pipeline: DDIM },
    Class { name: "KDPM2DiscreteScheduler", defaults: of_stable_diffusion, pipeline: DDIM },
    Class { name: "KDPM2AncestralDiscreteScheduler", defaults: of_stable_diffusion, pipeline: DDIM },
    Class { name: "LMSDiscreteScheduler", defaults: linspace, pipeline: DDIM },
];

fn linspace(config: &mut SchedulerConfig) {
    config.timestep_spacing = Spacing::Linspace;
}

fn solver(config: &mut SchedulerConfig) {
    linspace(config);
    config.variance_type = None;
}

fn of_stable_diffusion(config: &mut SchedulerConfig) {
    linspace(config);
    (config.beta_start, config.beta_end) = (0.00085, 0.012);
}

fn unclipped(config: &mut SchedulerConfig) {
    of_stable_diffusion(config);
    config.clip_sample = false;
}

impl Class {
    /// The class of a name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        CLASSES.iter().find(|class| class.name == name)
    }

    /// A configuration of the class in which no key is given.
    pub(super) fn default_config(&self) -> SchedulerConfig {
        let mut config = SchedulerConfig::default();
        self.name.clone_into(&mut config.class);
        (self.defaults)(&mut config);
        config
    }
}

/// Keys of these classes that change nothing of the process, and nothing of how samples are drawn here.
pub(super) const OF_OTHERS: [&str; 29] = [
    "skip_prk_steps",
    "solver_order",
    "solver_type",
    "algorithm_type",
    "lower_order_final",
    "euler_at_final",
    "final_sigmas_type",
    "lambda_min_clipped",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
    "flow_shift",
    "use_dynamic_shifting",
    "time_shift_type",
    "interpolation_type",
    "sigma_min",
    "sigma_max",
    "timestep_type",
    "noise_sampler_seed",
    "predictor_order",
    "corrector_order",
    "predict_x0",
    "disable_corrector",
    "solver_p",
    "tau_func",
    "shift_terminal",
    "sigma_data",
];
