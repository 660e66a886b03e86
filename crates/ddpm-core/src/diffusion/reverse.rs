//! The reverse process: what a denoiser's output at x_t says of x_0 and of x_{t-1}.

use burn::tensor::{Int, Tensor};

use super::{GaussianDiffusion, Threshold, Variance, per_sample};
use crate::{Denoiser, Kernels, noise::indices};

/// The log-variance of p(x_{t-1} | x_t).
#[derive(Debug, Clone)]
pub enum LogVariance<B: Kernels> {
    /// One number for each sample.
    Fixed(Vec<f64>),
    /// One for every dimension, `[n, c, h, w]`.
    Learned(Tensor<B, 4>),
}

impl<B: Kernels> LogVariance<B> {
    /// As a tensor that multiplies with `[n, c, h, w]`.
    ///
    /// # Shapes
    /// - output: `[n, 1, 1, 1]` or `[n, c, h, w]`
    pub fn tensor(&self, device: &B::Device) -> Tensor<B, 4> {
        match self {
            Self::Fixed(values) => super::column(values.iter().copied(), device),
            Self::Learned(values) => values.clone(),
        }
    }
}

/// The meaning of a denoiser's output at x_t.
#[derive(Debug, Clone)]
pub struct Denoised<B: Kernels> {
    /// The prediction of x_0, `[n, c, h, w]`.
    pub x_0: Tensor<B, 4>,
    /// The log-variance of p(x_{t-1} | x_t).
    pub log_variance: LogVariance<B>,
}

/// The reverse process's Gaussian p(x_{t-1} | x_t).
#[derive(Debug, Clone)]
pub struct PMeanVariance<B: Kernels> {
    /// Its mean, `[n, c, h, w]`.
    pub mean: Tensor<B, 4>,
    /// The log of its variance.
    pub log_variance: LogVariance<B>,
    /// The prediction of x_0 that it follows from, `[n, c, h, w]`.
    pub x_0: Tensor<B, 4>,
}

impl GaussianDiffusion {
    /// Calls a denoiser with the timesteps that it was trained on.
    ///
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: n timesteps, `y`: `[n]`
    /// - output: `[n, c, h, w]`, or `[n, 2 c, h, w]` with a learned variance
    pub fn evaluate<B: Kernels>(
        &self,
        denoiser: &(impl Denoiser<B> + ?Sized),
        x_t: Tensor<B, 4>,
        t: &[usize],
        y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let t: Vec<usize> = t.iter().map(|&t| self.model_timestep(t)).collect();
        let t = indices(&t, &x_t.device());
        denoiser.denoise(x_t, t, y)
    }

    /// Reads a denoiser's output at x_t: x_0 and the log-variance.
    ///
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: n timesteps, `output`: that of [`evaluate`](Self::evaluate)
    ///
    /// # Panics
    /// If `output` has not the channels that [`Variance`] calls for.
    pub fn interpret<B: Kernels>(&self, x_t: Tensor<B, 4>, t: &[usize], output: Tensor<B, 4>) -> Denoised<B> {
        let (prediction, log_variance) = self.split(x_t.dims()[1], t, output);
        Denoised { x_0: self.predict_x_0(x_t, t, prediction), log_variance }
    }

    /// A denoiser's output as its prediction and its log-variance, for images of `c` channels.
    ///
    /// # Shapes
    /// - `output`: `[n, c, h, w]`, or `[n, 2 c, h, w]` with a learned variance; prediction: `[n, c, h, w]`
    ///
    /// # Panics
    /// If `output` has other channels.
    pub fn split<B: Kernels>(
        &self,
        c: usize,
        t: &[usize],
        output: Tensor<B, 4>,
    ) -> (Tensor<B, 4>, LogVariance<B>) {
        let found = output.dims()[1];
        if self.variance != Variance::LearnedRange {
            assert_eq!(found, c, "the denoiser gave {found} channels for images of {c}");
            return (output, LogVariance::Fixed(t.iter().map(|&t| self.model_log_variance(t)).collect()));
        }
        assert_eq!(found, 2 * c, "with a learned variance the denoiser must give {} channels", 2 * c);
        let device = output.device();
        // Nichol & Dhariwal 2021, equation 15, with the share scaled from [-1, 1] as in improved-diffusion.
        let share = (output.clone().narrow(1, c, c) + 1.0) * 0.5;
        let low = per_sample(t, &device, |t| self.posterior_log_variance_clipped(t));
        let range = per_sample(t, &device, |t| self.beta(t).ln() - self.posterior_log_variance_clipped(t));
        (output.narrow(1, 0, c), LogVariance::Learned(share * range + low))
    }

    /// The denoiser's prediction of x_0 at one timestep for all samples.
    ///
    /// # Shapes
    /// - `x_t` and output: `[n, c, h, w]`, `y`: `[n]`
    pub fn denoised<B: Kernels>(
        &self,
        denoiser: &dyn Denoiser<B>,
        x_t: Tensor<B, 4>,
        t: usize,
        y: Option<Tensor<B, 1, Int>>,
        threshold: Threshold,
    ) -> Tensor<B, 4> {
        let ts = vec![t; x_t.dims()[0]];
        let output = self.evaluate(denoiser, x_t.clone(), &ts, y);
        threshold.apply(self.interpret(x_t, &ts, output).x_0)
    }

    /// The mean of q(x_{t-1} | x_t, x_0), equation 7 of Ho et al.
    ///
    /// # Shapes
    /// - `x_0`, `x_t` and output: `[n, c, h, w]`, `t`: n timesteps
    pub fn posterior_mean<B: Kernels>(
        &self,
        x_0: Tensor<B, 4>,
        x_t: Tensor<B, 4>,
        t: &[usize],
    ) -> Tensor<B, 4> {
        let device = x_t.device();
        let of_x_0 = per_sample(t, &device, |t| self.posterior_mean_coefs(t).0);
        let of_x_t = per_sample(t, &device, |t| self.posterior_mean_coefs(t).1);
        x_0 * of_x_0 + x_t * of_x_t
    }

    /// The mean and variance of p(x_{t-1} | x_t), at one timestep for all samples.
    ///
    /// # Shapes
    /// As [`denoised`](Self::denoised).
    pub fn p_mean_variance<B: Kernels>(
        &self,
        denoiser: &dyn Denoiser<B>,
        x_t: Tensor<B, 4>,
        t: usize,
        y: Option<Tensor<B, 1, Int>>,
        threshold: Threshold,
    ) -> PMeanVariance<B> {
        let ts = vec![t; x_t.dims()[0]];
        let output = self.evaluate(denoiser, x_t.clone(), &ts, y);
        let Denoised { x_0, log_variance } = self.interpret(x_t.clone(), &ts, output);
        let x_0 = threshold.apply(x_0);
        PMeanVariance { mean: self.posterior_mean(x_0.clone(), x_t, &ts), log_variance, x_0 }
    }
}
