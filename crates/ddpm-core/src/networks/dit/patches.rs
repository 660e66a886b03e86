//! Images as sequences of patches, and back.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};

use super::DiTConfig;
use crate::{
    Kernels,
    nn::{Conv2d, Initializer},
};

/// A linear map of each patch to a token, kept as the convolution that the published code has.
#[derive(Module, Debug)]
pub(super) struct PatchEmbed<B: Backend> {
    proj: Conv2d<B>,
}

impl<B: Kernels> PatchEmbed<B> {
    pub(super) fn new(config: &DiTConfig, init: &mut Initializer<B>) -> Self {
        let (c, p, width) = (config.in_channels, config.patch_size, config.hidden_size);
        let mut proj = Conv2d::new((c, width), p, init).with_stride(p, 0);
        // As a linear map: Xavier's bound over the numbers of a patch.
        proj.weight = init.xavier([width, c, p, p], c * p * p, width);
        proj.bias = init.constant([width], 0.0);
        Self { proj }
    }

    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, patches, hidden_size]`, row by row
    pub(super) fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 3> {
        self.proj.forward(x).flatten::<3>(2, 3).swap_dims(1, 2)
    }
}

/// The sine-cosine embedding of a square of positions: half of the numbers for the column, half for the row (in this
/// order, as in the published code), of each the sines first.
///
/// # Shapes
/// - output: `[1, side * side, width]`
pub(super) fn positions<B: Backend>(width: usize, side: usize, device: &B::Device) -> Tensor<B, 3> {
    let quarter = width / 4;
    let one = |position: usize| {
        let angle = move |i: usize| position as f64 / 10_000_f64.powf(i as f64 / quarter as f64);
        let sines = (0..quarter).map(move |i| angle(i).sin() as f32);
        sines.chain((0..quarter).map(move |i| angle(i).cos() as f32))
    };
    let values: Vec<f32> = (0..side * side).flat_map(|p| one(p % side).chain(one(p / side))).collect();
    Tensor::from_data(TensorData::new(values, [1, side * side, width]), ddpm_kernels::floats_on::<B>(device))
}

/// From tokens that hold a patch each to the image.
///
/// # Shapes
/// - `x`: `[n, side * side, patch * patch * c]`; output: `[n, c, side * patch, side * patch]`
pub(super) fn unpatchify<B: Backend>(x: Tensor<B, 3>, side: usize, patch: usize) -> Tensor<B, 4> {
    let [n, _, numbers] = x.dims();
    let c = numbers / (patch * patch);
    let size = side * patch;
    x.reshape([n, side, side, patch, patch, c]).permute([0, 5, 1, 3, 2, 4]).reshape([n, c, size, size])
}
