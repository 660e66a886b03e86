//! Ancestral sampling (Ho et al. 2020, algorithm 2): every timestep, with noise.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

use super::{NoiseSource, Progress, Sampler};
use crate::{CoreError, Denoiser, GaussianDiffusion, Kernels};

/// x_{t-1} ~ p(x_{t-1} | x_t) for t = T-1 .. 0; at t = 0 the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ancestral {
    /// Whether the predicted x_0 is clipped to [-1, 1] at each step.
    pub clip: bool,
}

impl Default for Ancestral {
    fn default() -> Self {
        Self { clip: true }
    }
}

impl Ancestral {
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
        let p = process.p_mean_variance(denoiser, x_t, t, y, self.clip);
        if t == 0 {
            return p.mean;
        }
        p.mean + noise.noise(t, shape, &device).mul_scalar((0.5 * p.log_variance).exp())
    }
}

impl<B: Kernels> Sampler<B> for Ancestral {
    fn evaluations(&self, process: &GaussianDiffusion) -> usize {
        process.timesteps()
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
        let (total, batch) = (process.timesteps(), x_t.dims()[0]);
        let mut x = x_t;
        for t in (0..total).rev() {
            x = self.step(denoiser, process, x, t, y.clone(), noise);
            progress(Progress { done: total - t, total, batch });
        }
        Ok(x)
    }
}
