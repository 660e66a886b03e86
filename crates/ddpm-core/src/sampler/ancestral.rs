//! Ancestral sampling (Ho et al. 2020, algorithm 2): every timestep, or every one of a respaced process (Nichol &
//! Dhariwal 2021, section 4), with noise.

use burn::tensor::{Int, Tensor};
use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoiseSource, Progress, Sampler, SamplerOptions, tell_start};
use crate::{
    CoreError, Denoiser, GaussianDiffusion, Kernels,
    diffusers::SchedulerConfig,
    diffusion::Threshold,
    schedule::{Spacing, check_offset},
};

/// x_{t-1} ~ p(x_{t-1} | x_t) for t = T-1 .. 0; at t = 0 the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ancestral {
    /// How many timesteps are visited; all if absent.
    pub steps: Option<usize>,
    /// The timesteps that are visited, if not all.
    pub spacing: Spacing,
    /// Added to the timesteps of leading spacing.
    pub steps_offset: usize,
    /// The limits of the predicted x_0 at each step.
    pub threshold: Threshold,
}

impl Ancestral {
    /// The process that is sampled from: the given one, or its respacing.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a number of steps, or an offset, that does not fit the process.
    pub fn process(&self, process: &GaussianDiffusion) -> Result<GaussianDiffusion, CoreError> {
        check_offset(self.steps_offset, process.timesteps())?;
        let Some(steps) = self.steps else { return Ok(process.clone()) };
        let mut timesteps = self.spacing.timesteps(process.timesteps(), steps, self.steps_offset)?;
        timesteps.reverse();
        process.respaced(&timesteps)
    }

    /// One step: x_{t-1} from x_t.
    ///
    /// # Shapes
    /// - `x_t` and output: `[n, c, h, w]`, `y`: `[n]`
    pub fn step<B: Kernels>(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        t: usize,
        y: Option<Tensor<B, 1, Int>>,
        noise: &dyn NoiseSource<B>,
    ) -> Tensor<B, 4> {
        let (shape, device) = (x_t.dims(), x_t.device());
        let p = process.p_mean_variance(denoiser, x_t, t, y, self.threshold);
        if t == 0 {
            return p.mean;
        }
        let std = p.log_variance.tensor(&device).mul_scalar(0.5).exp();
        p.mean + noise.noise(process.model_timestep(t), shape, &device) * std
    }
}

impl Describe for Ancestral {
    const NAME: &'static str = "ancestral";
    const SUMMARY: &'static str = "Every timestep, or some, with noise";
    const CITATION: &'static str = "Ho et al. 2020, arXiv 2006.11239";
    const ALIASES: &'static [&'static str] = &["ddpm"];
}

impl SamplerOptions for Ancestral {
    fn evaluations(&self, timesteps: usize) -> usize {
        self.steps.unwrap_or(timesteps)
    }

    fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError> {
        self.threshold.check().map_err(|error| error.at("threshold"))?;
        let visited = self.process(process)?;
        tell_start(process, visited.model_timestep(visited.timesteps() - 1));
        Ok(())
    }

    /// As `DDPMScheduler`, with all timesteps unless told otherwise.
    fn follow(&mut self, scheduler: &SchedulerConfig, steps: Option<usize>, _eta: f64) {
        let (spacing, steps_offset) = (scheduler.timestep_spacing, scheduler.steps_offset);
        *self = Self { steps, spacing, steps_offset, threshold: scheduler.threshold() };
    }

    fn to_scheduler(&self, scheduler: &mut SchedulerConfig) {
        scheduler.class = "DDPMScheduler".into();
        (scheduler.timestep_spacing, scheduler.steps_offset) = (self.spacing, self.steps_offset);
        scheduler.set_threshold(self.threshold);
    }
}

impl<B: Kernels> Sampler<B> for Ancestral {
    fn sample(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        noise: &dyn NoiseSource<B>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tensor<B, 4>, CoreError> {
        let process = self.process(process)?;
        let (total, batch) = (process.timesteps(), x_t.dims()[0]);
        let mut x = x_t;
        for t in (0..total).rev() {
            x = self.step(denoiser, &process, x, t, y.clone(), noise);
            progress(Progress { done: total - t, total, batch });
        }
        Ok(x)
    }
}
