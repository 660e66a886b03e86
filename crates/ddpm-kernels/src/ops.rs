//! The backend-extension trait: what a UNet's training step consists of, with default bodies in Burn's own ops.

use burn::tensor::{
    Tensor,
    activation::{silu, softmax},
    backend::{AutodiffBackend, Backend},
    module::{conv2d, interpolate},
    ops::{ConvOptions, InterpolateMode, InterpolateOptions},
};

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
        let dims = x.dims();
        let (n, c) = (dims[0], dims[1]);
        assert!(groups > 0 && c % groups == 0, "group_norm: {groups} groups do not divide {c} channels");
        let per_group = dims[1..].iter().product::<usize>() / groups;
        let x = x.reshape([n, groups, per_group]);
        let x = x.clone() - x.mean_dim(2);
        let variance = x.clone().powi_scalar(2).mean_dim(2);
        let x = x * variance.add_scalar(eps).sqrt().recip();
        let x = x.reshape([n, c, per_group * groups / c]);
        (x * weight.reshape([1, c, 1]) + bias.reshape([1, c, 1])).reshape(dims)
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
        Self::silu(Self::group_norm(x, weight, bias, groups, eps))
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
