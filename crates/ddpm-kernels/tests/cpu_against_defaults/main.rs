//! The CPU kernels against the trait's default bodies, over random shapes and values, on both CPU backends.

mod common;
mod convolution;
mod linear;
mod maps;
mod norm;
mod optimizer;
mod stage;
mod threads;
