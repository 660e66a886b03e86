//! The transformer's blocks, with adaptive layer norms whose gates start at zero.

#![allow(non_snake_case, reason = "the published names of the parameters")]

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use super::DiTConfig;
use crate::{
    Kernels,
    nn::{Initializer, Linear},
};

/// Added to the variance in every layer norm but the second of a block, whose is [`DiTConfig::norm_eps`].
const EPS: f64 = 1e-6;

/// A linear map of the condition to shifts, scales and gates, all zero: at first no block changes its input. The
/// published code numbers it 1, after a SiLU that is the caller's here, since all blocks share it.
fn modulation<B: Kernels>(width: usize, parts: usize, init: &mut Initializer<B>) -> Vec<Option<Linear<B>>> {
    vec![None, Some(Linear::zeros(width, parts * width, init))]
}

/// `[n, 1, width]` each.
fn modulate<B: Kernels, const PARTS: usize>(
    layers: &[Option<Linear<B>>],
    condition: &Tensor<B, 2>,
) -> [Tensor<B, 3>; PARTS] {
    let map = layers.iter().flatten().next().expect("one linear map");
    let parts = map.forward(condition.clone()).unsqueeze_dim::<3>(1).chunk(PARTS, 2);
    parts.try_into().expect("the map's output divides into the parts")
}

/// A layer norm without parameters, then scale and shift.
///
/// # Shapes
/// - `x`: `[n, length, width]`, `shift`, `scale`: `[n, 1, width]`
fn adaptive_norm<B: Kernels>(
    x: Tensor<B, 3>,
    shift: Tensor<B, 3>,
    scale: Tensor<B, 3>,
    eps: f64,
) -> Tensor<B, 3> {
    let ([n, length, width], device) = (x.dims(), x.device());
    // A group norm of single tokens with one group, which every backend has with its backward pass.
    let floats = ddpm_kernels::floats_on::<B>(&device);
    let (weight, bias) = (Tensor::ones([width], floats.clone()), Tensor::zeros([width], floats));
    let norm = ddpm_kernels::GroupNorm { weight, bias, groups: 1, eps };
    let normed = B::group_norm(x.reshape([n * length, width]), norm);
    normed.reshape([n, length, width]) * (scale + 1.0) + shift
}

/// Attention and a two-layer network, each behind an adaptive norm and a gate (figure 3 of the paper, right).
#[derive(Module, Debug)]

pub(super) struct Block<B: Backend> {
    attn: SelfAttention<B>,
    mlp: Mlp<B>,
    adaLN_modulation: Vec<Option<Linear<B>>>,
    #[module(skip)]
    norm_eps: f64,
}

impl<B: Kernels> Block<B> {
    pub(super) fn new(config: &DiTConfig, init: &mut Initializer<B>) -> Self {
        let (width, inner) = (config.hidden_size, config.inner());
        Self {
            attn: SelfAttention {
                qkv: Linear::xavier(width, 3 * width, init),
                proj: Linear::xavier(width, width, init),
                heads: config.num_heads,
            },
            mlp: Mlp { fc1: Linear::xavier(width, inner, init), fc2: Linear::xavier(inner, width, init) },
            adaLN_modulation: modulation(width, 6, init),
            norm_eps: config.norm_eps,
        }
    }

    /// # Shapes
    /// - `x` and output: `[n, length, width]`, `condition`: `[n, width]`, after the SiLU
    pub(super) fn forward(&self, x: Tensor<B, 3>, condition: &Tensor<B, 2>) -> Tensor<B, 3> {
        let [shift_a, scale_a, gate_a, shift_m, scale_m, gate_m] =
            modulate(&self.adaLN_modulation, condition);
        let x = x.clone() + gate_a * self.attn.forward(adaptive_norm(x, shift_a, scale_a, EPS));
        x.clone() + gate_m * self.mlp.forward(adaptive_norm(x, shift_m, scale_m, self.norm_eps))
    }
}

/// Multi-head self-attention with one map for queries, keys and values.
#[derive(Module, Debug)]
struct SelfAttention<B: Backend> {
    qkv: Linear<B>,
    proj: Linear<B>,
    heads: usize,
}

impl<B: Kernels> SelfAttention<B> {
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, length, width] = x.dims();
        let d = width / self.heads;
        let qkv = self.qkv.forward(x).reshape([n, length, 3, self.heads, d]).permute([2, 0, 3, 4, 1]);
        let part = |i: usize| qkv.clone().narrow(0, i, 1).reshape([n, self.heads, d, length]);
        let scale = 1.0 / (d as f64).sqrt();
        let mixed = B::dot_product_attention(part(0), part(1), part(2), scale);
        self.proj.forward(mixed.reshape([n, width, length]).swap_dims(1, 2))
    }
}

/// Two linear layers with the tanh form of GELU between them.
#[derive(Module, Debug)]
struct Mlp<B: Backend> {
    fc1: Linear<B>,
    fc2: Linear<B>,
}

impl<B: Kernels> Mlp<B> {
    fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let x = self.fc1.forward(x);
        let cube = x.clone() * x.clone() * x.clone();
        let inner = (x.clone() + cube.mul_scalar(0.044_715)).mul_scalar((2.0 / std::f64::consts::PI).sqrt());
        self.fc2.forward(x * (inner.tanh() + 1.0).mul_scalar(0.5))
    }
}

/// An adaptive norm and a linear map of each token to its patch.
#[derive(Module, Debug)]

pub(super) struct FinalLayer<B: Backend> {
    linear: Linear<B>,
    adaLN_modulation: Vec<Option<Linear<B>>>,
}

impl<B: Kernels> FinalLayer<B> {
    pub(super) fn new(config: &DiTConfig, init: &mut Initializer<B>) -> Self {
        let numbers = config.patch_size * config.patch_size * config.out_channels();
        Self {
            linear: Linear::zeros(config.hidden_size, numbers, init),
            adaLN_modulation: modulation(config.hidden_size, 2, init),
        }
    }

    /// # Shapes
    /// - `x`: `[n, length, width]`, `condition`: `[n, width]`; output: `[n, length, patch * patch * c]`
    pub(super) fn forward(&self, x: Tensor<B, 3>, condition: &Tensor<B, 2>) -> Tensor<B, 3> {
        let [shift, scale] = modulate(&self.adaLN_modulation, condition);
        self.linear.forward(adaptive_norm(x, shift, scale, EPS))
    }
}
