//! The interface of every network, so that strategies, samplers and metrics work with any of them.

use burn::{
    module::AutodiffModule,
    tensor::{Int, Tensor},
};

use crate::{Kernels, TrainBackend, noise::indices};

/// A network that, given a noisy image and its timestep, predicts the noise (or what else the process's
/// [`Prediction`](crate::diffusion::Prediction) says).
///
/// Object-safe, so that samplers and metrics take a `&dyn Denoiser` and guidance can wrap one.
pub trait Denoiser<B: Kernels> {
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: `[n]` (0-based timesteps), `y`: `[n]` (classes or tasks), if conditional
    /// - output: `[n, c, h, w]` (or `2 c` channels with a learned variance)
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4>;
}

/// A denoiser that can be trained, and used without autodiff once [`valid`](AutodiffModule::valid) was called.
///
/// One name for a bound that follows from `#[derive(Module)]` and an `impl<B: Kernels> Denoiser<B>`.
pub trait TrainableDenoiser<B: TrainBackend>:
    Denoiser<B> + AutodiffModule<B, InnerModule: Denoiser<B::InnerBackend>>
{
}

impl<B, D> TrainableDenoiser<B> for D
where
    B: TrainBackend,
    D: Denoiser<B> + AutodiffModule<B, InnerModule: Denoiser<B::InnerBackend>>,
{
}

/// The condition of each sample in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditioning {
    /// Nothing.
    None,
    /// Sample i has the class `classes[i]`.
    Classes(Vec<usize>),
}

impl Conditioning {
    /// The condition of the samples `first .. first + n`.
    ///
    /// # Shapes
    /// - output: `[n]`
    ///
    /// # Panics
    /// If there are fewer classes than samples.
    pub fn tensor<B: Kernels>(
        &self,
        first: usize,
        n: usize,
        device: &B::Device,
    ) -> Option<Tensor<B, 1, Int>> {
        match self {
            Self::None => None,
            Self::Classes(classes) => Some(indices(&classes[first..first + n], device)),
        }
    }
}
