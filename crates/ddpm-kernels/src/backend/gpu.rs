//! The GPU kernels as operations of Burn's backend on every CubeCL runtime.

use burn::tensor::Tensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};

use crate::{
    AdamW, AdamWState, Addend, Joined, Kernels, Norm, Precision,
    defaults::{convolve, convolve_backward, multiply, plus},
    gpu,
    ops::{float, tensor},
};

impl<R, B> Kernels for CubeBackend<R, f32, i32, B>
where
    R: CubeRuntime,
    B: BoolElement,
{
    fn has_tf32(device: &Self::Device) -> bool {
        gpu::has_tf32(&R::client(device))
    }

    fn reserved_memory(device: &Self::Device) -> Option<u64> {
        R::client(device).memory_usage().ok().map(|usage| usage.bytes_reserved)
    }

    fn product<const D: usize>(a: Tensor<Self, D>, b: Tensor<Self, D>) -> Tensor<Self, D> {
        if sums_by_ours::<Self>(&a.device()) { summed::product(a, b) } else { multiply(a, b) }
    }

    fn convolve_2d(
        x: impl Into<Joined<Self>>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        Self::convolve_2d_plus(x, weight, bias, Addend::Nothing, stride, padding)
    }

    fn convolve_2d_plus(
        x: impl Into<Joined<Self>>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        addend: Addend<Self>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        if sums_by_ours::<Self>(&bias.device()) {
            summed::convolve(x.into().into_tensor(), weight, bias, addend, stride, padding)
        } else {
            plus(convolve(x.into(), weight, bias, stride, padding), addend)
        }
    }

    fn convolve_2d_backward(
        x: impl Into<Joined<Self>>,
        weight: Tensor<Self, 4>,
        grad: Tensor<Self, 4>,
        stride: usize,
        padding: usize,
        with_x: bool,
    ) -> (Option<Joined<Self>>, Tensor<Self, 4>, Tensor<Self, 1>) {
        if sums_by_ours::<Self>(&grad.device()) {
            summed::convolve_backward(x.into(), weight, grad, stride, padding, with_x)
        } else {
            convolve_backward(x.into(), weight, grad, stride, padding, with_x)
        }
    }

    fn sum_pixels(x: Tensor<Self, 4>) -> Tensor<Self, 2> {
        tensor(gpu::sum_positions(float(x)))
    }

    fn normalize(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        norm: Norm,
    ) -> Tensor<Self, 3> {
        check(x.dims(), weight.dims(), bias.dims(), norm);
        tensor(gpu::normalize(float(x), float(weight), float(bias), norm))
    }

    fn normalize_backward(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        grad: Tensor<Self, 3>,
        norm: Norm,
    ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
        check(x.dims(), weight.dims(), bias.dims(), norm);
        assert_eq!(grad.dims(), x.dims(), "group_norm: the shape of the gradient");
        let affine = [float(weight), float(bias)];
        let [x_grad, weight_grad, bias_grad] = gpu::normalize_backward(float(x), affine, float(grad), norm);
        (tensor(x_grad), tensor(weight_grad), tensor(bias_grad))
    }

    fn sum_of_squares(x: Tensor<Self, 1>) -> Tensor<Self, 1> {
        Self::sum_of_all_squares(vec![x]).expect("a sum of one tensor")
    }

    fn sum_of_all_squares(tensors: Vec<Tensor<Self, 1>>) -> Option<Tensor<Self, 1>> {
        gpu::sum_of_squares(tensors.into_iter().map(float).collect()).map(tensor)
    }

    fn adamw(
        adamw: AdamW,
        scale: Option<Tensor<Self, 1>>,
        grad: Tensor<Self, 1>,
        state: AdamWState<Self>,
    ) -> AdamWState<Self> {
        let mut states = Self::adamw_of_all(scale, vec![(adamw, grad, state)]);
        states.pop().expect("as many states as parameters")
    }

    fn adamw_of_all(
        scale: Option<Tensor<Self, 1>>,
        parameters: Vec<(AdamW, Tensor<Self, 1>, AdamWState<Self>)>,
    ) -> Vec<AdamWState<Self>> {
        let Some((_, grad, _)) = parameters.first() else { return Vec::new() };
        let scale = scale.unwrap_or_else(|| Tensor::ones([1], &grad.device()));
        let parameters = parameters.into_iter().map(|(adamw, grad, state)| {
            let AdamWState { value, moment_1, moment_2, average } = state;
            let state = [value, moment_1, moment_2, average];
            assert!(state.iter().all(|tensor| tensor.dims() == grad.dims()), "AdamW: the state's sizes");
            gpu::Parameter { adamw, grad: float(grad), state: state.map(float) }
        });
        let states = gpu::adamw(&float(scale), parameters.collect());
        let state = |state: [_; 4]| {
            let [value, moment_1, moment_2, average] = state.map(tensor);
            AdamWState { value, moment_1, moment_2, average }
        };
        states.into_iter().map(state).collect()
    }
}

