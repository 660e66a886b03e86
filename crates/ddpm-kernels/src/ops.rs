//! The backend-extension trait: what a UNet's training step consists of, with default bodies in Burn's own ops.

use burn::tensor::{
    Tensor, TensorPrimitive,
    activation::{sigmoid, silu, softmax},
    backend::{AutodiffBackend, Backend},
    module::interpolate,
    ops::{FloatTensor, InterpolateMode, InterpolateOptions},
};

use crate::{
    ActivateConvolve, ActivateConvolveBackward, ActivateConvolveGrads, AdamW, AdamWState, Addend,
    AttentionBackward, Convolve, ConvolveBackward, GroupNorm, Joined, Norm, NormalizeBackward,
    defaults::{
        activate_then_convolve, activate_then_convolve_backward, convolve, convolve_backward, flattened,
        multiply, plus, standardize,
    },
    precision::{Precision, cast},
};

/// A backend with the operations that a diffusion model spends its time in.
///
/// All tensors are f32 in NCHW order. The semantics of every operation are those of PyTorch's operation of the
/// same name; a misuse of shapes panics, as it does in Burn.
pub trait Kernels: Backend {
    /// Whether convolutions read the channels of their input from two tensors ([`Joined::Two`]) without joining them.
    const READS_TWO: bool = false;

    /// A tensor as convolutions, linear layers and attention multiply it, by the [`Precision`](crate::Precision) in use.
    ///
    /// # Shapes
    /// - `x` and output: any
    fn factor<const D: usize>(x: Tensor<Self, D>) -> Tensor<Self, D> {
        cast(x)
    }

    /// A matrix product, as linear layers and attention take it, in the [`Precision`](crate::Precision) in use.
    ///
    /// # Shapes
    /// - `a`: `[.., n, k]`, `b`: `[.., k, m]`; output: `[.., n, m]`
    fn product<const D: usize>(a: Tensor<Self, D>, b: Tensor<Self, D>) -> Tensor<Self, D> {
        multiply(a, b)
    }

    /// [`product`](Self::product) in f32, whatever precision is in use: of weights with each other, and in what measures.
    ///
    /// # Shapes
    /// As `product`.
    fn product_in_f32<const D: usize>(a: Tensor<Self, D>, b: Tensor<Self, D>) -> Tensor<Self, D> {
        Precision::F32.within(|| Self::product(a, b))
    }

    /// Whether the device's tensor cores round the factors of f32 products to TF32 unless
    /// [`Precision::F32`](crate::Precision) keeps them from it.
    fn has_tf32(_device: &Self::Device) -> bool {
        false
    }

    /// Bytes that the backend holds of a device's own memory, used or kept for later; none where that is the process's.
    fn reserved_memory(_device: &Self::Device) -> Option<u64> {
        None
    }

    /// 2-D convolution with a square kernel and symmetric zero padding.
    ///
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, `weight`: `[c_out, c_in, k, k]`, `bias`: `[c_out]`
    /// - output: `[n, c_out, (h + 2 padding - k) / stride + 1, ..]`
    fn convolve_2d(convolution: Convolve<Self>) -> Tensor<Self, 4> {
        convolve(convolution)
    }

    /// [`convolve_2d`](Self::convolve_2d), plus something.
    ///
    /// # Shapes
    /// As `convolve_2d`, and [`Addend`]
    fn convolve_2d_plus(convolution: Convolve<Self>, addend: Addend<Self>) -> Tensor<Self, 4> {
        plus(Self::convolve_2d(convolution), addend)
    }

    /// A stage of a residual block: a normalisation of `x` with weight and bias `affine` (and SiLU), a convolution with a
    /// kernel of 3 x 3 over it, and what is added to its output. Where a backend normalises while it packs the
    /// convolution's input, the normalised tensor is nowhere stored, for the backward pass neither.
    ///
    /// # Shapes
    /// - `x`: `[n, c_in, h, w]`, `affine`: `[c_in]`, `weight`: `[c_out, c_in, 3, 3]`, `bias`: `[c_out]`
    /// - output: `[n, c_out, h, w]`
    fn activate_convolve_2d(stage: ActivateConvolve<Self>) -> Tensor<Self, 4> {
        activate_then_convolve(stage)
    }

    /// The gradients of [`activate_convolve_2d`](Self::activate_convolve_2d); the normalised tensor is computed again.
    ///
    /// # Shapes
    /// - `grad`: that of the output; results: those of what they belong to
    fn activate_convolve_2d_backward(stage: ActivateConvolveBackward<Self>) -> ActivateConvolveGrads<Self> {
        activate_then_convolve_backward(stage)
    }

