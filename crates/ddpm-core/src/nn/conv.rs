//! 2-D convolution with a square kernel, PyTorch's `nn.Conv2d` with bias.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use ddpm_kernels::{ActivateConvolve, Addend, Convolve, Joined};

use super::{Activation, GroupNorm, Initializer};
use crate::Kernels;

/// A convolution; `weight` is `[c_out, c_in, k, k]`, `bias` is `[c_out]`.
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    /// `[c_out, c_in, k, k]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[c_out]`
    pub bias: Param<Tensor<B, 1>>,
    stride: usize,
    padding: usize,
}

impl<B: Backend> Conv2d<B> {
    /// A convolution from `channels.0` to `channels.1` channels with stride 1 and the padding that keeps the size.
    pub fn new(channels: (usize, usize), kernel: usize, init: &mut Initializer<B>) -> Self {
        let (c_in, c_out) = channels;
        let fan_in = c_in * kernel * kernel;
        Self {
            weight: init.uniform([c_out, c_in, kernel, kernel], fan_in),
            bias: init.uniform([c_out], fan_in),
            stride: 1,
            padding: kernel / 2,
        }
    }

    /// The same convolution with another stride and zero padding.
    #[must_use]
    pub fn with_stride(self, stride: usize, padding: usize) -> Self {
        Self { stride, padding, ..self }
    }
}

impl<B: Kernels> Conv2d<B> {
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, in one tensor or in two that share the channels
    /// - output: `[n, c_out, (h + 2 padding - k) / stride + 1, ..]`
    pub fn forward(&self, x: impl Into<Joined<B>>) -> Tensor<B, 4> {
        B::convolve_2d(self.of(x.into()))
    }

    /// The convolution, plus something.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward), and [`Addend`]
    pub fn forward_plus(&self, x: impl Into<Joined<B>>, addend: Addend<B>) -> Tensor<B, 4> {
        B::convolve_2d_plus(self.of(x.into()), addend)
    }

    /// The convolution of `x` normalised and activated, plus something, as one operation where it can be.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward), and [`Addend`]
    pub fn forward_activated(
        &self,
        x: impl Into<Joined<B>>,
        norm: &GroupNorm<B>,
        activation: Activation,
        addend: Addend<B>,
    ) -> Tensor<B, 4> {
        let [_, _, kernel, _] = self.weight.dims();
        if activation == Activation::Silu && (kernel, self.stride, self.padding) == (3, 1, 1) {
            let (affine, norm) = norm.fused(true);
            let Convolve { x, weight, bias, .. } = self.of(x.into());
            return B::activate_convolve_2d(ActivateConvolve { x, affine, norm, weight, bias, addend });
        }
        self.forward_plus(norm.forward_activated(x.into().into_tensor(), activation), addend)
    }

    fn of(&self, x: Joined<B>) -> Convolve<B> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        Convolve { x, weight, bias, stride: self.stride, padding: self.padding }
    }
}
