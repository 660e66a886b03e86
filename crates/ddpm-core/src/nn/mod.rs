//! Layers with PyTorch's parameter names and layouts, initialised from keyed draws.
//!
//! Burn's own layers store a linear weight transposed, call a norm's weight `gamma` and draw their initial values
//! lazily from a generator that is global to the process. These store parameters as a PyTorch checkpoint does, so
//! that loading one is a copy by name, and draw them from a [`Key`](crate::noise::Key), so that a seed
//! gives the same model on every backend. Their forwards go through [`Kernels`](ddpm_kernels::Kernels).

mod activation;
mod conv;
mod embedding;
mod group_norm;
mod init;
mod linear;

pub use activation::Activation;
pub use conv::Conv2d;
pub use embedding::Embedding;
pub use group_norm::GroupNorm;
pub use init::Initializer;
pub use linear::Linear;
