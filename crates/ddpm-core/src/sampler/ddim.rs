//! DDIM (Song, Meng & Ermon 2021, equation 12): few steps, deterministic unless eta > 0.

use burn::tensor::{Int, Tensor};
use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoiseSource, Progress, Sampler, SamplerOptions, tell_start};
use crate::{
    CoreError, Denoiser, GaussianDiffusion, Kernels,
    diffusers::SchedulerConfig,
    diffusion::Threshold,
    schedule::{Spacing, most_steps},
};

/// The DDIM sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ddim {
    /// Denoiser evaluations an image takes.
    pub steps: usize,
    /// 0: deterministic; 1: the variance of ancestral sampling.
    pub eta: f64,
    /// The timesteps that are visited.
    pub spacing: Spacing,
    /// Added to the timesteps of leading spacing.
    pub steps_offset: usize,
    /// The limits of the predicted x_0 at each step (the noise follows it only in diffusers'
    /// `use_clipped_model_output`, which is off there and here).
    pub threshold: Threshold,
    /// The target of the last step: x_0 itself (abar = 1, diffusers' `set_alpha_to_one`), or abar_0.
    pub to_x_0: bool,
}

impl Default for Ddim {
    fn default() -> Self {
        Self {
            steps: 50,
            eta: 0.0,
            spacing: Spacing::Leading,
            steps_offset: 0,
            threshold: Threshold::Clip,
            to_x_0: true,
        }
    }
}

impl Ddim {
    /// The timesteps that are visited, noisiest first.
    ///
    /// # Errors
    /// [`CoreError::Config`] if there are none or more than the process has.
    pub fn timesteps(&self, process: &GaussianDiffusion) -> Result<Vec<usize>, CoreError> {
        self.spacing.timesteps(process.timesteps(), self.steps, self.steps_offset)
    }

    /// One step from timestep `t` to `prev` (none: to x_0).
    ///
    /// # Shapes
    /// - `x_t` and output: `[n, c, h, w]`, `y`: `[n]`
    pub fn step<B: Kernels>(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        (t, prev): (usize, Option<usize>),
        y: Option<Tensor<B, 1, Int>>,
        noise: &dyn NoiseSource<B>,
    ) -> Tensor<B, 4> {
        let (shape, device) = (x_t.dims(), x_t.device());
        let ts = vec![t; shape[0]];
        let output = process.evaluate(denoiser, x_t.clone(), &ts, y);
        let (output, _) = process.split(shape[1], &ts, output);
        let eps = process.predict_eps(x_t.clone(), &ts, output.clone());
        let x_0 = self.threshold.apply(process.predict_x_0(x_t, &ts, output));
        let abar = process.alpha_cumprod(t);
        let abar_prev = match prev {
            Some(prev) => process.alpha_cumprod(prev),
            None if self.to_x_0 => 1.0,
            None => process.alpha_cumprod(0),
        };
        // Equation 16.
        let variance = (1.0 - abar_prev) / (1.0 - abar) * (1.0 - abar / abar_prev);
        let sigma = self.eta * variance.max(0.0).sqrt();
        let towards_x_t = (1.0 - abar_prev - sigma * sigma).max(0.0).sqrt();
        let x = x_0.mul_scalar(abar_prev.sqrt()) + eps.mul_scalar(towards_x_t);
        if sigma > 0.0 { x + noise.noise(t, shape, &device).mul_scalar(sigma) } else { x }
    }
}

impl Describe for Ddim {
    const NAME: &'static str = "ddim";
    const SUMMARY: &'static str = "Few steps, deterministic unless eta > 0";
    const CITATION: &'static str = "Song et al. 2021, arXiv 2010.02502";
}

impl SamplerOptions for Ddim {
    fn evaluations(&self, _timesteps: usize) -> usize {
        self.steps
    }

    fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError> {
        if !(self.eta.is_finite() && self.eta >= 0.0) {
            return Err(CoreError::config("eta", self.eta, "expected 0 or more"));
        }
        self.threshold.check().map_err(|error| error.at("threshold"))?;
        self.timesteps(process).map(|visited| tell_start(process, visited[0]))
    }

    /// As `DDIMScheduler.from_config`, with 50 steps unless told otherwise.
    fn follow(&mut self, scheduler: &SchedulerConfig, steps: Option<usize>, eta: f64) {
        *self = Self {
            steps: steps.unwrap_or(Self::default().steps),
            eta,
            spacing: scheduler.timestep_spacing,
            steps_offset: scheduler.steps_offset,
            threshold: scheduler.threshold(),
            to_x_0: scheduler.set_alpha_to_one,
        };
        if steps.is_none() {
            self.fit_steps(scheduler.num_train_timesteps);
        }
    }

    fn to_scheduler(&self, scheduler: &mut SchedulerConfig) {
        scheduler.class = "DDIMScheduler".into();
        (scheduler.timestep_spacing, scheduler.steps_offset) = (self.spacing, self.steps_offset);
        scheduler.set_alpha_to_one = self.to_x_0;
        scheduler.set_threshold(self.threshold);
    }

    fn fit_steps(&mut self, timesteps: usize) {
        let visited = |steps| self.spacing.timesteps(timesteps, steps, self.steps_offset);
        self.steps = most_steps(self.steps, timesteps, visited);
    }
}

impl<B: Kernels> Sampler<B> for Ddim {
    fn sample(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        noise: &dyn NoiseSource<B>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tensor<B, 4>, CoreError> {
        let timesteps = self.timesteps(process)?;
        let (total, batch) = (timesteps.len(), x_t.dims()[0]);
        let mut x = x_t;
        for (i, &t) in timesteps.iter().enumerate() {
            x = self.step(denoiser, process, x, (t, timesteps.get(i + 1).copied()), y.clone(), noise);
            progress(Progress { done: i + 1, total, batch });
        }
        Ok(x)
    }
}
