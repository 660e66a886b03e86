//! Affine map of the last dimension, PyTorch's `nn.Linear` with bias.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use ddpm_kernels::{Addend, Convolve};

use super::Initializer;
use crate::Kernels;

/// `x weight^T + bias`; `weight` is `[d_out, d_in]`, as PyTorch stores it.
#[derive(Module, Debug)]
pub struct Linear<B: Backend> {
    /// `[d_out, d_in]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[d_out]`
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Linear<B> {
    /// A map from `d_in` to `d_out` numbers.
    pub fn new(d_in: usize, d_out: usize, init: &mut Initializer<B>) -> Self {
        Self { weight: init.uniform([d_out, d_in], d_in), bias: init.uniform([d_out], d_in) }
    }

    /// A map with Xavier's uniform weights and no bias (Glorot & Bengio 2010).
    pub fn xavier(d_in: usize, d_out: usize, init: &mut Initializer<B>) -> Self {
        Self { weight: init.xavier([d_out, d_in], d_in, d_out), bias: init.constant([d_out], 0.0) }
    }

    /// A map with normal weights of standard deviation 0.02 and no bias.
    pub fn normal(d_in: usize, d_out: usize, init: &mut Initializer<B>) -> Self {
        Self { weight: init.scaled_normal([d_out, d_in], 0.02), bias: init.constant([d_out], 0.0) }
    }

    /// A map to zero.
    pub fn zeros(d_in: usize, d_out: usize, init: &mut Initializer<B>) -> Self {
        Self { weight: init.constant([d_out, d_in], 0.0), bias: init.constant([d_out], 0.0) }
    }
}

impl<B: Kernels> Linear<B> {
    /// # Shapes
    /// - `x`: `[.., d_in]`; output: `[.., d_out]`
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        B::affine(x, self.weight.val(), self.bias.val())
    }

    /// The map applied to the channels of each pixel.
    ///
    /// # Shapes
    /// - `x`: `[n, d_in, h, w]`; output: `[n, d_out, h, w]`
    pub fn forward_pixels(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        B::convolve_2d(self.pointwise(x))
    }

    /// [`forward_pixels`](Self::forward_pixels), plus another feature map.
    ///
    /// # Shapes
    /// - as `forward_pixels`; `residual`: that of the output
    pub fn forward_pixels_residual(&self, x: Tensor<B, 4>, residual: Tensor<B, 4>) -> Tensor<B, 4> {
        B::convolve_2d_plus(self.pointwise(x), Addend::Residual(residual))
    }

    /// The map as a convolution with a kernel of one pixel.
    fn pointwise(&self, x: Tensor<B, 4>) -> Convolve<B> {
        let [d_out, d_in] = self.weight.dims();
        let weight = self.weight.val().reshape([d_out, d_in, 1, 1]);
        Convolve { x: x.into(), weight, bias: self.bias.val(), stride: 1, padding: 0 }
    }
}
