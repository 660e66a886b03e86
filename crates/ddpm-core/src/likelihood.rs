//! The variational bound, taken apart: what each timestep contributes to the bits per dimension.
//!
//! Sohl-Dickstein et al. 2015 and Ho et al. 2020, equation 5, in the units of Nichol & Dhariwal 2021: every term
//! is a mean over the dimensions of an image, in bits. With a fixed variance the divergence of the two Gaussians
//! depends on the network only through the squared error of x_0, so each term is computed in f64 from that.

use std::f64::consts::{LN_2, PI};

use burn::tensor::{Int, Tensor};

use crate::{Denoiser, GaussianDiffusion, Kernels, objective::squared_error};

/// Half the distance of two grey levels, in [-1, 1].
const HALF_WIDTH: f64 = 1.0 / 255.0;
/// Probabilities are kept above this, as in improved-diffusion.
const SMALLEST: f64 = 1e-12;

/// What one timestep contributes for each of n images.
#[derive(Debug, Clone, PartialEq)]
pub struct TimestepTerms {
    /// The term of the variational bound, in bits per dimension: the divergence for t > 0, the discretised
    /// likelihood of x_0 for t = 0.
    pub vlb: Vec<f64>,
    /// Mean squared error of the noise.
    pub eps_mse: Vec<f64>,
    /// Mean squared error of x_0.
    pub x_0_mse: Vec<f64>,
}

/// The terms of timestep `t` for images `x_0` with noise `eps`.
///
/// `clip` says whether the predicted x_0 is clipped to [-1, 1] for the bound (the errors of the noise are those of
/// the unclipped prediction, which is what the model was trained on; the error of x_0 is after clipping).
///
/// # Shapes
/// - `x_0` (in [-1, 1], from 8 bits), `eps`: `[n, c, h, w]`, `y`: `[n]`
pub fn timestep_terms<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    x_0: Tensor<B, 4>,
    t: usize,
    eps: Tensor<B, 4>,
    y: Option<Tensor<B, 1, Int>>,
    clip: bool,
) -> TimestepTerms {
    let ts = vec![t; x_0.dims()[0]];
    let x_t = process.q_sample(x_0.clone(), &ts, eps.clone());
    let predicted = process.denoised(denoiser, x_t.clone(), t, y, false);
    let predicted_eps = process.eps_between(x_t.clone(), &ts, predicted.clone());
    let predicted = if clip { predicted.clamp(-1.0, 1.0) } else { predicted };
    let eps_mse = host(squared_error(predicted_eps, eps));
    let x_0_mse = host(squared_error(predicted.clone(), x_0.clone()));
    let vlb = if t == 0 {
        let (of_x_0, of_x_t) = process.posterior_mean_coefs(0);
        let mean = predicted.mul_scalar(of_x_0) + x_t.mul_scalar(of_x_t);
        discretized_nll(x_0, mean, process.model_log_variance(0))
    } else {
        x_0_mse.iter().map(|&mse| posterior_divergence(process, t, mse)).collect()
    };
    TimestepTerms { vlb, eps_mse, x_0_mse }
}

/// KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) in bits per dimension, for t > 0, given the squared error of x_0:
/// the means differ by that error times a coefficient, the variances are the same in every dimension.
fn posterior_divergence(process: &GaussianDiffusion, t: usize, x_0_mse: f64) -> f64 {
    let q = process.posterior_log_variance_clipped(t);
    let p = process.model_log_variance(t);
    let (of_x_0, _) = process.posterior_mean_coefs(t);
    let mean_square = of_x_0 * of_x_0 * x_0_mse;
    0.5 * (-1.0 + p - q + (q - p).exp() + mean_square * (-p).exp()) / LN_2
}

/// KL(q(x_{T-1} | x_0) || N(0, I)) in bits per dimension for each image, which no training changes.
///
/// # Shapes
/// - `x_0`: `[n, c, h, w]`
pub fn prior_terms<B: Kernels>(process: &GaussianDiffusion, x_0: Tensor<B, 4>) -> Vec<f64> {
    let abar = process.alpha_cumprod(process.timesteps() - 1);
    let mean_square = host((x_0.clone() * x_0).flatten::<2>(1, 3).mean_dim(1).squeeze_dim(1));
    let variance = 1.0 - abar;
    mean_square.into_iter().map(|m| 0.5 * (-1.0 - variance.ln() + variance + abar * m) / LN_2).collect()
}

/// Minus the log-likelihood of 8-bit pixels under a Gaussian, in bits per dimension, for each image: the mass
/// between half a grey level below and above, with open tails at black and white (Ho et al. 2020, equation 13).
///
/// # Shapes
/// - `x_0`, `mean`: `[n, c, h, w]`
pub fn discretized_nll<B: Kernels>(x_0: Tensor<B, 4>, mean: Tensor<B, 4>, log_variance: f64) -> Vec<f64> {
    let [n, c, h, w] = x_0.dims();
    let dimensions = c * h * w;
    let inverse_std = (-0.5 * log_variance).exp();
    let (x_0, mean) = (floats(x_0), floats(mean));
    (0..n)
        .map(|i| {
            let image = i * dimensions..(i + 1) * dimensions;
            let log_likelihood: f64 = x_0[image.clone()]
                .iter()
                .zip(&mean[image])
                .map(|(&x, &mean)| log_mass(f64::from(x), f64::from(mean), inverse_std))
                .sum();
            -log_likelihood / dimensions as f64 / LN_2
        })
        .collect()
}

fn log_mass(x: f64, mean: f64, inverse_std: f64) -> f64 {
    let below = standard_normal_cdf((x - HALF_WIDTH - mean) * inverse_std);
    let above = standard_normal_cdf((x + HALF_WIDTH - mean) * inverse_std);
    // 0.999 marks the outermost grey levels, whatever the rounding of x / 127.5 - 1.
    let mass = if x < -0.999 {
        above
    } else if x > 0.999 {
        1.0 - below
    } else {
        above - below
    };
    mass.max(SMALLEST).ln()
}

/// The tanh approximation of the normal distribution function (Page 1977), as in improved-diffusion, so that the
/// figures compare with the literature's.
fn standard_normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}

fn host<B: Kernels>(values: Tensor<B, 1>) -> Vec<f64> {
    values.into_data().convert::<f64>().to_vec().expect("converted to f64")
}

fn floats<B: Kernels>(values: Tensor<B, 4>) -> Vec<f32> {
    values.into_data().convert::<f32>().to_vec().expect("converted to f32")
}
