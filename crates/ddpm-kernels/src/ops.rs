//! The backend-extension trait: what a UNet's training step consists of, with default bodies in Burn's own ops.

use burn::tensor::{
    Tensor, TensorPrimitive,
    activation::{sigmoid, silu, softmax},
    backend::{AutodiffBackend, Backend},
    module::{conv2d, interpolate},
    ops::{ConvOptions, FloatTensor, InterpolateMode, InterpolateOptions},
};

/// What is asked of a normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// The number of groups; it divides the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// A backend with the operations that a diffusion model spends its time in.
///
/// All tensors are f32 in NCHW order. The semantics of every operation are those of PyTorch's operation of the
/// same name; a misuse of shapes panics, as it does in Burn.
pub trait Kernels: Backend {
    /// 2-D convolution with a square kernel and symmetric zero padding.
    ///
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, `weight`: `[c_out, c_in, k, k]`, `bias`: `[c_out]`
    /// - output: `[n, c_out, (h + 2 padding - k) / stride + 1, ..]`
    fn convolve_2d(
        x: Tensor<Self, 4>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        conv2d(x, weight, Some(bias), options)
    }

    /// The gradients of [`convolve_2d`](Self::convolve_2d) with respect to `x` (where `with_x`), weight and bias.
    ///
    /// # Shapes
    /// - `grad`: that of the output; results: those of `x`, `weight` and the bias
    fn convolve_2d_backward(
        x: Tensor<Self, 4>,
        weight: Tensor<Self, 4>,
        grad: Tensor<Self, 4>,
        stride: usize,
        padding: usize,
        with_x: bool,
    ) -> (Option<Tensor<Self, 4>>, Tensor<Self, 4>, Tensor<Self, 1>) {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        let bias_grad = grad.clone().sum_dim(0).sum_dim(2).sum_dim(3).flatten(0, 3);
        let (x, weight, grad) = (float(x), float(weight), float(grad));
        let x_grad = with_x.then(|| {
            tensor(Self::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone()))
        });
        (x_grad, tensor(Self::conv2d_weight_backward(x, weight, grad, options)), bias_grad)
    }

    /// Group normalisation of flattened feature maps, with SiLU behind it or not: what a backend overrides to have
    /// [`group_norm`](Self::group_norm) and [`group_norm_silu`](Self::group_norm_silu).
    ///
    /// # Shapes
    /// - `x` and output: `[n, c, length]`; `weight`, `bias`: `[c]`
    fn normalize(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        norm: Norm,
    ) -> Tensor<Self, 3> {
        let [_, c, _] = x.dims();
        let (x_hat, _) = standardize(x, norm);
        let y = x_hat * weight.reshape([1, c, 1]) + bias.reshape([1, c, 1]);
        if norm.silu { Self::silu(y) } else { y }
    }

    /// The gradients of [`normalize`](Self::normalize) with respect to `x`, weight and bias. Statistics and
    /// activation are computed again rather than kept.
    ///
    /// # Shapes
    /// - `grad`: `[n, c, length]`; results: those of `x`, `weight` and `bias`
    fn normalize_backward(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        grad: Tensor<Self, 3>,
        norm: Norm,
    ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let [n, c, length] = x.dims();
        let (x_hat, inverse_std) = standardize(x, norm);
        let weight = weight.reshape([1, c, 1]);
        let grad = if norm.silu {
            let y = x_hat.clone() * weight.clone() + bias.reshape([1, c, 1]);
            let s = sigmoid(y.clone());
            grad * (s.clone() * (y * (s.neg() + 1.0) + 1.0))
        } else {
            grad
        };
        let bias_grad = grad.clone().sum_dim(0).sum_dim(2).flatten(0, 2);
        let weight_grad = (grad.clone() * x_hat.clone()).sum_dim(0).sum_dim(2).flatten(0, 2);
        let grouped = [n, norm.groups, c / norm.groups * length];
        let g = (grad * weight).reshape(grouped);
        let x_hat = x_hat.reshape(grouped);
        let along = (g.clone() * x_hat.clone()).mean_dim(2);
        let x_grad = (g.clone() - g.mean_dim(2) - x_hat * along) * inverse_std;
        (x_grad.reshape([n, c, length]), weight_grad, bias_grad)
    }

    /// Group normalisation (Wu & He 2018) with an affine map per channel; the variance is the biased one.
    ///
    /// # Shapes
    /// - `x` and output: `[n, c, ..]` of any rank `D >= 2`; `weight`, `bias`: `[c]`, where `groups` divides `c`
    fn group_norm<const D: usize>(
        x: Tensor<Self, D>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        groups: usize,
        eps: f64,
    ) -> Tensor<Self, D> {
        flattened(x, |x| Self::normalize(x, weight, bias, Norm { groups, eps, silu: false }))
    }

    /// [`group_norm`](Self::group_norm) followed by [SiLU](Self::silu): the pair in front of every convolution
    /// of a residual block.
    ///
    /// # Shapes
    /// As `group_norm`.
    fn group_norm_silu<const D: usize>(
        x: Tensor<Self, D>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        groups: usize,
        eps: f64,
    ) -> Tensor<Self, D> {
        flattened(x, |x| Self::normalize(x, weight, bias, Norm { groups, eps, silu: true }))
    }

    /// `x * sigmoid(x)`, elementwise.
    ///
    /// # Shapes
    /// - `x` and output: any
    fn silu<const D: usize>(x: Tensor<Self, D>) -> Tensor<Self, D> {
        silu(x)
    }

    /// `x weight^T + bias`, with the weight as PyTorch stores it.
    ///
    /// # Shapes
    /// - `x`: `[.., d_in]`, `weight`: `[d_out, d_in]`, `bias`: `[d_out]`; output: `[.., d_out]`
    fn affine<const D: usize>(
        x: Tensor<Self, D>,
        weight: Tensor<Self, 2>,
        bias: Tensor<Self, 1>,
    ) -> Tensor<Self, D> {
        let mut dims = x.dims();
        let [d_out, d_in] = weight.dims();
        let rows = dims[..D - 1].iter().product();
        let y = x.reshape([rows, d_in]).matmul(weight.transpose()) + bias.unsqueeze();
        dims[D - 1] = d_out;
        y.reshape(dims)
    }

    /// Scaled dot-product attention, `softmax(q k^T scale) v`, over all positions.
    ///
    /// # Shapes
    /// - `q`, `k`, `v` and output: `[n, heads, length, d]`
    fn dot_product_attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        softmax(q.mul_scalar(scale).matmul(k.swap_dims(2, 3)), 3).matmul(v)
    }

    /// The gradients of [`dot_product_attention`](Self::dot_product_attention) with respect to `q`, `k` and `v`. The
    /// weights are computed again rather than kept.
    ///
    /// # Shapes
    /// - all: `[n, heads, length, d]`
    fn dot_product_attention_backward(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        grad: Tensor<Self, 4>,
        scale: f64,
    ) -> [Tensor<Self, 4>; 3] {
        let p = softmax(q.clone().mul_scalar(scale).matmul(k.clone().swap_dims(2, 3)), 3);
        let v_grad = p.clone().swap_dims(2, 3).matmul(grad.clone());
        let p_grad = grad.matmul(v.swap_dims(2, 3));
        let mean = (p.clone() * p_grad.clone()).sum_dim(3);
        let logits_grad = (p * (p_grad - mean)).mul_scalar(scale);
        [logits_grad.clone().matmul(k), logits_grad.swap_dims(2, 3).matmul(q), v_grad]
    }

    /// Nearest-neighbour upsampling to twice the height and width.
    ///
    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, c, 2 h, 2 w]`
    fn upsample_nearest_2x(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let [_, _, h, w] = x.dims();
        interpolate(x, [2 * h, 2 * w], InterpolateOptions::new(InterpolateMode::Nearest))
    }
}

/// A backend that trains: it differentiates, and the backend inside has the kernels as well.
///
/// One name for the bound that every function that trains would have to spell out.
pub trait TrainBackend: AutodiffBackend<InnerBackend: Kernels> + Kernels {}

impl<B> TrainBackend for B where B: AutodiffBackend<InnerBackend: Kernels> + Kernels {}

pub(crate) fn float<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// Applies an operation on `[n, c, length]` to `[n, c, ..]`.
fn flattened<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    operation: impl FnOnce(Tensor<B, 3>) -> Tensor<B, 3>,
) -> Tensor<B, D> {
    let dims = x.dims();
    let (n, c) = (dims[0], dims[1]);
    operation(x.reshape([n, c, dims[2..].iter().product()])).reshape(dims)
}

/// Zero mean and unit variance in every group `[n, c, length]`, and the inverse standard deviations `[n, groups, 1]`.
fn standardize<B: Backend>(x: Tensor<B, 3>, norm: Norm) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let dims = x.dims();
    let [n, c, length] = dims;
    let Norm { groups, eps, .. } = norm;
    assert!(groups > 0 && c % groups == 0, "group_norm: {groups} groups do not divide {c} channels");
    let x = x.reshape([n, groups, c / groups * length]);
    let x = x.clone() - x.mean_dim(2);
    let variance = x.clone().powi_scalar(2).mean_dim(2);
    let inverse_std = variance.add_scalar(eps).sqrt().recip();
    ((x * inverse_std.clone()).reshape(dims), inverse_std)
}
