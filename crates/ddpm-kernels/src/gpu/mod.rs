//! Kernels for GPUs, written once in CubeCL for every runtime of it: CUDA, and through wgpu Vulkan, Metal and others.

mod adamw;
#[cfg(all(test, feature = "cuda"))]
mod cuda_source;
mod exact;
mod fusion;
mod group_norm;
mod launch;
mod sums;

pub(crate) use exact::{Convolution, ConvolutionGradX, Product, has_tf32, product_shape};
pub(crate) use fusion::{Lazy, register};
pub(crate) use launch::{Normalize, NormalizeBackward, Step};
