//! Self-attention over the pixels of a feature map (diffusers' `Attention` as its UNets use it).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::{UNet2DConfig, resnet::rescale};
use crate::{
    Kernels,
    nn::{GroupNorm, Initializer, Linear},
};

/// Group norm, queries, keys and values, attention, output map, plus the input.
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    group_norm: Option<GroupNorm<B>>,
    to_q: Linear<B>,
    to_k: Linear<B>,
    to_v: Linear<B>,
    // A list of one, because diffusers calls the map `to_out.0` (and a dropout `to_out.1`).
    to_out: Vec<Linear<B>>,
    heads: usize,
    output_scale_factor: f64,
}

impl<B: Backend> Attention<B> {
    /// Attention over `channels` channels with a norm of `groups` groups (none: no norm, as in a middle block
    /// with scale and shift).
    pub fn new(
        config: &UNet2DConfig,
        channels: usize,
        groups: Option<usize>,
        output_scale_factor: f64,
        init: &mut Initializer<B>,
    ) -> Self {
        let head_dim = config.attention_head_dim.unwrap_or(channels);
        let heads = channels / head_dim;
        let inner = heads * head_dim;
        Self {
            group_norm: groups.map(|groups| GroupNorm::new(groups, channels, config.norm_eps, init)),
            to_q: Linear::new(channels, inner, init),
            to_k: Linear::new(channels, inner, init),
            to_v: Linear::new(channels, inner, init),
            to_out: vec![Linear::new(inner, channels, init)],
            heads,
            output_scale_factor,
        }
    }
}

impl<B: Kernels> Attention<B> {
    /// # Shapes
    /// - `x` and output: `[n, c, h, w]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, _, h, w] = x.dims();
        let normed = match &self.group_norm {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        // A map of channels is a convolution with a kernel of one pixel: no pixel has to be moved.
        let heads = |linear: &Linear<B>| {
            let [inner, _] = linear.weight.dims();
            linear.forward_pixels(normed.clone()).reshape([n, self.heads, inner / self.heads, h * w])
        };
        let (q, k, v) = (heads(&self.to_q), heads(&self.to_k), heads(&self.to_v));
        let [_, heads, head_dim, _] = q.dims();
        let scale = 1.0 / (head_dim as f64).sqrt();
        let mixed = B::dot_product_attention(q, k, v, scale).reshape([n, heads * head_dim, h, w]);
        rescale(self.to_out[0].forward_pixels_residual(mixed, x), self.output_scale_factor)
    }
}
