//! Instances of Burn's generic operations on a GPU, compiled once and apart from what uses them. Nobody calls them.
//!
//! Burn's GPU backends are generic over CubeCL's runtime, so that the crate that names a runtime compiles the code of all
//! kernels: products of matrices, convolutions and reductions with every way to cut them. In `cldiff-engine` that was a
//! third of a cold build, on its critical path, and again with each changed strategy. Where generic code is shared between
//! crates (rustc's `share-generics`, on at the optimisation levels 0 and 1), the engine links to these instances instead.
//!
//! They are of the wgpu runtime. The code that describes a kernel depends on no runtime, and the engine on CUDA shares it;
//! CUDA's launches stay in the engine, which is optimised more. A release build shares no generic code: this crate is
//! empty there.

#[cfg(all(feature = "wgpu", debug_assertions))]
mod instances;
#[cfg(all(feature = "wgpu", debug_assertions))]
pub use instances::{convolve, ours, product, quantize, reduce};