/// Panics if shapes do not fit one another.
fn check(x: [usize; 3], weight: [usize; 1], bias: [usize; 1], norm: Norm) {
    let (groups, c) = (norm.groups, x[1]);
    assert!(groups > 0 && c % groups == 0, "group_norm: {groups} groups do not divide {c} channels");
    assert!(weight == [c] && bias == [c], "group_norm: weight and bias do not fit {c} channels");
}

/// Whether products go through our own operations, which say what is rounded and sum in f32 whatever they multiply: not
/// where those that Burn's tuning picks have nothing to round to.
fn sums_by_ours<B: Kernels>(device: &B::Device) -> bool {
    match Precision::current() {
        Precision::F32 | Precision::Tf32 => B::has_tf32(device),
        Precision::Bf16 | Precision::F16 => true,
    }
}

/// Products summed in f32, of factors in the precision in use.
mod summed {
    use burn::tensor::{DType, Tensor, backend::Backend};
    use burn_cubecl::{CubeRuntime, tensor::CubeTensor};

    use crate::{
        Addend, Joined, Kernels, Precision,
        defaults::plus,
        gpu::{Added, Convolution, Part, WeightGrad, channels_first, channels_last, multiply, sum_channels},
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
        tensor(multiply(float(B::factor(a)), float(B::factor(b)), exactly()))
    }

