//! Which backends have the extension trait. A backend whose `impl` block is empty runs on the default bodies.

use burn_autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};

use crate::Kernels;

#[cfg(feature = "ndarray")]
impl Kernels for burn_ndarray::NdArray<f32> {}

#[cfg(feature = "flex")]
impl Kernels for burn_flex::Flex {}

// With fusion on, `Wgpu` and `Cuda` are aliases of `Fusion<CubeBackend<..>>`.
#[cfg(feature = "wgpu")]
impl Kernels for burn_wgpu::Wgpu<f32, i32> {}

#[cfg(feature = "cuda")]
impl Kernels for burn_cuda::Cuda<f32, i32> {}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {}
