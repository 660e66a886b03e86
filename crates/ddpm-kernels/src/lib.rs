//! The operations in which a diffusion UNet spends its time, as one backend-extension trait on Burn.
//!
//! [`Kernels`] has a default body for every operation, composed of Burn's own, so that any Burn backend works;
//! a backend with something faster overrides the operation, forward and backward: `cpu` does so for the two CPU
//! backends, `gpu` for Burn's backends on CUDA and wgpu without Burn's fusion (`gpu::Cuda`, `gpu::Wgpu`). Under autodiff
//! the operations are single nodes with these backward passes. Models are generic over
//! `B: Kernels`, code that trains over `B: TrainBackend`, and never over one backend.
//!
//! ```
//! use burn::tensor::Tensor;
//! use ddpm_kernels::{GroupNorm, Kernels};
//!
//! fn activate<B: Kernels>(x: Tensor<B, 4>, weight: Tensor<B, 1>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
//!     B::group_norm_silu(x, GroupNorm { weight, bias, groups: 8, eps: 1e-5 })
//! }
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
