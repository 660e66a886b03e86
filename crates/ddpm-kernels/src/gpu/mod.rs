//! Kernels for GPUs, written once in CubeCL for every runtime of it: CUDA, and through wgpu Vulkan, Metal and others.

mod adamw;
mod convolution;
#[cfg(all(test, feature = "cuda"))]
mod cuda_source;
mod fusion;
mod group_norm;
mod launch;
mod products;
mod sums;
mod tensor_cores;
mod weight_grad;

/// A number that changes when what is compiled for a GPU from this crate does: compiled kernels are kept under their names.
pub const SOURCES: u64 = {
    let sources: [&[u8]; 4] = [
        include_bytes!("adamw.rs"),
        include_bytes!("convolution.rs"),
        include_bytes!("group_norm.rs"),
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

pub(crate) use fusion::{Launch, Lazy, register};
pub(crate) use launch::{Normalize, NormalizeBackward, Step, SumMaps};
pub(crate) use products::{Convolution, Part, Product, has_tf32, product_shape};
pub(crate) use weight_grad::WeightGrad;
