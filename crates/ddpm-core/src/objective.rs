//! What a denoiser is trained on: the simple loss of Ho et al. 2020 (equation 14).

use burn::tensor::{Int, Tensor};

use crate::{
    Denoiser, GaussianDiffusion, Kernels,
    noise::{Key, Purpose, indices},
};

const TIMESTEPS: Purpose = Purpose::named("training timesteps");
const NOISE: Purpose = Purpose::named("training noise");

/// Images with a timestep and a noise each: all that a loss needs.
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
        let [n, ..] = x_0.dims();
        let t = key.within(TIMESTEPS).timesteps(n, process.timesteps());
        let eps = key.within(NOISE).normal(0, x_0.dims(), &x_0.device());
        Self::at(process, x_0, y, t, eps)
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
        Self { x_0, eps, x_t, t, y }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.t.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }
}

/// The simple loss: the mean squared error of the prediction, every timestep with the same weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Objective {}

impl Objective {
    /// The mean of the losses of a batch.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub fn loss<B: Kernels>(
        &self,
        denoiser: &(impl Denoiser<B> + ?Sized),
        batch: &NoisyBatch<B>,
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        self.losses(denoiser, batch, process).mean()
    }

    /// The loss of each image.
    ///
    /// # Shapes
    /// - output: `[n]`
    pub fn losses<B: Kernels>(
        &self,
        denoiser: &(impl Denoiser<B> + ?Sized),
        batch: &NoisyBatch<B>,
        process: &GaussianDiffusion,
    ) -> Tensor<B, 1> {
        let t = indices(&batch.t, &batch.x_t.device());
        let output = denoiser.denoise(batch.x_t.clone(), t, batch.y.clone());
        let target = process.target(batch.x_0.clone(), &batch.t, batch.eps.clone());
        squared_error(output, target)
    }
}

/// The mean squared difference of each image.
///
/// # Shapes
/// - `a`, `b`: `[n, c, h, w]`; output: `[n]`
pub fn squared_error<B: Kernels>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 1> {
    let difference = a - b;
    (difference.clone() * difference).flatten::<2>(1, 3).mean_dim(1).squeeze_dim(1)
}
