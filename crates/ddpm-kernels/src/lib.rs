//! The operations in which a diffusion UNet spends its time, as one backend-extension trait on Burn.
//!
//! [`Kernels`] has a default body for every operation, composed of Burn's own, so that any Burn backend works;
//! a backend with something faster overrides the operation, forward and backward: `cpu` does so for the two CPU
//! backends, `gpu` for Burn's backends on CUDA and wgpu without Burn's fusion (`gpu::Cuda`, `gpu::Wgpu`). Under autodiff
//! the operations are single nodes with these backward passes. Models are generic over
//! `B: Kernels`, code that trains over `B: TrainBackend`, and never over one backend.
//!
//! # A kernel beside its definition
//!
//! With the feature `flex`, group normalisation and SiLU are one pass over the data on the backend Flex:
//!
#![cfg_attr(feature = "flex", doc = "```")]
#![cfg_attr(not(feature = "flex"), doc = "```ignore")]
//! use burn::tensor::{Distribution, Tensor, activation::silu};
//! use burn_flex::Flex;
//! use ddpm_kernels::{GroupNorm, Kernels};
//!
//! fn activate<B: Kernels>(x: Tensor<B, 4>, weight: Tensor<B, 1>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
//!     B::group_norm_silu(x, GroupNorm { weight, bias, groups: 2, eps: 1e-5 })
//! }
//!
//! let device = Default::default();
//! let x = Tensor::<Flex, 4>::random([3, 8, 5, 5], Distribution::Default, &device);
//! let weight = Tensor::random([8], Distribution::Default, &device);
//! let bias = Tensor::random([8], Distribution::Default, &device);
//!
//! // The definition, in Burn's operations: each of the two groups has a mean of 0 and a variance of 1.
//! let groups = x.clone().reshape([3, 2, 4 * 5 * 5]);
//! let (variance, mean) = groups.clone().var_mean_bias(2);
//! let x_hat = ((groups - mean) / (variance + 1e-5).sqrt()).reshape([3, 8, 5, 5]);
//! let affine = |values: &Tensor<Flex, 1>| values.clone().reshape([1, 8, 1, 1]);
//! let expected = silu(x_hat * affine(&weight) + affine(&bias));
//!
//! let difference = (activate(x, weight, bias) - expected).abs().max().into_scalar();
//! assert!(difference < 1e-4, "{difference}");
//! ```

mod arguments;
mod autodiff;
mod backend;
#[cfg(feature = "cpu")]
pub mod cpu;
mod defaults;
mod floats;
#[cfg(feature = "gpu")]
pub mod gpu;
mod joined;
mod ops;
mod precision;

pub use arguments::{
    ActivateConvolve, ActivateConvolveBackward, ActivateConvolveGrads, AdamW, AdamWState, Addend,
    AttentionBackward, Convolve, ConvolveBackward, GroupNorm, Norm, NormalizeBackward,
};
pub use floats::{float_dtype, floats_on};
pub use joined::Joined;
pub use ops::{Kernels, TrainBackend};
pub use precision::Precision;
