//! The terms of the variational bound as differentiable tensors, for training on them.

use std::f64::consts::{LN_2, PI};

use burn::tensor::Tensor;

use super::{NoisyBatch, image_mean};
use crate::{
    GaussianDiffusion, Kernels,
    diffusion::{LogVariance, column, per_sample},
    likelihood::{HALF_WIDTH, OUTERMOST, SMALLEST},
};

/// The term of each image's timestep, in bits per dimension: the divergence of the two posteriors for t > 0, the
/// discretised likelihood of x_0 for t = 0 (Nichol & Dhariwal 2021, equations 4 to 7).
///
/// In f32 on the device; [`crate::likelihood::timestep_terms`] is the metric.
///
/// # Shapes
/// - `x_0` (the prediction): `[n, c, h, w]`; output: `[n]`
pub fn variational_terms<B: Kernels>(
    process: &GaussianDiffusion,
    batch: &NoisyBatch<B>,
    x_0: Tensor<B, 4>,
    log_variance: &LogVariance<B>,
) -> Tensor<B, 1> {
    let (t, device) = (&batch.t, x_0.device());
    let log_variance = log_variance.tensor(&device);
    let of_x_0 = per_sample(t, &device, |t| process.posterior_mean_coefs(t).0);
    // The share of x_t in the two means is the same.
    let apart = (batch.x_0.clone() - x_0.clone()) * of_x_0;
    let truth = per_sample(t, &device, |t| process.posterior_log_variance_clipped(t));
    let ratio = log_variance.clone() - truth;
    let divergence = (ratio.clone() + ratio.neg().exp() - 1.0
        + apart.clone() * apart * log_variance.clone().neg().exp())
    .mul_scalar(0.5);
    let divergence = image_mean(divergence.expand(x_0.dims()));
    if !t.contains(&0) {
        return divergence.div_scalar(LN_2);
    }
    let mean = process.posterior_mean(x_0, batch.x_t.clone(), t);
    let likelihood = image_mean(negative_log_mass(batch.x_0.clone(), mean, log_variance));
    let first = column::<B>(t.iter().map(|&t| f64::from(u8::from(t == 0))), &device).reshape([t.len()]);
    (likelihood * first.clone() + divergence * (first.neg() + 1.0)).div_scalar(LN_2)
}

/// Minus the log of the Gaussian mass of each pixel's grey level, with open tails at black and white.
fn negative_log_mass<B: Kernels>(
    x_0: Tensor<B, 4>,
    mean: Tensor<B, 4>,
    log_variance: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let inverse_std = log_variance.mul_scalar(-0.5).exp();
    let centred = x_0.clone() - mean;
    let below = normal_cdf((centred.clone() - HALF_WIDTH) * inverse_std.clone());
    let above = normal_cdf((centred + HALF_WIDTH) * inverse_std);
    let black = x_0.clone().lower_elem(-OUTERMOST);
    let white = x_0.greater_elem(OUTERMOST);
    let below = below.mask_fill(black, 0.0);
    let above = above.mask_fill(white, 1.0);
    (above - below).clamp_min(SMALLEST).log().neg()
}

/// As in [`crate::likelihood`].
fn normal_cdf<B: Kernels>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    // Beyond 6 standard deviations the cube would overflow where a variance is tiny; the mass there is 0 in f32.
    let x = x.clamp(-6.0, 6.0);
    let cube = x.clone() * x.clone() * x.clone();
    (((x + cube.mul_scalar(0.044_715)).mul_scalar((2.0 / PI).sqrt())).tanh() + 1.0).mul_scalar(0.5)
}
