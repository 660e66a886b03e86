//! CPU kernels over plain slices, shared by every backend that holds its tensors in host memory.
//!
//! Images are spread over rayon's threads, and each number of a result is computed by one thread; sums over images are
//! formed in an order that does not depend on the number of threads, so that results are the same bytes with any number.

pub mod adamw;
pub mod affine;
pub mod attention;
mod awake;
mod channels;
pub mod conv;
pub mod feature_maps;
pub mod group_norm;
mod memory;
mod simd;
#[cfg(test)]
mod test_values;
mod vector;

pub use channels::Channels;
pub use simd::InstructionSet;
