//! Group normalisation (Wu & He 2018), PyTorch's `nn.GroupNorm`.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use ddpm_kernels::Norm;

use super::{Activation, Initializer};
use crate::Kernels;

/// Group normalisation with an affine map per channel; `weight` and `bias` are `[c]`.
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    /// `[c]`
    pub weight: Param<Tensor<B, 1>>,
    /// `[c]`
    pub bias: Param<Tensor<B, 1>>,
    groups: usize,
    eps: f64,
}

impl<B: Backend> GroupNorm<B> {
    /// A norm over `groups` groups of `channels` channels; the groups must divide the channels.
    pub fn new(groups: usize, channels: usize, eps: f64, init: &mut Initializer<B>) -> Self {
        Self { weight: init.constant([channels], 1.0), bias: init.constant([channels], 0.0), groups, eps }
    }
}

impl<B: Kernels> GroupNorm<B> {
    /// # Shapes
    /// - `x` and output: `[n, c, ..]`
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        B::group_norm(x, self.kernel())
    }

    /// The norm and the activation behind it, fused where the backend has the pair.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub fn forward_activated(&self, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        match activation {
            Activation::Silu => B::group_norm_silu(x, self.kernel()),
            other => other.forward(self.forward(x)),
        }
    }

    fn kernel(&self) -> ddpm_kernels::GroupNorm<B> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        ddpm_kernels::GroupNorm { weight, bias, groups: self.groups, eps: self.eps }
    }

    /// Weight and bias, and what else the norm is, for an operation that has the norm (and SiLU) in it.
    pub(crate) fn fused(&self, silu: bool) -> ([Tensor<B, 1>; 2], Norm) {
        ([self.weight.val(), self.bias.val()], Norm { groups: self.groups, eps: self.eps, silu })
    }
}
