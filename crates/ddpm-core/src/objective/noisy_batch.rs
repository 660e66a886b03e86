//! Images with a timestep and a noise each: all that a loss needs.

use burn::tensor::{Int, Tensor, TensorData};

use super::TimestepSampler;
use crate::{
    GaussianDiffusion, Kernels,
    diffusion::column,
    noise::{Key, NormalNoise, Purpose},
};

const TIMESTEPS: Purpose = Purpose::named("training timesteps");
const NOISE: Purpose = Purpose::named("training noise");

/// Images with a timestep and a noise each.
#[derive(Debug, Clone)]
pub struct NoisyBatch<B: Kernels> {
    /// The images in [-1, 1], `[n, c, h, w]`.
    pub x_0: Tensor<B, 4>,
    /// The noise, `[n, c, h, w]`.
    pub eps: Tensor<B, 4>,
    /// The noisy images, `[n, c, h, w]`.
    pub x_t: Tensor<B, 4>,
    /// The n timesteps.
    pub t: Vec<usize>,
    /// The conditions `[n]`, for a conditional model.
    pub y: Option<Tensor<B, 1, Int>>,
    /// The factor of each image's loss, where timesteps were not drawn uniformly.
    pub weights: Option<Vec<f64>>,
}

/// The noise that [`NoisyBatch::sampled`] draws for images `[n, c, h, w]`, on no device yet: a thread can draw it while the
/// device is busy with other images.
pub fn noise_ahead(images: [usize; 4], key: Key) -> TensorData {
    key.within(NOISE).normal_data(0, images)
}

impl<B: Kernels> NoisyBatch<B> {
    /// Noise for `x_0` at timesteps drawn uniformly; the i-th image's draws are the i-th of `key`.
    ///
    /// # Shapes
    /// - `x_0`: `[n, c, h, w]`, `y`: `[n]`
    pub fn draw(
        process: &GaussianDiffusion,
        x_0: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        key: Key,
    ) -> Self {
        Self::sampled(process, &TimestepSampler::uniform(process.timesteps()), x_0, y, key)
    }

    /// Noise for `x_0` at timesteps that `timesteps` draws.
    ///
    /// # Shapes
    /// As [`draw`](Self::draw).
    pub fn sampled(
        process: &GaussianDiffusion,
        timesteps: &TimestepSampler,
        x_0: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        key: Key,
    ) -> Self {
        let eps = Self::noise(&x_0, key);
        Self::with_noise(process, timesteps, x_0, y, eps, key)
    }

    /// As [`sampled`](Self::sampled), with its [noise](noise_ahead) already drawn.
    ///
    /// # Shapes
    /// - `x_0`, `eps`: `[n, c, h, w]`, `y`: `[n]`
    pub fn with_noise(
        process: &GaussianDiffusion,
        timesteps: &TimestepSampler,
        x_0: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        eps: Tensor<B, 4>,
        key: Key,
    ) -> Self {
        let (t, weights) = timesteps.draw(x_0.dims()[0], key.within(TIMESTEPS));
        Self { weights, ..Self::at(process, x_0, y, t, eps) }
    }

    /// The noise that [`sampled`](Self::sampled) draws for images.
    ///
    /// # Shapes
    /// - `x_0` and output: `[n, c, h, w]`
    pub fn noise(x_0: &Tensor<B, 4>, key: Key) -> Tensor<B, 4> {
        Tensor::from_data(noise_ahead(x_0.dims(), key), ddpm_kernels::floats_on::<B>(&x_0.device()))
    }

    /// Given noise and timesteps.
    ///
    /// # Shapes
    /// - `x_0`, `eps`: `[n, c, h, w]`, `y`: `[n]`, `t`: n timesteps
    pub fn at(
        process: &GaussianDiffusion,
        x_0: Tensor<B, 4>,
        y: Option<Tensor<B, 1, Int>>,
        t: Vec<usize>,
        eps: Tensor<B, 4>,
    ) -> Self {
        let x_t = process.q_sample(x_0.clone(), &t, eps.clone());
        Self { x_0, eps, x_t, t, y, weights: None }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.t.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }

    /// The mean of the images' losses, each with its importance weight.
    ///
    /// # Shapes
    /// - `losses`: `[n]`; output: `[1]`
    pub fn weighted_mean(&self, losses: Tensor<B, 1>) -> Tensor<B, 1> {
        match &self.weights {
            None => losses.mean(),
            Some(weights) => {
                let weights = column::<B>(weights.iter().copied(), &losses.device());
                (losses * weights.reshape([self.len()])).mean()
            }
        }
    }
}
