//! Halving and doubling the size of a feature map (diffusers' `Downsample2D` and `Upsample2D`).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend, ops::PadMode},
};

use crate::{
    Kernels,
    nn::{Conv2d, Initializer},
};

/// A 3x3 convolution of stride 2.
#[derive(Module, Debug)]
pub struct Downsample<B: Backend> {
    conv: Conv2d<B>,
    /// Whether zeros are added right and below only, as TensorFlow's "same" padding does.
    asymmetric: bool,
}

impl<B: Backend> Downsample<B> {
    /// `padding` is 1, or 0 for the asymmetric form.
    pub fn new(channels: usize, padding: usize, init: &mut Initializer<B>) -> Self {
        let conv = Conv2d::new((channels, channels), 3, init).with_stride(2, padding);
        Self { conv, asymmetric: padding == 0 }
    }
}

impl<B: Kernels> Downsample<B> {
    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, c, h / 2, w / 2]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = if self.asymmetric { x.pad((0, 1, 0, 1), PadMode::Constant(0.0)) } else { x };
        self.conv.forward(x)
    }
}

/// Nearest-neighbour doubling, then a 3x3 convolution.
#[derive(Module, Debug)]
pub struct Upsample<B: Backend> {
    conv: Conv2d<B>,
}

impl<B: Backend> Upsample<B> {
    /// For feature maps of `channels` channels.
    pub fn new(channels: usize, init: &mut Initializer<B>) -> Self {
        Self { conv: Conv2d::new((channels, channels), 3, init) }
    }
}

impl<B: Kernels> Upsample<B> {
    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, c, 2 h, 2 w]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.conv.forward(B::upsample_nearest_2x(x))
    }
}
