//! 2-D convolution with a square kernel, PyTorch's `nn.Conv2d` with bias.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::Initializer;
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
    /// - `x`: `[n, c_in, h, w]`
    /// - output: `[n, c_out, (h + 2 padding - k) / stride + 1, ..]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        B::convolve_2d(x, self.weight.val(), self.bias.val(), self.stride, self.padding)
    }

    /// The convolution, plus a number for each channel of each image.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward); `shift`: `[n, c_out]`
    pub fn forward_shifted(&self, x: Tensor<B, 4>, shift: Tensor<B, 2>) -> Tensor<B, 4> {
        B::convolve_2d_shifted(x, self.weight.val(), self.bias.val(), shift, self.stride, self.padding)
    }

    /// The convolution, plus another feature map.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward); `residual`: that of the output
    pub fn forward_residual(&self, x: Tensor<B, 4>, residual: Tensor<B, 4>) -> Tensor<B, 4> {
        B::convolve_2d_residual(x, self.weight.val(), self.bias.val(), residual, self.stride, self.padding)
    }
}
