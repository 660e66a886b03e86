//! Kernels for GPUs, written once in CubeCL for every runtime of it: CUDA, and through wgpu Vulkan, Metal and others.

mod adamw;
mod channels_last;
mod convolution;
#[cfg(all(test, feature = "cuda"))]
mod cuda_source;
mod group_norm;
mod joined;
mod launch;
mod multiply;
mod optimizer;
mod products;
mod sums;
mod tensor_cores;
mod tiling;
mod weight_grad;

/// A number that changes when what is compiled for a GPU from this crate does: compiled kernels are kept under their names.
pub const SOURCES: u64 = {
    let sources: [&[u8]; 6] = [
        include_bytes!("adamw.rs"),
        include_bytes!("channels_last.rs"),
        include_bytes!("convolution.rs"),
        include_bytes!("group_norm.rs"),
        include_bytes!("joined.rs"),
        include_bytes!("sums.rs"),
    ];
    // FNV-1a.
    let (mut hash, mut file) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while file < sources.len() {
        let mut byte = 0;
        while byte < sources[file].len() {
            hash = (hash ^ sources[file][byte] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            byte += 1;
        }
        file += 1;
    }
    hash
};

/// Burn's CUDA backend, without its fusion whatever the features of `burn-cuda` are.
#[cfg(feature = "cuda")]
pub type Cuda = burn_cubecl::CubeBackend<cubecl::cuda::CudaRuntime, f32, i32, u8>;

/// Burn's wgpu backend, without its fusion whatever the features of `burn-wgpu` are.
#[cfg(feature = "wgpu")]
pub type Wgpu = burn_cubecl::CubeBackend<burn_wgpu::WgpuRuntime, f32, i32, u32>;

pub(crate) use channels_last::{Added, channels_first, channels_last, mirrored, rows_along, transposed};
pub(crate) use joined::{concat_channels, split_channels};
pub(crate) use launch::{normalize, normalize_backward, sum_channels, sum_positions};
pub(crate) use multiply::{is_large, multiply};
pub(crate) use optimizer::{Parameter, adamw, sum_of_squares};
pub(crate) use products::{Convolution, InputGrad, has_tf32};
pub(crate) use weight_grad::WeightGrad;
