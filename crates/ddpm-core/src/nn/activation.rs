//! The activation functions that diffusers' UNets can be configured with.

use burn::tensor::{Tensor, activation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Kernels;

/// diffusers' `act_fn`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `x sigmoid(x)`
    #[default]
    #[serde(alias = "swish")]
    Silu,
    /// `x tanh(softplus(x))`
    Mish,
    /// `x Phi(x)`, the exact form
    Gelu,
    /// `max(x, 0)`
    Relu,
}

impl Activation {
    /// The function, elementwise.
    ///
    /// # Shapes
    /// - `x` and output: any
    pub fn forward<B: Kernels, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Silu => B::silu(x),
            Self::Mish => activation::mish(x),
            // Composed, because the backward pass of Burn's own is that of the tanh approximation.
            Self::Gelu => x.clone() * (x.div_scalar(std::f64::consts::SQRT_2).erf() + 1.0) * 0.5,
            Self::Relu => activation::relu(x),
        }
    }
}