    /// The sum of each feature map.
    ///
    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, c]`
    fn sum_pixels(x: Tensor<Self, 4>) -> Tensor<Self, 2> {
        x.sum_dim(3).sum_dim(2).flatten::<3>(2, 3).flatten(1, 2)
    }

    /// The gradients of [`convolve_2d`](Self::convolve_2d) with respect to `x` (where `with_x`), weight and bias.
    ///
    /// # Shapes
    /// - `grad`: that of the output; results: those of `x`, `weight` and the bias
    fn convolve_2d_backward(
        convolution: ConvolveBackward<Self>,
    ) -> (Option<Joined<Self>>, Tensor<Self, 4>, Tensor<Self, 1>) {
        convolve_backward(convolution)
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
        normalization: NormalizeBackward<Self>,
    ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let NormalizeBackward { x, weight, bias, grad, norm } = normalization;
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
    fn group_norm<const D: usize>(x: Tensor<Self, D>, norm: GroupNorm<Self>) -> Tensor<Self, D> {
        let GroupNorm { weight, bias, groups, eps } = norm;
        flattened(x, |x| Self::normalize(x, weight, bias, Norm { groups, eps, silu: false }))
    }

    /// [`group_norm`](Self::group_norm) followed by [SiLU](Self::silu): the pair in front of every convolution
    /// of a residual block.
    ///
    /// # Shapes
    /// As `group_norm`.
    fn group_norm_silu<const D: usize>(x: Tensor<Self, D>, norm: GroupNorm<Self>) -> Tensor<Self, D> {
        let GroupNorm { weight, bias, groups, eps } = norm;
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
        let y = Self::product(x.reshape([rows, d_in]), weight.transpose()) + bias.unsqueeze();
        dims[D - 1] = d_out;
        y.reshape(dims)
    }

    /// The gradients of [`affine`](Self::affine) with respect to `x`, weight and bias.
    ///
    /// # Shapes
    /// - `x`: `[n, rows, d_in]`, `grad`: `[n, rows, d_out]`; results: those of `x`, `weight` and the bias
    fn affine_backward(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 2>,
        grad: Tensor<Self, 3>,
    ) -> (Tensor<Self, 3>, Tensor<Self, 2>, Tensor<Self, 1>) {
        let ([n, rows, d_in], [d_out, _]) = (x.dims(), weight.dims());
        let grad = grad.reshape([n * rows, d_out]);
        let weight_grad = Self::product(grad.clone().transpose(), x.reshape([n * rows, d_in]));
        let bias_grad = grad.clone().sum_dim(0).reshape([d_out]);
        (Self::product(grad, weight).reshape([n, rows, d_in]), weight_grad, bias_grad)
    }

    /// Scaled dot-product attention over all positions, each a column: `v softmax(scale q^T k)^T`. Channels come before
    /// positions, as in a feature map.
    ///
    /// # Shapes
    /// - `q`, `k`, `v` and output: `[n, heads, d, length]`
    fn dot_product_attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        let p = softmax(Self::product(q.mul_scalar(scale).swap_dims(2, 3), k), 3);
        Self::product(v, p.swap_dims(2, 3))
    }

    /// The gradients of [`dot_product_attention`](Self::dot_product_attention) with respect to `q`, `k` and `v`. The
    /// weights are computed again rather than kept.
    ///
    /// # Shapes
    /// - all: `[n, heads, d, length]`
    fn dot_product_attention_backward(attention: AttentionBackward<Self>) -> [Tensor<Self, 4>; 3] {
        let AttentionBackward { q, k, v, grad, scale } = attention;
        let p = softmax(Self::product(q.clone().mul_scalar(scale).swap_dims(2, 3), k.clone()), 3);
        let v_grad = Self::product(grad.clone(), p.clone());
        let p_grad = Self::product(grad.swap_dims(2, 3), v);
        let mean = (p.clone() * p_grad.clone()).sum_dim(3);
        let logits_grad = (p * (p_grad - mean)).mul_scalar(scale);
        [Self::product(k, logits_grad.clone().swap_dims(2, 3)), Self::product(q, logits_grad), v_grad]
    }

    /// Nearest-neighbour upsampling to twice the height and width.
    ///
    /// # Shapes
    /// - `x`: `[n, c, h, w]`; output: `[n, c, 2 h, 2 w]`
    fn upsample_nearest_2x(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let [_, _, h, w] = x.dims();
        interpolate(x, [2 * h, 2 * w], InterpolateOptions::new(InterpolateMode::Nearest))
    }

    /// The gradient of [`upsample_nearest_2x`](Self::upsample_nearest_2x): sums of four pixels.
    ///
    /// # Shapes
    /// - `grad`: `[n, c, 2 h, 2 w]`; output: `[n, c, h, w]`
    fn upsample_nearest_2x_backward(grad: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let [n, c, h, w] = grad.dims();
        grad.reshape([n * c, h / 2, 2, w / 2, 2]).sum_dim(4).sum_dim(2).reshape([n, c, h / 2, w / 2])
    }

    /// The channels of `a`, then those of `b`, for a convolution to read: a skip connection, without a copy where the
    /// backend [can](Self::READS_TWO).
    ///
    /// # Shapes
    /// - `a`: `[n, c_a, h, w]`, `b`: `[n, c_b, h, w]`; output: `[n, c_a + c_b, h, w]`
    fn join_channels(a: Tensor<Self, 4>, b: Tensor<Self, 4>) -> Joined<Self> {
        if Self::READS_TWO { Joined::Two([a, b]) } else { Joined::One(Self::concat_channels(a, b)) }
    }

    /// The channels of `a`, then those of `b`, in one tensor.
    ///
    /// # Shapes
    /// - `a`: `[n, c_a, h, w]`, `b`: `[n, c_b, h, w]`; output: `[n, c_a + c_b, h, w]`
    fn concat_channels(a: Tensor<Self, 4>, b: Tensor<Self, 4>) -> Tensor<Self, 4> {
        Tensor::cat(vec![a, b], 1)
    }

    /// The gradients of [`concat_channels`](Self::concat_channels), of which the first has `c_a` channels.
    ///
    /// # Shapes
    /// - `grad`: `[n, c, h, w]`; results: `[n, c_a, h, w]` and `[n, c - c_a, h, w]`
    fn concat_channels_backward(grad: Tensor<Self, 4>, c_a: usize) -> [Tensor<Self, 4>; 2] {
        let c = grad.dims()[1];
        [grad.clone().narrow(1, 0, c_a), grad.narrow(1, c_a, c - c_a)]
    }

    /// The sum of the squares of all numbers.
    ///
    /// # Shapes
    /// - `x`: `[m]`; output: `[1]`
    fn sum_of_squares(x: Tensor<Self, 1>) -> Tensor<Self, 1> {
        (x.clone() * x).sum()
    }

    /// [`sum_of_squares`](Self::sum_of_squares) of all numbers of all tensors; none of no tensors.
    fn sum_of_all_squares(tensors: Vec<Tensor<Self, 1>>) -> Option<Tensor<Self, 1>> {
        tensors.into_iter().map(Self::sum_of_squares).reduce(|a, b| a + b)
    }

    /// A step of AdamW with gradients times `scale`, and of the moving average.
    ///
    /// # Shapes
    /// - `grad`: `[m]`, as all of `state`; `scale`: `[1]`
    fn adamw(
        adamw: AdamW,
        scale: Option<Tensor<Self, 1>>,
        grad: Tensor<Self, 1>,
        state: AdamWState<Self>,
    ) -> AdamWState<Self> {
        let (rate, root, epsilon, keep, weight) = adamw.factors();
        let grad = match scale {
            Some(scale) => grad * scale,
            None => grad,
        };
        let moment_1 = state.moment_1 * adamw.beta_1 + grad.clone() * (1.0 - adamw.beta_1);
        let moment_2 = state.moment_2 * adamw.beta_2 + grad.clone() * grad * (1.0 - adamw.beta_2);
        let step = moment_1.clone() * rate / (moment_2.clone().sqrt() * root + epsilon);
        let value = state.value * keep - step;
        let average = state.average.clone() + (value.clone() - state.average) * weight;
        AdamWState { value, moment_1, moment_2, average }
    }

    /// [`adamw`](Self::adamw) of several parameters with one scale: each with its gradient and its state.
    fn adamw_of_all(
        scale: Option<Tensor<Self, 1>>,
        parameters: Vec<(AdamW, Tensor<Self, 1>, AdamWState<Self>)>,
    ) -> Vec<AdamWState<Self>> {
        let step = |(adamw, grad, state)| Self::adamw(adamw, scale.clone(), grad, state);
        parameters.into_iter().map(step).collect()
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
