//! The variational bound, taken apart: what each timestep contributes to the bits per dimension.
//!
//! Sohl-Dickstein et al. 2015 and Ho et al. 2020, equation 5, in the units of Nichol & Dhariwal 2021: every term
//! is a mean over the dimensions of an image, in bits. With a fixed variance the divergence of the two Gaussians
//! depends on the network only through the squared error of x_0, so each term is computed in f64 from that.

mod bits_per_dimension;

use std::f64::consts::{LN_2, PI};

use burn::tensor::Tensor;

pub use self::bits_per_dimension::{BitsPerDimension, LikelihoodRequest, bits_per_dimension, strata};
use crate::{
    Denoiser, GaussianDiffusion, Kernels, NoisyBatch,
    diffusion::{LogVariance, Threshold},
    objective::{squared_error, variational_terms},
};

/// Half the distance of two grey levels, in [-1, 1].
pub(crate) const HALF_WIDTH: f64 = 1.0 / 255.0;
/// Probabilities are kept above this, as in improved-diffusion.
pub(crate) const SMALLEST: f64 = 1e-12;
/// Marks the outermost grey levels, whatever the rounding of x / 127.5 - 1.
pub(crate) const OUTERMOST: f64 = 0.999;

/// The contribution of one timestep for each of n images.
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

/// The terms of each image of a batch at its timestep.
///
/// `threshold` is what is done to the predicted x_0 for the bound (the errors of the noise are those of the prediction as
/// it is, which is what the model was trained on; the error of x_0 is after it). With a learned variance the bound is
/// computed in f32.
///
/// # Shapes
/// - `batch.x_0`: `[n, c, h, w]` in [-1, 1], from 8 bits; every vector of the result has n numbers
pub fn timestep_terms<B: Kernels>(
    denoiser: &dyn Denoiser<B>,
    process: &GaussianDiffusion,
    batch: &NoisyBatch<B>,
    threshold: Threshold,
) -> TimestepTerms {
    let (x_0, x_t, t) = (batch.x_0.clone(), batch.x_t.clone(), &batch.t);
    let output = process.evaluate(denoiser, x_t.clone(), t, batch.y.clone());
    let (output, log_variance) = process.split(x_0.dims()[1], t, output);
    let predicted_eps = process.predict_eps(x_t.clone(), t, output.clone());
    let predicted = threshold.apply(process.predict_x_0(x_t.clone(), t, output));
    let eps_mse = host(squared_error(predicted_eps, batch.eps.clone()));
    let x_0_mse = host(squared_error(predicted.clone(), x_0.clone()));
    let LogVariance::Fixed(log_variance) = log_variance else {
        let vlb = host(variational_terms(process, batch, predicted, &log_variance));
        return TimestepTerms { vlb, eps_mse, x_0_mse };
    };
    let mut vlb: Vec<f64> =
        t.iter().zip(&x_0_mse).map(|(&t, &mse)| posterior_divergence(process, t, mse)).collect();
    if t.contains(&0) {
        let mean = process.posterior_mean(predicted, x_t, t);
        let likelihoods = discretized_nll(x_0, mean, &log_variance);
        let first = vlb.iter_mut().zip(likelihoods).zip(t).filter(|(_, t)| **t == 0);
        first.for_each(|((term, likelihood), _)| *term = likelihood);
    }
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
/// - `x_0`, `mean`: `[n, c, h, w]`, `log_variance`: n numbers
pub fn discretized_nll<B: Kernels>(x_0: Tensor<B, 4>, mean: Tensor<B, 4>, log_variance: &[f64]) -> Vec<f64> {
    let [n, c, h, w] = x_0.dims();
    let dimensions = c * h * w;
    let (x_0, mean) = (floats(x_0), floats(mean));
    (0..n)
        .map(|i| {
            let inverse_std = (-0.5 * log_variance[i]).exp();
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
    let mass = if x < -OUTERMOST {
        above
    } else if x > OUTERMOST {
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
