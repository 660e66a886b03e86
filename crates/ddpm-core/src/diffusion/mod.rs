//! The Gaussian diffusion process (Ho et al. 2020): everything that follows from the betas, in f64.
//!
//! Timesteps are 0-based: x_t is `t + 1` steps away from the image x_0. Coefficients stay on the host and enter a
//! tensor computation as one number a sample.

mod config;
mod reverse;
mod threshold;

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    config::ProcessConfig,
    reverse::{Denoised, LogVariance, PMeanVariance},
    threshold::Threshold,
};
use crate::{CoreError, Kernels, schedule::BetaSchedule};

/// The meaning of a denoiser's output (diffusers' `prediction_type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise (Ho et al. 2020).
    #[default]
    Epsilon,
    /// The image.
    Sample,
    /// The velocity sqrt(abar_t) eps - sqrt(1 - abar_t) x_0 (Salimans & Ho 2022).
    VPrediction,
}

/// The variance of p(x_{t-1} | x_t) (diffusers' `variance_type`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// That of the posterior q(x_{t-1} | x_t, x_0).
    #[default]
    FixedSmall,
    /// beta_t; at t = 0, where the VLB needs a density, the posterior's value at t = 1.
    FixedLarge,
    /// Between the two, in every dimension as the model's further channels say (Nichol & Dhariwal 2021, equation
    /// 15): it has twice the channels of the images.
    LearnedRange,
}

/// A diffusion process over `T` timesteps.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianDiffusion {
    /// The meaning of the denoiser's output.
    pub prediction: Prediction,
    /// The variance of the reverse process.
    pub variance: Variance,
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
    /// The timesteps under which the model knows those of a respaced process.
    model_timesteps: Option<Vec<usize>>,
}

impl GaussianDiffusion {
    /// The process of a schedule with `timesteps` steps; predicts epsilon with the small fixed variance.
    ///
    /// # Errors
    /// [`CoreError::Config`] for parameters that give a beta outside (0, 1).
    pub fn new(schedule: &BetaSchedule, timesteps: usize) -> Result<Self, CoreError> {
        Self::from_betas(schedule.betas(timesteps)?)
    }

    /// The process of given betas.
    ///
    /// # Errors
    /// [`CoreError::Config`] for fewer than 2 betas, or one outside (0, 1), of which the last may be 1; for a first beta
    /// that is lost beside 1, and for betas that leave no signal before the last timestep.
    pub fn from_betas(betas: Vec<f64>) -> Result<Self, CoreError> {
        let last = betas.len().saturating_sub(1);
        if betas.len() < 2 {
            return Err(CoreError::config("timesteps", betas.len(), "expected at least 2"));
        }
        let fine = |(t, beta): (usize, &f64)| *beta > 0.0 && (*beta < 1.0 || (t == last && *beta == 1.0));
        if let Some((t, beta)) = betas.iter().enumerate().find(|&beta| !fine(beta)) {
            let expected = format!("beta_{t} must lie between 0 and 1");
            return Err(CoreError::config("schedule", beta, expected));
        }
        let alphas_cumprod: Vec<f64> = betas
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        if alphas_cumprod[0] == 1.0 {
            return Err(CoreError::config("schedule", betas[0], "beta_0 adds no noise at all"));
        }
        if let Some(t) = alphas_cumprod[..last].iter().position(|abar| *abar == 0.0) {
            let expected =
                format!("the betas leave no signal from timestep {t} on: expected smaller or fewer");
            return Err(CoreError::config("schedule", betas[t], expected));
        }
        Ok(Self {
            prediction: Prediction::default(),
            variance: Variance::default(),
            betas,
            alphas_cumprod,
            model_timesteps: None,
        })
    }

