//! Which backends have the extension trait.

#[cfg(feature = "cpu")]
mod cpu;

// On the GPU the default bodies run, forward and backward as a few fused kernels each. With fusion on, `Wgpu` and
// `Cuda` are aliases of `Fusion<CubeBackend<..>>`.
#[cfg(feature = "wgpu")]
impl crate::Kernels for burn_wgpu::Wgpu<f32, i32> {}

#[cfg(feature = "cuda")]
impl crate::Kernels for burn_cuda::Cuda<f32, i32> {}

// In f64 for the sake of comparison: with the default bodies it is what the kernels are held against.
#[cfg(feature = "ndarray")]
impl crate::Kernels for burn_ndarray::NdArray<f64> {}
