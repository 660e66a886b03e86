//! Kernels for GPUs, written once in CubeCL for every runtime of it: CUDA, and through wgpu Vulkan, Metal and others.

mod adamw;
#[cfg(all(test, feature = "cuda"))]
mod cuda_source;
mod fusion;
mod group_norm;
mod launch;
mod products;
mod sums;
mod tensor_cores;

pub(crate) use fusion::{Lazy, register};
pub(crate) use launch::{Normalize, NormalizeBackward, Step};
pub(crate) use products::{Convolution, Part, Product, has_tf32, product_shape};