    pub(super) fn convolve<R, B>(
        x: Tensor<B, 4>,
        weight: Tensor<B, 4>,
        bias: Tensor<B, 1>,
        addend: Addend<B>,
        stride: usize,
        padding: usize,
    ) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let ([n, c_in, h, w], [c_out, w_in, k_h, k_w]) = (x.dims(), weight.dims());
        assert!(c_in == w_in, "convolve_2d: weight {:?} does not fit x {:?}", weight.dims(), x.dims());
        let size = |size: usize, kernel: usize| (size + 2 * padding - kernel) / stride + 1;
        let dims = [n, c_out, size(h, k_h), size(w, k_w)];
        let convolution = Convolution { part: Part::Output, dims, stride, padding, exact: exactly() };
        if exactly() {
            let y: Tensor<B, 4> = tensor(convolution.launch(float(x), float(weight)));
            return plus(y + bias.reshape([1, c_out, 1, 1]), addend);
        }
        let y = convolution.launch(factor(x), factor(weight));
        let added = match addend {
            Addend::Nothing => (Added::Nothing, None),
            Addend::Shift(shift) => (Added::Shift, Some(float(shift))),
            Addend::Residual(residual) => (Added::Residual, Some(float(residual))),
        };
        tensor(channels_first(y, Some(float(bias)), added))
    }

    pub(super) fn convolve_backward<R, B>(
        x: Joined<B>,
        weight: Tensor<B, 4>,
        grad: Tensor<B, 4>,
        stride: usize,
        padding: usize,
        with_x: bool,
    ) -> (Option<Joined<B>>, Tensor<B, 4>, Tensor<B, 1>)
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = CubeTensor<R>>,
    {
        let (dims, counts, exact) = (x.dims(), x.counts(), exactly());
        let bias_grad = tensor(sum_channels(float(grad.clone())));
        let of_weight = WeightGrad { dims: weight.dims(), stride, padding, factor: factors(), exact };
        let weight_grad = of_weight.launch(float(x.into_tensor()), float(grad.clone()));
        let of_x = |stride| Convolution { part: Part::InputGrad, dims, stride, padding, exact };
        if exact {
            let x_grad = with_x.then(|| of_x(stride).launch(float(grad), float(weight)));
            return (x_grad.map(|grad| Joined::split(tensor(grad), counts)), tensor(weight_grad), bias_grad);
        }
        let x_grad = with_x.then(|| {
            // The kernels for tensor cores have no stride here.
            let grad = spread(grad, &weight, dims, stride, padding);
            channels_first(of_x(1).launch(factor(grad), factor(weight)), None, (Added::Nothing, None))
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
}

/// No device of CI has TF32 or tensor cores: here the products that are kept from the one are compared with the usual ones,
/// and those of 16 bits with the usual ones of rounded factors.
#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::{DType, FloatDType, backend::Backend};
    use burn_wgpu::WgpuDevice;

    use super::*;
    use crate::defaults::sum_of_maps;

    type B = crate::gpu::Wgpu;

    fn device_found() -> bool {
        let found = std::panic::catch_unwind(|| B::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok());
        if !found {
            println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
        }
        found
    }

    /// The precisions that the device has numbers for; TF32's are not rounded where there are no tensor cores.
    fn precisions() -> Vec<Precision> {
        if !device_found() {
            return vec![];
        }
        let has = |dtype| B::supports_dtype(&WgpuDevice::default(), dtype);
        let all = [
            (Precision::F32, DType::F32),
            (Precision::Tf32, DType::F32),
            (Precision::Bf16, DType::BF16),
            (Precision::F16, DType::F16),
        ];
        all.into_iter().filter(|(_, dtype)| has(*dtype)).map(|(precision, _)| precision).collect()
    }

    fn values<const D: usize>(dims: [usize; D], seed: f32) -> Tensor<B, D> {
        let count = dims.iter().product::<usize>();
        let numbers: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7 + seed).sin()).collect();
        Tensor::<B, 1>::from_floats(&numbers[..], &WgpuDevice::default()).reshape(dims)
    }

    fn rounded<const D: usize>(factor: Tensor<B, D>) -> Tensor<B, D> {
        B::factor(factor).cast(FloatDType::F32)
    }

    fn assert_close<const D: usize>(found: Tensor<B, D>, expected: Tensor<B, D>) {
        assert_eq!((found.dims(), found.dtype()), (expected.dims(), DType::F32));
        let scale = expected.clone().abs().max().into_scalar();
        let difference = (found - expected).abs().max().into_scalar();
        assert!(difference <= 1e-5 * scale, "{:?}: {difference} of {scale}", Precision::current());
    }

    #[test]
    fn products_are_summed_in_f32() {
        for precision in precisions() {
            precision.within(|| {
                for (n, k, m) in [(1, 1, 1), (64, 96, 32), (3, 200, 17), (1, 300, 40)] {
                    let (a, b) = (values([n, k], 0.1), values([k, m], 0.2));
                    assert_close(summed::product(a.clone(), b.clone()), rounded(a).matmul(rounded(b)));
                }
                let (q, k) = (values([2, 3, 8, 20], 0.3), values([2, 3, 8, 20], 0.4));
                let turned = q.swap_dims(2, 3);
                let found = summed::product(turned.clone(), k.clone());
                assert_close(found, rounded(turned).matmul(rounded(k)));
            });
        }
    }

    #[test]
    fn what_is_added_to_a_convolution_agrees() {
        for precision in precisions() {
            // More than a tile of channels and of positions.
            let (x, weight, bias) =
                (values([3, 5, 7, 9], 0.1), values([40, 5, 3, 3], 0.2), values([40], 0.3));
            let (shift, residual) = (values([3, 40], 0.4), values([3, 40, 7, 9], 0.5));
            for addend in [Addend::Nothing, Addend::Shift(shift), Addend::Residual(residual)] {
                let (y, [x, weight]) = precision.within(|| {
                    let y = summed::convolve(x.clone(), weight.clone(), bias.clone(), addend.clone(), 1, 1);
                    (y, [&x, &weight].map(|factor| rounded(factor.clone())))
                });
                assert_close(y, plus(convolve(x.into(), weight, bias.clone(), 1, 1), addend));
            }
        }
    }

    #[test]
    fn sums_of_maps_agree() {
        if device_found() {
            for dims in [[1, 1, 1, 1], [3, 5, 7, 9], [2, 70, 8, 8], [5, 2, 40, 30]] {
                let x = values(dims, 0.1);
                let expected = x.clone().sum_dim(3).sum_dim(2).reshape([dims[0], dims[1]]);
                assert_close(B::sum_pixels(x.clone()), expected);
                // Of a tensor whose order is another than its memory's.
                let turned = x.swap_dims(2, 3);
                let expected = turned.clone().sum_dim(3).sum_dim(2).reshape([dims[0], dims[1]]);
                assert_close(B::sum_pixels(turned), expected);
            }
        }
    }

    #[test]
    fn convolutions_are_summed_in_f32() {
        for precision in precisions() {
            // 7 x 8 pixels: with a stride of 2, a row or a column is left over.
            for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0)] {
                let x = values([2, 5, 7, 8], 0.1);
                let (weight, bias) = (values([6, 5, kernel, kernel], 0.2), values([6], 0.3));
                let (y, grad, [x_rounded, weight_rounded, grad_rounded], grads) = precision.within(|| {
                    let y = summed::convolve(
                        x.clone(),
                        weight.clone(),
                        bias.clone(),
                        Addend::Nothing,
                        stride,
                        padding,
                    );
                    let grad = values(y.dims(), 0.4);
                    let factors = [&x, &weight, &grad].map(|factor| rounded(factor.clone()));
                    let grads =
                        summed::convolve_backward(x.into(), weight, grad.clone(), stride, padding, true);
                    (y, grad, factors, grads)
                });
                assert_close(
                    y,
                    convolve(x_rounded.clone().into(), weight_rounded.clone(), bias, stride, padding),
                );
                let (x_grad, weight_grad, bias_grad) = grads;
                let (x_expected, weight_expected, _) =
                    convolve_backward(x_rounded.into(), weight_rounded, grad_rounded, stride, padding, true);
                assert_close(x_grad.unwrap().into_tensor(), x_expected.unwrap().into_tensor());
                assert_close(weight_grad, weight_expected);
                assert_close(bias_grad, sum_of_maps(grad));
            }
        }
    }
}
