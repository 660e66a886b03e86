//! DDIM (Song, Meng & Ermon 2021, equation 12): few steps, deterministic unless eta > 0.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::{NoiseSource, Progress, Sampler};
use crate::{CoreError, Denoiser, GaussianDiffusion, Kernels};

/// Which of the T timesteps are visited (diffusers' `timestep_spacing`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// 0, s, 2s, .. with s = floor(T / steps).
    #[default]
    Leading,
    /// T-1, T-1-s, .. with s = T / steps: the noisiest timestep is always visited.
    Trailing,
    /// Evenly spaced from 0 to T-1, both visited.
    Linspace,
}

/// The DDIM sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ddim {
    /// Denoiser evaluations an image takes.
    pub steps: usize,
    /// 0: deterministic; 1: the variance of ancestral sampling.
    pub eta: f64,
    /// Which timesteps are visited.
    pub spacing: Spacing,
    /// Whether the predicted x_0 is clipped to [-1, 1] at each step (the noise follows the clipped x_0 only in
    /// diffusers' `use_clipped_model_output`, which is off there and here).
    pub clip: bool,
    /// What the last step aims at: x_0 itself (abar = 1, diffusers' `set_alpha_to_one`), or abar_0.
    pub to_x_0: bool,
}

impl Default for Ddim {
    fn default() -> Self {
        Self { steps: 50, eta: 0.0, spacing: Spacing::Leading, clip: true, to_x_0: true }
    }
}

impl Ddim {
    /// The timesteps that are visited, noisiest first.
    ///
    /// # Errors
    /// [`CoreError::Config`] if there are none or more than the process has.
    pub fn timesteps(&self, process: &GaussianDiffusion) -> Result<Vec<usize>, CoreError> {
        let (all, steps) = (process.timesteps(), self.steps);
        if steps == 0 || steps > all {
            let expected = format!("expected 1 to {all}, the number of timesteps of the process");
            return Err(CoreError::config("sampler.steps", steps, expected));
        }
        // NumPy's round, which diffusers uses, goes to the even neighbour.
        let round = |x: f64| x.round_ties_even() as usize;
        Ok(match self.spacing {
            Spacing::Leading => (0..steps).rev().map(|i| i * (all / steps)).collect(),
            Spacing::Trailing => {
                let ratio = all as f64 / steps as f64;
                (0..steps).map(|i| round(all as f64 - i as f64 * ratio).max(1) - 1).collect()
            }
            Spacing::Linspace if steps == 1 => vec![0],
            Spacing::Linspace => {
                let gap = (all - 1) as f64 / (steps - 1) as f64;
                (0..steps).rev().map(|i| round(i as f64 * gap)).collect()
            }
        })
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
        let x_0 = process.denoised(denoiser, x_t.clone(), t, y, false);
        let eps = process.eps_between(x_t, &ts, x_0.clone());
        let x_0 = if self.clip { x_0.clamp(-1.0, 1.0) } else { x_0 };
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

impl<B: Kernels> Sampler<B> for Ddim {
    fn evaluations(&self, _process: &GaussianDiffusion) -> usize {
        self.steps
    }

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
