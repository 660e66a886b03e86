//! Heun's method for the probability-flow ODE (Karras et al. 2022, algorithm 1 without churn): second order, two
//! denoiser evaluations a step but for the last.
//!
//! As diffusers' `HeunDiscreteScheduler`, but linspace spacing visits whole timesteps.

use burn::tensor::{Int, Tensor};
use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LEAST_SIGNAL, NoiseSource, Progress, Sampler, SamplerOptions, tell_start};
use crate::{
    CoreError, Denoiser, GaussianDiffusion, Kernels,
    diffusers::SchedulerConfig,
    diffusion::Threshold,
    schedule::{Spacing, most_steps},
};

/// The Heun sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Heun {
    /// Timesteps that are visited; an image takes `2 steps - 1` denoiser evaluations.
    pub steps: usize,
    /// The timesteps that are visited.
    pub spacing: Spacing,
    /// Added to the timesteps of leading spacing.
    pub steps_offset: usize,
    /// The limits of the predicted x_0 at each step.
    pub threshold: Threshold,
}

impl Default for Heun {
    fn default() -> Self {
        Self { steps: 20, spacing: Spacing::Linspace, steps_offset: 0, threshold: Threshold::None }
    }
}

/// The noise level sigma_t = sqrt((1 - abar_t) / abar_t) of x_t / sqrt(abar_t), in which the ODE is dx/dsigma = eps;
/// abar_t is at least [`LEAST_SIGNAL`].
fn sigma(process: &GaussianDiffusion, t: usize) -> f64 {
    let abar = process.alpha_cumprod(t).max(LEAST_SIGNAL);
    ((1.0 - abar) / abar).sqrt()
}

impl Heun {
    /// The timesteps that are visited, noisiest first.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a number of steps that does not fit the process.
    pub fn timesteps(&self, process: &GaussianDiffusion) -> Result<Vec<usize>, CoreError> {
        self.spacing.timesteps(process.timesteps(), self.steps, self.steps_offset)
    }

    /// dx/dsigma at timestep `t`, where `x` is the noisy image divided by sqrt(abar_t).
    fn slope<B: Kernels>(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x: &Tensor<B, 4>,
        t: usize,
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let sigma = sigma(process, t);
        let x_t = x.clone().mul_scalar((sigma * sigma + 1.0).sqrt().recip());
        let x_0 = process.denoised(denoiser, x_t, t, y, self.threshold);
        (x.clone() - x_0).div_scalar(sigma)
    }
}

impl Describe for Heun {
    const NAME: &'static str = "heun";
    const SUMMARY: &'static str = "Few steps, second order from two evaluations a step";
    const CITATION: &'static str = "Karras et al. 2022, arXiv 2206.00364";
}

impl SamplerOptions for Heun {
    fn evaluations(&self, _timesteps: usize) -> usize {
        (2 * self.steps).saturating_sub(1)
    }

    fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError> {
        self.threshold.check().map_err(|error| error.at("threshold"))?;
        self.timesteps(process).map(|visited| tell_start(process, visited[0]))
    }

    /// As `HeunDiscreteScheduler.from_config`, with 20 steps unless told otherwise.
    fn follow(&mut self, scheduler: &SchedulerConfig, steps: Option<usize>, _eta: f64) {
        let threshold = if scheduler.clip_sample { scheduler.clip() } else { Threshold::None };
        *self = Self {
            steps: steps.unwrap_or(Self::default().steps),
            spacing: scheduler.timestep_spacing,
            steps_offset: scheduler.steps_offset,
            threshold,
        };
        if steps.is_none() {
            self.fit_steps(scheduler.num_train_timesteps);
        }
    }

    /// diffusers' class has no dynamic thresholding: it is written and not done there.
    fn to_scheduler(&self, scheduler: &mut SchedulerConfig) {
        scheduler.class = "HeunDiscreteScheduler".into();
        (scheduler.timestep_spacing, scheduler.steps_offset) = (self.spacing, self.steps_offset);
        scheduler.set_threshold(self.threshold);
    }

    fn fit_steps(&mut self, timesteps: usize) {
        let visited = |steps| self.spacing.timesteps(timesteps, steps, self.steps_offset);
        self.steps = most_steps(self.steps, timesteps, visited);
    }
}

impl<B: Kernels> Sampler<B> for Heun {
    fn sample(
        &self,
        denoiser: &dyn Denoiser<B>,
        process: &GaussianDiffusion,
        x_t: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        _noise: &dyn NoiseSource<B>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tensor<B, 4>, CoreError> {
        let timesteps = self.timesteps(process)?;
        let (total, batch) = (2 * timesteps.len() - 1, x_t.dims()[0]);
        let first = sigma(process, timesteps[0]);
        let mut x = x_t.mul_scalar((first * first + 1.0).sqrt());
        for (i, &t) in timesteps.iter().enumerate() {
            let here = self.slope(denoiser, process, &x, t, y.clone());
            progress(Progress { done: 2 * i + 1, total, batch });
            x = match timesteps.get(i + 1) {
                None => x - here.mul_scalar(sigma(process, t)),
                Some(&next) => {
                    let step = sigma(process, next) - sigma(process, t);
                    let predicted = x.clone() + here.clone().mul_scalar(step);
                    let there = self.slope(denoiser, process, &predicted, next, y.clone());
                    progress(Progress { done: 2 * i + 2, total, batch });
                    x + (here + there).mul_scalar(0.5 * step)
                }
            };
        }
        Ok(x)
    }
}
