//! Products summed in f32, of factors in the precision in use.

use burn::tensor::{DType, Tensor, backend::Backend};
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};

use crate::{
    Addend, Convolve, ConvolveBackward, Joined, Kernels, Precision,
    defaults::plus,
    gpu::{
        Added, Convolution, InputGrad, WeightGrad, channels_first, channels_last, is_large, mirrored,
        multiply, rows_along, sum_channels, transposed,
    },
    ops::{float, tensor},
};

/// Whether factors are multiplied as they are.
fn exactly() -> bool {
    Precision::current() == Precision::F32
}

pub(super) fn product<R, B, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D>
where
    R: CubeRuntime,
    B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
{
    let (numbers, columns) = (a.shape().num_elements(), b.dims()[D - 1]);
    if factors() == DType::F32 || !is_large(numbers, columns) {
        return tensor(multiply(float(B::factor(a)), float(B::factor(b)), exactly()));
    }
    product_along(a, b)
}

/// With what is summed one after another in both factors, as the fastest kernels want it.
pub(super) fn product_along<R, B, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D>
where
    R: CubeRuntime,
    B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
{
    let a = rows_along(float(a), factors());
    let b = transposed(rows_along(transposed(float(b)), factors()));
    tensor(multiply(a, b, exactly()))
}

pub(super) fn convolve<R, B>(convolution: Convolve<B>, addend: Addend<B>) -> Tensor<B, 4>
where
    R: CubeRuntime,
    B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
{
    let Convolve { x, weight, bias, stride, padding } = convolution;
    let x = x.into_tensor();
    let ([n, c_in, h, w], [c_out, w_in, k_h, k_w]) = (x.dims(), weight.dims());
    assert!(c_in == w_in, "convolve_2d: weight {:?} does not fit x {:?}", weight.dims(), x.dims());
    let size = |size: usize, kernel: usize| (size + 2 * padding - kernel) / stride + 1;
    let dims = [n, c_out, size(h, k_h), size(w, k_w)];
    let convolution = Convolution { dims, stride, padding };
    if exactly() {
        let y: Tensor<B, 4> = tensor(convolution.launch(float(x), float(weight), true));
        return plus(y + bias.reshape([1, c_out, 1, 1]), addend);
    }
    let y = convolution.launch(factor(x), factor(weight), false);
    let added = match addend {
        Addend::Nothing => (Added::Nothing, None),
        Addend::Shift(shift) => (Added::Shift, Some(float(shift))),
        Addend::Residual(residual) => (Added::Residual, Some(float(residual))),
    };
    tensor(channels_first(y, Some(float(bias)), added))
}

pub(super) fn convolve_backward<R, B>(
    convolution: ConvolveBackward<B>,
) -> (Option<Joined<B>>, Tensor<B, 4>, Tensor<B, 1>)
where
    R: CubeRuntime,
    B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
{
    let ConvolveBackward { x, weight, grad, stride, padding, with_x } = convolution;
    let (dims, counts, exact) = (x.dims(), x.counts(), exactly());
    let bias_grad = tensor(sum_channels(float(grad.clone())));
    let of_weight = WeightGrad { dims: weight.dims(), stride, padding, factor: factors(), exact };
    let weight_grad = of_weight.launch(float(x.into_tensor()), float(grad.clone()));
    let k = weight.dims()[2];
    let x_grad = with_x.then(|| {
        // It is a convolution, of the output's gradient with the weight turned round, unless zeros were convolved alone.
        if exact || padding >= k {
            let [grad, weight] = [grad, weight].map(|factor| float(B::factor(factor)));
            return InputGrad { dims, stride, padding }.launch(grad, weight);
        }
        let grad = factor(spread(grad, &weight, dims, stride, padding));
        let convolution = Convolution { dims, stride: 1, padding: k - 1 - padding };
        let weight = mirrored(float(weight), factors());
        channels_first(convolution.launch(grad, weight, false), None, (Added::Nothing, None))
    });
    (x_grad.map(|grad| Joined::split(tensor(grad), counts)), tensor(weight_grad), bias_grad)
}

/// A factor for tensor cores, which read its channels one after another.
fn factor<R, B>(x: Tensor<B, 4>) -> CubeTensor<R>
where
    R: CubeRuntime,
    B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
{
    channels_last(float(x), factors())
}

/// The type of factors.
fn factors() -> DType {
    match Precision::current() {
        Precision::F32 | Precision::Tf32 => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    }
}

/// The gradient of the output of a convolution without a stride, of which one with a stride keeps every so many rows and
/// columns: zeros are between them.
///
/// # Shapes
/// - `x`: the dimensions of the convolution's input, `[n, c_in, h, w]`
/// - result: `[n, c_out, h + 2 padding - k_h + 1, w + 2 padding - k_w + 1]`
fn spread<B: Backend>(
    grad: Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    x: [usize; 4],
    stride: usize,
    padding: usize,
) -> Tensor<B, 4> {
    if stride == 1 {
        return grad;
    }
    let ([n, c, h, w], [.., k_h, k_w]) = (grad.dims(), weight.dims());
    let zeros = Tensor::zeros([n, c, h, stride, w, stride], (&grad.device(), grad.dtype()));
    let place = [0..n, 0..c, 0..h, 0..1, 0..w, 0..1];
    let spread = zeros.slice_assign(place, grad.reshape([n, c, h, 1, w, 1]));
    let size = |size: usize, kernel: usize| 0..size + 2 * padding - kernel + 1;
    spread.reshape([n, c, h * stride, w * stride]).slice([0..n, 0..c, size(x[2], k_h), size(x[3], k_w)])
}
