//! Arguments and results of the operations, beside tensors.

use burn::tensor::{Tensor, backend::Backend};

use crate::Joined;

/// The options of a normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// The number of groups; it divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// A convolution with a square kernel and symmetric zero padding.
#[derive(Debug, Clone)]
pub struct Convolve<B: Backend> {
    /// `[n, c_in, h, w]`, in one tensor or in two.
    pub x: Joined<B>,
    /// `[c_out, c_in, k, k]`
    pub weight: Tensor<B, 4>,
    /// `[c_out]`
    pub bias: Tensor<B, 1>,
    /// The step of the kernel in each direction.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
}

/// The backward pass of a [`Convolve`].
#[derive(Debug, Clone)]
pub struct ConvolveBackward<B: Backend> {
    /// The input of the convolution.
    pub x: Joined<B>,
    /// The weight of the convolution.
    pub weight: Tensor<B, 4>,
    /// The gradient of the output, `[n, c_out, ..]`.
    pub grad: Tensor<B, 4>,
    /// The stride of the convolution.
    pub stride: usize,
    /// The padding of the convolution.
    pub padding: usize,
    /// Whether the gradient with respect to `x` is computed.
    pub with_x: bool,
}

/// A stage of a residual block: a normalisation, a convolution with a kernel of 3 x 3, and what is added to its output.
#[derive(Debug, Clone)]
pub struct ActivateConvolve<B: Backend> {
    /// `[n, c_in, h, w]`, in one tensor or in two.
    pub x: Joined<B>,
    /// Weight and bias of the normalisation, `[c_in]`.
    pub affine: [Tensor<B, 1>; 2],
    /// Groups, epsilon and activation of the normalisation.
    pub norm: Norm,
    /// The weight of the convolution, `[c_out, c_in, 3, 3]`.
    pub weight: Tensor<B, 4>,
    /// The bias of the convolution, `[c_out]`.
    pub bias: Tensor<B, 1>,
    /// The addend of the output.
    pub addend: Addend<B>,
}

/// The backward pass of an [`ActivateConvolve`].
#[derive(Debug, Clone)]
pub struct ActivateConvolveBackward<B: Backend> {
    /// The input of the stage.
    pub x: Joined<B>,
    /// Weight and bias of the normalisation.
    pub affine: [Tensor<B, 1>; 2],
    /// Groups, epsilon and activation of the normalisation.
    pub norm: Norm,
    /// The weight of the convolution.
    pub weight: Tensor<B, 4>,
    /// The gradient of the output, `[n, c_out, h, w]`.
    pub grad: Tensor<B, 4>,
}

/// Groups of channels that are normalised, and the affine map behind the normalisation.
#[derive(Debug, Clone)]
pub struct GroupNorm<B: Backend> {
    /// `[c]`
    pub weight: Tensor<B, 1>,
    /// `[c]`
    pub bias: Tensor<B, 1>,
    /// The number of groups; it divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

/// The backward pass of [`Kernels::normalize`](crate::Kernels::normalize).
#[derive(Debug, Clone)]
pub struct NormalizeBackward<B: Backend> {
    /// The input of the normalisation, `[n, c, length]`.
    pub x: Tensor<B, 3>,
    /// `[c]`
    pub weight: Tensor<B, 1>,
    /// `[c]`
    pub bias: Tensor<B, 1>,
    /// The gradient of the output, `[n, c, length]`.
    pub grad: Tensor<B, 3>,
    /// Groups, epsilon and activation of the normalisation.
    pub norm: Norm,
}

/// The backward pass of [`Kernels::dot_product_attention`](crate::Kernels::dot_product_attention); all tensors are
/// `[n, heads, d, length]`.
#[derive(Debug, Clone)]
pub struct AttentionBackward<B: Backend> {
    /// The queries.
    pub q: Tensor<B, 4>,
    /// The keys.
    pub k: Tensor<B, 4>,
    /// The values.
    pub v: Tensor<B, 4>,
    /// The gradient of the output.
    pub grad: Tensor<B, 4>,
    /// The factor of the products of queries and keys.
    pub scale: f64,
}

/// A step of AdamW (Loshchilov & Hutter 2019, algorithm 2) and of the moving average behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay, in units of the learning rate.
    pub weight_decay: f32,
    /// The number of this parameter's step, from 1.
    pub step: i32,
    /// The weight of the new parameters in the moving average.
    pub average_weight: f64,
}

impl AdamW {
    /// rate, root, epsilon, keep, weight: with m and v the moments, a step is
    /// `p <- keep p - rate m / (root sqrt(v) + epsilon)` and `average <- average + weight (p - average)`.
    pub(crate) fn factors(self) -> (f32, f32, f32, f32, f32) {
        let (beta_1, beta_2) = (f64::from(self.beta_1), f64::from(self.beta_2));
        let rate = self.learning_rate / (1.0 - beta_1.powi(self.step));
        let root = 1.0 / (1.0 - beta_2.powi(self.step)).sqrt();
        let keep = 1.0 - self.learning_rate * f64::from(self.weight_decay);
        (rate as f32, root as f32, self.epsilon, keep as f32, self.average_weight as f32)
    }
}

/// A parameter, its moments and its moving average.
#[derive(Debug, Clone)]
pub struct AdamWState<B: Backend> {
    /// The parameter, flat.
    pub value: Tensor<B, 1>,
    /// The first moment.
    pub moment_1: Tensor<B, 1>,
    /// The second moment.
    pub moment_2: Tensor<B, 1>,
    /// The moving average of the parameter.
    pub average: Tensor<B, 1>,
}

/// An addition to the output of a convolution.
#[derive(Debug, Clone)]
pub enum Addend<B: Backend> {
    /// Nothing.
    Nothing,
    /// A number for each channel of each image, `[n, c_out]`: the time embedding of a residual block.
    Shift(Tensor<B, 2>),
    /// Another feature map, of the shape of the output: the shortcut of a residual block.
    Residual(Tensor<B, 4>),
}

/// The gradients of [`Kernels::activate_convolve_2d`](crate::Kernels::activate_convolve_2d).
#[derive(Debug, Clone)]
pub struct ActivateConvolveGrads<B: Backend> {
    /// With respect to `x`, in as many tensors.
    pub x: Joined<B>,
    /// With respect to weight and bias of the norm.
    pub affine: [Tensor<B, 1>; 2],
    /// With respect to the convolution's weight.
    pub weight: Tensor<B, 4>,
    /// With respect to the convolution's bias.
    pub bias: Tensor<B, 1>,
}
