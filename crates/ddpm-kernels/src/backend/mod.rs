//! Which backends have the extension trait.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

// In f64 for the sake of comparison: with the default bodies it is what the kernels are held against.
#[cfg(feature = "ndarray")]
impl crate::Kernels for burn_ndarray::NdArray<f64> {}