    /// The process that visits only some of the timesteps, given in rising order: the same alphas_cumprod there, and the
    /// betas that lead from one to the next (improved-diffusion's `SpacedDiffusion`). The model is still asked at the
    /// timesteps that it was trained on.
    ///
    /// # Errors
    /// [`CoreError::Config`] for fewer than 2 timesteps, one that is not there, or any that do not rise.
    pub fn respaced(&self, timesteps: &[usize]) -> Result<Self, CoreError> {
        let rising = timesteps.windows(2).all(|w| w[0] < w[1]);
        if !rising || timesteps.last().is_some_and(|&t| t >= self.timesteps()) {
            let expected = format!("expected rising timesteps below {}", self.timesteps());
            return Err(CoreError::config("timesteps", timesteps, expected));
        }
        let betas = timesteps.iter().scan(1.0, |previous, &t| {
            let beta = 1.0 - self.alphas_cumprod[t] / *previous;
            *previous = self.alphas_cumprod[t];
            Some(beta)
        });
        let mut process = Self::from_betas(betas.collect())?;
        // Not their products again: the same numbers, to the last bit.
        process.alphas_cumprod = timesteps.iter().map(|&t| self.alphas_cumprod[t]).collect();
        process.model_timesteps = Some(timesteps.iter().map(|&t| self.model_timestep(t)).collect());
        Ok(Self { prediction: self.prediction, variance: self.variance, ..process })
    }

    /// The timestep at which a model is asked for timestep `t`: another one only in a [`respaced`](Self::respaced)
    /// process.
    pub fn model_timestep(&self, t: usize) -> usize {
        self.model_timesteps.as_ref().map_or(t, |timesteps| timesteps[t])
    }

    /// The number of timesteps, T.
    pub fn timesteps(&self) -> usize {
        self.betas.len()
    }

    /// beta_t
    pub fn beta(&self, t: usize) -> f64 {
        self.betas[t]
    }

    /// alpha_t = 1 - beta_t
    pub fn alpha(&self, t: usize) -> f64 {
        1.0 - self.betas[t]
    }

    /// abar_t, the product of alpha_s over s <= t
    pub fn alpha_cumprod(&self, t: usize) -> f64 {
        self.alphas_cumprod[t]
    }

    /// abar_{t-1}, which is 1 for t = 0
    pub fn alpha_cumprod_prev(&self, t: usize) -> f64 {
        if t == 0 { 1.0 } else { self.alphas_cumprod[t - 1] }
    }

    /// The signal-to-noise ratio abar_t / (1 - abar_t).
    pub fn snr(&self, t: usize) -> f64 {
        self.alphas_cumprod[t] / (1.0 - self.alphas_cumprod[t])
    }

    /// Whether x_t says anything of x_0: false at the last timestep of a process with zero terminal signal-to-noise ratio,
    /// where nothing may be divided by abar_t. Below the smallest normal f32, about 1e-38, nothing counts as signal either:
    /// f32 cannot hold the square of an x_0 that is computed from eps there.
    pub fn has_signal(&self, t: usize) -> bool {
        self.alphas_cumprod[t] >= f64::from(f32::MIN_POSITIVE)
    }

    /// The variance of q(x_{t-1} | x_t, x_0), equation 7 of Ho et al.; 0 for t = 0.
    pub fn posterior_variance(&self, t: usize) -> f64 {
        self.betas[t] * (1.0 - self.alpha_cumprod_prev(t)) / (1.0 - self.alphas_cumprod[t])
    }

    /// The log of the posterior variance; at t = 0, where that is 0, its value at t = 1.
    pub fn posterior_log_variance_clipped(&self, t: usize) -> f64 {
        self.posterior_variance(t.max(1)).ln()
    }

    /// The factors of x_0 and of x_t in the mean of q(x_{t-1} | x_t, x_0), equation 7 of Ho et al.
    pub fn posterior_mean_coefs(&self, t: usize) -> (f64, f64) {
        let (abar, abar_prev) = (self.alphas_cumprod[t], self.alpha_cumprod_prev(t));
        let of_x_0 = self.betas[t] * abar_prev.sqrt() / (1.0 - abar);
        let of_x_t = (1.0 - abar_prev) * self.alpha(t).sqrt() / (1.0 - abar);
        (of_x_0, of_x_t)
    }

