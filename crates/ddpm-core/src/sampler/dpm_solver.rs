//! DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): a second-order multistep solver of the diffusion ODE that predicts
//! x_0; one denoiser evaluation a step.
//!
//! As diffusers' `DPMSolverMultistepScheduler` with its defaults: midpoint form, the first and the last step of first
//! order, the last one ending at x_0.

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

/// The DPM-Solver++(2M) sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DpmSolver {
    /// Denoiser evaluations an image takes.
    pub steps: usize,
    /// The timesteps that are visited: with leading and linspace spacing those of one step more, without the last.
    pub spacing: Spacing,
    /// Added to the timesteps of leading spacing.
    pub steps_offset: usize,
    /// The limits of the predicted x_0 at each step.
    pub threshold: Threshold,
}

impl Default for DpmSolver {
    fn default() -> Self {
        Self { steps: 20, spacing: Spacing::Linspace, steps_offset: 0, threshold: Threshold::None }
    }
}

/// alpha_t, sigma_t and lambda_t = ln(alpha_t / sigma_t) of the paper, section 2.
///
/// Timesteps below the bound share one lambda: nothing happens between them, and a step that comes from one of them has no
/// slope of lambda to extrapolate by, and is of first order.
fn coefficients(process: &GaussianDiffusion, t: usize) -> (f64, f64, f64) {
    let abar = process.alpha_cumprod(t).max(LEAST_SIGNAL);
    let (alpha, sigma) = (abar.sqrt(), (1.0 - abar).sqrt());
    (alpha, sigma, alpha.ln() - sigma.ln())
}

impl DpmSolver {
    /// The timesteps that are visited, noisiest first.
    ///
    /// # Errors
    /// [`CoreError::Config`] for a number of steps that does not fit the process.
    pub fn timesteps(&self, process: &GaussianDiffusion) -> Result<Vec<usize>, CoreError> {
        self.spacing.solver_timesteps(process.timesteps(), self.steps, self.steps_offset)
    }

    /// From x at timestep `t` to timestep `next`, given the predictions of x_0 there and at the timestep before.
    fn advance<B: Kernels>(
        process: &GaussianDiffusion,
        x: Tensor<B, 4>,
        (t, next): (usize, usize),
        x_0: &Tensor<B, 4>,
        before: Option<&(usize, Tensor<B, 4>)>,
    ) -> Tensor<B, 4> {
        let (_, sigma, lambda) = coefficients(process, t);
        let (alpha_next, sigma_next, lambda_next) = coefficients(process, next);
        let h = lambda_next - lambda;
        if h == 0.0 {
            return x;
        }
        let since = before.map(|(t_before, x_0)| (lambda - coefficients(process, *t_before).2, x_0));
        let direction = match since.filter(|(h_before, _)| *h_before != 0.0) {
            None => x_0.clone(),
            Some((h_before, x_0_before)) => {
                let r = h_before / h;
                x_0.clone().mul_scalar(1.0 + 0.5 / r) - x_0_before.clone().mul_scalar(0.5 / r)
            }
        };
        x.mul_scalar(sigma_next / sigma) - direction.mul_scalar(alpha_next * (-h).exp_m1())
    }
}

impl Describe for DpmSolver {
    const NAME: &'static str = "dpm_solver";
    const SUMMARY: &'static str = "Few steps, second order from one evaluation a step";
    const CITATION: &'static str = "Lu et al. 2022, arXiv 2211.01095";
    const ALIASES: &'static [&'static str] = &["dpm"];
}

impl SamplerOptions for DpmSolver {
    fn evaluations(&self, _timesteps: usize) -> usize {
        self.steps
    }

    fn check(&self, process: &GaussianDiffusion) -> Result<(), CoreError> {
        self.threshold.check().map_err(|error| error.at("threshold"))?;
        self.timesteps(process).map(|visited| tell_start(process, visited[0]))
    }

    /// As `DPMSolverMultistepScheduler.from_config`, which clips only by dynamic thresholding, with 20 steps unless told
    /// otherwise.
    fn follow(&mut self, scheduler: &SchedulerConfig, steps: Option<usize>, _eta: f64) {
        let threshold = if scheduler.thresholding { scheduler.threshold() } else { Threshold::None };
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

    /// diffusers' solver clips by dynamic thresholding alone: clipping to a fixed range is written and not done there.
    fn to_scheduler(&self, scheduler: &mut SchedulerConfig) {
        scheduler.class = "DPMSolverMultistepScheduler".into();
        (scheduler.timestep_spacing, scheduler.steps_offset) = (self.spacing, self.steps_offset);
        scheduler.set_threshold(self.threshold);
    }

    fn fit_steps(&mut self, timesteps: usize) {
        let visited = |steps| self.spacing.solver_timesteps(timesteps, steps, self.steps_offset);
        self.steps = most_steps(self.steps, timesteps, visited);
    }
}

impl<B: Kernels> Sampler<B> for DpmSolver {
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
        let (total, batch) = (timesteps.len(), x_t.dims()[0]);
        let (mut x, mut before) = (x_t, None);
        for (i, &t) in timesteps.iter().enumerate() {
            let x_0 = process.denoised(denoiser, x.clone(), t, y.clone(), self.threshold);
            x = match timesteps.get(i + 1) {
                Some(&next) => Self::advance(process, x, (t, next), &x_0, before.as_ref()),
                // Where sigma ends at 0, a step of first order ends at the prediction.
                None => x_0.clone(),
            };
            before = Some((t, x_0));
            progress(Progress { done: i + 1, total, batch });
        }
        Ok(x)
    }
}
