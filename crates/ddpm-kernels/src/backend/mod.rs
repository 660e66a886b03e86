//! The extension trait, implemented for each backend.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

// In f64 for the sake of comparison: with the default bodies it is what the kernels are held against.
#[cfg(feature = "ndarray")]
impl crate::Kernels for burn_ndarray::NdArray<f64> {}

// The GPU kernels are implemented for every runtime; these are those that the features promise.
#[cfg(feature = "wgpu")]
const _: fn() = has_kernels::<crate::gpu::Wgpu>;
#[cfg(feature = "cuda")]
const _: fn() = has_kernels::<crate::gpu::Cuda>;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn has_kernels<B: crate::Kernels>() {}