    /// The log of the variance of p(x_{t-1} | x_t), where it is fixed; the smaller end of a learned range.
    pub fn model_log_variance(&self, t: usize) -> f64 {
        match self.variance {
            Variance::FixedSmall | Variance::LearnedRange => self.posterior_log_variance_clipped(t),
            Variance::FixedLarge if t == 0 => self.posterior_log_variance_clipped(0),
            Variance::FixedLarge => self.betas[t].ln(),
        }
    }

    /// x_t ~ q(x_t | x_0) for the noise `eps`: sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps.
    ///
    /// # Shapes
    /// - `x_0`, `eps` and output: `[n, c, h, w]`, `t`: n timesteps
    pub fn q_sample<B: Kernels>(&self, x_0: Tensor<B, 4>, t: &[usize], eps: Tensor<B, 4>) -> Tensor<B, 4> {
        let device = x_0.device();
        let signal = per_sample(t, &device, |t| self.alphas_cumprod[t].sqrt());
        let noise = per_sample(t, &device, |t| (1.0 - self.alphas_cumprod[t]).sqrt());
        x_0 * signal + eps * noise
    }

    /// The target of the denoiser for x_0 and the noise `eps`.
    ///
    /// # Shapes
    /// As [`q_sample`](Self::q_sample).
    pub fn target<B: Kernels>(&self, x_0: Tensor<B, 4>, t: &[usize], eps: Tensor<B, 4>) -> Tensor<B, 4> {
        let device = x_0.device();
        match self.prediction {
            Prediction::Epsilon => eps,
            Prediction::Sample => x_0,
            Prediction::VPrediction => {
                let of_eps = per_sample(t, &device, |t| self.alphas_cumprod[t].sqrt());
                let of_x_0 = per_sample(t, &device, |t| (1.0 - self.alphas_cumprod[t]).sqrt());
                eps * of_eps - x_0 * of_x_0
            }
        }
    }

    /// The x_0 that a denoiser's `output` at x_t means.
    ///
    /// # Shapes
    /// - `x_t`, `output` and the result: `[n, c, h, w]`, `t`: n timesteps
    pub fn predict_x_0<B: Kernels>(
        &self,
        x_t: Tensor<B, 4>,
        t: &[usize],
        output: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let device = x_t.device();
        let abar = |t: usize| self.alphas_cumprod[t];
        match self.prediction {
            Prediction::Epsilon => {
                let of_x_t = per_sample(t, &device, |t| (1.0 / abar(t)).sqrt());
                let of_eps = per_sample(t, &device, |t| (1.0 / abar(t) - 1.0).sqrt());
                x_t * of_x_t - output * of_eps
            }
            Prediction::Sample => output,
            Prediction::VPrediction => {
                let of_x_t = per_sample(t, &device, |t| abar(t).sqrt());
                let of_v = per_sample(t, &device, |t| (1.0 - abar(t)).sqrt());
                x_t * of_x_t - output * of_v
            }
        }
    }

    /// The noise that a denoiser's `output` at x_t means.
    ///
    /// # Shapes
    /// As [`predict_x_0`](Self::predict_x_0).
    pub fn predict_eps<B: Kernels>(
        &self,
        x_t: Tensor<B, 4>,
        t: &[usize],
        output: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let device = x_t.device();
        match self.prediction {
            Prediction::Epsilon => output,
            Prediction::Sample => self.eps_between(x_t, t, output),
            Prediction::VPrediction => {
                let of_v = per_sample(t, &device, |t| self.alphas_cumprod[t].sqrt());
                let of_x_t = per_sample(t, &device, |t| (1.0 - self.alphas_cumprod[t]).sqrt());
                output * of_v + x_t * of_x_t
            }
        }
    }

