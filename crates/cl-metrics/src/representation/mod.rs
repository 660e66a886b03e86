//! A network that goes on learning, seen from inside: whether the gradients of two tasks agree, and whether its
//! activations stay alike, both along the timesteps.

pub mod cka;
mod gradients;

pub use cka::{CkaConfig, Gram, linear_cka};
pub use gradients::{GradientConfig, cosine, gradient_in};
