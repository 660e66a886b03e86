//! The embedding of the timestep: sines and cosines of a geometric range of frequencies, then two linear layers.

use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData, backend::Backend},
};

use crate::{
    Kernels,
    nn::{Initializer, Linear},
};

/// Largest period of the sinusoids, in timesteps (Vaswani et al. 2017).
const MAX_PERIOD: f64 = 10_000.0;

/// The sinusoids of the timesteps (diffusers' `Timesteps`).
///
/// Frequencies are `10000^(-i / (dim/2 - freq_shift))`; the halves are (sin, cos), or (cos, sin) if flipped.
///
/// # Shapes
/// - `t`: `[n]`; output: `[n, dim]`, `dim` even
pub fn sinusoids<B: Backend>(
    t: Tensor<B, 1, Int>,
    dim: usize,
    flip_sin_to_cos: bool,
    freq_shift: usize,
) -> Tensor<B, 2> {
    let half = dim / 2;
    // The exponent is rounded as PyTorch rounds it: at t = 1000 an ulp of it moves the angle by 5e-4.
    let exponent = |i: usize| -(MAX_PERIOD.ln() as f32) * i as f32 / (half - freq_shift) as f32;
    let frequencies: Vec<f32> = (0..half).map(|i| f64::from(exponent(i)).exp() as f32).collect();
    let frequencies = TensorData::new(frequencies, [1, half]);
    let frequencies = Tensor::<B, 2>::from_data(frequencies, ddpm_kernels::floats_on::<B>(&t.device()));
    let [n] = t.dims();
    let angles = t.cast(ddpm_kernels::float_dtype::<B>()).reshape([n, 1]) * frequencies;
    let (sin, cos) = (angles.clone().sin(), angles.cos());
    Tensor::cat(if flip_sin_to_cos { vec![cos, sin] } else { vec![sin, cos] }, 1)
}

/// Two linear layers with a SiLU between them (diffusers' `TimestepEmbedding`).
#[derive(Module, Debug)]
pub struct TimestepEmbedding<B: Backend> {
    linear_1: Linear<B>,
    linear_2: Linear<B>,
}

impl<B: Backend> TimestepEmbedding<B> {
    /// From `dim` sinusoids to an embedding of `embed_dim` numbers.
    pub fn new(dim: usize, embed_dim: usize, init: &mut Initializer<B>) -> Self {
        Self {
            linear_1: Linear::new(dim, embed_dim, init),
            linear_2: Linear::new(embed_dim, embed_dim, init),
        }
    }
}

impl<B: Kernels> TimestepEmbedding<B> {
    /// # Shapes
    /// - `sinusoids`: `[n, dim]`; output: `[n, embed_dim]`
    pub fn forward(&self, sinusoids: Tensor<B, 2>) -> Tensor<B, 2> {
        self.linear_2.forward(B::silu(self.linear_1.forward(sinusoids)))
    }
}