    /// A denoiser's `output` at x_t in another form: the same x_0 said as `wanted`.
    ///
    /// # Shapes
    /// As [`predict_x_0`](Self::predict_x_0).
    pub fn convert<B: Kernels>(
        &self,
        x_t: Tensor<B, 4>,
        t: &[usize],
        output: Tensor<B, 4>,
        wanted: Prediction,
    ) -> Tensor<B, 4> {
        if wanted == self.prediction {
            return output;
        }
        let eps = || self.predict_eps(x_t.clone(), t, output.clone());
        match wanted {
            Prediction::Epsilon => eps(),
            Prediction::Sample => self.predict_x_0(x_t, t, output),
            Prediction::VPrediction => {
                let x_0 = self.predict_x_0(x_t.clone(), t, output.clone());
                let device = x_0.device();
                let of_eps = per_sample(t, &device, |t| self.alphas_cumprod[t].sqrt());
                let of_x_0 = per_sample(t, &device, |t| (1.0 - self.alphas_cumprod[t]).sqrt());
                eps() * of_eps - x_0 * of_x_0
            }
        }
    }

    /// The noise that leads from `x_0` to `x_t`.
    ///
    /// # Shapes
    /// As [`predict_x_0`](Self::predict_x_0).
    pub fn eps_between<B: Kernels>(&self, x_t: Tensor<B, 4>, t: &[usize], x_0: Tensor<B, 4>) -> Tensor<B, 4> {
        let device = x_t.device();
        let abar = |t: usize| self.alphas_cumprod[t];
        let of_x_t = per_sample(t, &device, |t| 1.0 / (1.0 - abar(t)).sqrt());
        let of_x_0 = per_sample(t, &device, |t| (abar(t) / (1.0 - abar(t))).sqrt());
        x_t * of_x_t - x_0 * of_x_0
    }
}

/// Numbers, one a sample, to be multiplied with `[n, c, h, w]`.
///
/// # Shapes
/// - output: `[n, 1, 1, 1]`
pub(crate) fn column<B: Kernels>(values: impl Iterator<Item = f64>, device: &B::Device) -> Tensor<B, 4> {
    let values: Vec<f32> = values.map(|v| v as f32).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1, 1, 1]), ddpm_kernels::floats_on::<B>(device))
}

/// One coefficient a sample, to be multiplied with `[n, c, h, w]`.
///
/// # Shapes
/// - output: `[n, 1, 1, 1]`
pub(crate) fn per_sample<B: Kernels>(
    t: &[usize],
    device: &B::Device,
    coefficient: impl Fn(usize) -> f64,
) -> Tensor<B, 4> {
    column(t.iter().map(|&t| coefficient(t)), device)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::noise::{Key, NormalNoise, Purpose};

    type B = burn_flex::Flex;

    fn distance(a: Tensor<B, 4>, b: Tensor<B, 4>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    proptest! {
        #[test]
        fn predictions_convert_back(t in 0_usize..1000, seed in 0_u64..1000, kind in 0..3) {
            let mut process = GaussianDiffusion::new(&BetaSchedule::cosine(), 1000).unwrap();
            process.prediction = [Prediction::Epsilon, Prediction::Sample, Prediction::VPrediction][kind as usize];
            let key = Key::new(seed, Purpose::named("test"));
            let (shape, device) = ([2, 1, 4, 4], Default::default());
            let x_0 = key.normal::<B>(0, shape, &device).clamp(-1.0, 1.0);
            let eps = key.normal::<B>(2, shape, &device);
            let ts = [t, (t * 7) % 1000];
            let x_t = process.q_sample(x_0.clone(), &ts, eps.clone());
            let target = process.target(x_0.clone(), &ts, eps.clone());
            let again = process.predict_x_0(x_t.clone(), &ts, target);
            // In f32 an epsilon prediction loses what the noise drowns: 1 / sqrt(abar) times the rounding.
            let abar = ts.iter().map(|&t| process.alpha_cumprod(t)).fold(1.0, f64::min);
            let tolerance = 1e-6 + 2e-6 / abar.sqrt() as f32;
            prop_assert!(distance(again, x_0.clone()) < tolerance);
            let noise = ts.iter().map(|&t| 1.0 - process.alpha_cumprod(t)).fold(1.0, f64::min);
            prop_assert!(distance(process.eps_between(x_t, &ts, x_0), eps) < 1e-6 + 2e-6 / noise.sqrt() as f32);
        }
    }

    #[test]
    fn zero_terminal_snr_keeps_the_first_timestep_and_empties_the_last() {
        let config = ProcessConfig {
            zero_terminal_snr: true,
            prediction: Prediction::VPrediction,
            ..ProcessConfig::default()
        };
        let (rescaled, plain) = (config.build().unwrap(), ProcessConfig::default().build().unwrap());
        assert!((rescaled.alpha_cumprod(0) - plain.alpha_cumprod(0)).abs() < 1e-15);
        assert_eq!(rescaled.alpha_cumprod(999), 0.0);
        let refused = ProcessConfig { prediction: Prediction::Epsilon, ..config }.build().unwrap_err();
        assert!(refused.to_string().contains("v_prediction"), "{refused}");
    }

    proptest! {
        #[test]
        fn a_respaced_process_is_the_same_at_its_timesteps(steps in 2_usize..200, seed in 0_usize..1000) {
            let process = GaussianDiffusion::new(&BetaSchedule::cosine(), 1000).unwrap();
            let timesteps: Vec<usize> = (0..steps).map(|i| (i * 1000 + seed) / (steps + 1)).collect();
            let respaced = process.respaced(&timesteps).unwrap();
            prop_assert_eq!(respaced.timesteps(), steps);
            let product = (0..steps).map(|t| respaced.alpha(t)).product::<f64>();
            let expected = process.alpha_cumprod(timesteps[steps - 1]);
            prop_assert!((product / expected - 1.0).abs() < 1e-9);
            for (i, &t) in timesteps.iter().enumerate() {
                prop_assert_eq!(respaced.alpha_cumprod(i), process.alpha_cumprod(t));
                prop_assert_eq!(respaced.model_timestep(i), t);
            }
            // Respacing twice composes.
            let again = respaced.respaced(&[0, steps - 1]).unwrap();
            prop_assert_eq!(again.model_timestep(1), timesteps[steps - 1]);
        }

        #[test]
        fn every_form_of_a_prediction_says_the_same(t in 0_usize..900, from in 0..3, to in 0..3) {
            let kinds = [Prediction::Epsilon, Prediction::Sample, Prediction::VPrediction];
            let mut process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
            process.prediction = kinds[from as usize];
            let key = Key::new(t as u64, Purpose::named("forms"));
            let (x_0, eps) = (key.normal::<B>(0, [2, 1, 3, 3], &Default::default()), key.normal(5, [2, 1, 3, 3], &Default::default()));
            let ts = [t; 2];
            let x_t = process.q_sample(x_0.clone(), &ts, eps.clone());
            let output = process.target(x_0.clone(), &ts, eps.clone());
            let converted = process.convert(x_t, &ts, output, kinds[to as usize]);
            process.prediction = kinds[to as usize];
            let expected = process.target(x_0, &ts, eps);
            let abar = process.alpha_cumprod(t);
            let tolerance = 1e-5 + 5e-6 / abar.min(1.0 - abar).sqrt() as f32;
            prop_assert!(distance(converted, expected) < tolerance);
        }
    }

    #[test]
    fn the_posterior_is_that_of_bayes() {
        // q(x_{t-1} | x_t, x_0) from the product of the two Gaussians, independent of the closed form above.
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        for t in [1, 10, 500, 999] {
            let (prior_variance, likelihood_variance) =
                (1.0 - process.alpha_cumprod_prev(t), process.beta(t));
            let precision = 1.0 / prior_variance + process.alpha(t) / likelihood_variance;
            let (of_x_0, of_x_t) = process.posterior_mean_coefs(t);
            let relative = |a: f64, b: f64| (a / b - 1.0).abs();
            assert!(relative(process.posterior_variance(t), 1.0 / precision) < 1e-9);
            assert!(
                relative(of_x_0, process.alpha_cumprod_prev(t).sqrt() / prior_variance / precision) < 1e-9
            );
            assert!(relative(of_x_t, process.alpha(t).sqrt() / likelihood_variance / precision) < 1e-9);
        }
    }
}
