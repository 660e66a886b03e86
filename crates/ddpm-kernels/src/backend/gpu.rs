//! The GPU kernels as operations of every backend that is Burn's fusion on a CubeCL runtime.

use burn::tensor::{Shape, Tensor, backend::Backend, ops::FloatTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use burn_fusion::Fusion;

use crate::{
    AdamW, AdamWState, Joined, Kernels, Norm, Precision,
    defaults::{convolve, convolve_backward, multiply},
    gpu::{Lazy, Normalize, NormalizeBackward, Step, has_tf32, register},
    ops::{float, tensor},
};

impl<R, B> Kernels for Fusion<CubeBackend<R, f32, i32, B>>
where
    R: CubeRuntime,
    B: BoolElement,
    Self: Backend<FloatTensorPrimitive = Lazy<R>, Device = R::CubeDevice>,
{
    fn has_tf32(device: &Self::Device) -> bool {
        has_tf32(&R::client(device))
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
        if sums_by_ours::<Self>(&bias.device()) {
            summed::convolve(x.into().into_tensor(), weight, bias, stride, padding)
        } else {
            convolve(x.into(), weight, bias, stride, padding)
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

    fn normalize(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        norm: Norm,
    ) -> Tensor<Self, 3> {
        let dims = check(x.dims(), weight.dims(), bias.dims(), norm);
        let inputs: [FloatTensor<Self>; 3] = [float(x), float(weight), float(bias)];
        let [y] = register(Normalize(norm), inputs, [dims.into()]);
        tensor(y)
    }

    fn normalize_backward(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        grad: Tensor<Self, 3>,
        norm: Norm,
    ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let dims = check(x.dims(), weight.dims(), bias.dims(), norm);
        assert_eq!(grad.dims(), dims, "group_norm: the shape of the gradient");
        let shapes: [Shape; 3] = [dims.into(), [dims[1]].into(), [dims[1]].into()];
        let inputs = [float(x), float(weight), float(bias), float(grad)];
        let [x_grad, weight_grad, bias_grad] = register(NormalizeBackward(norm), inputs, shapes);
        (tensor(x_grad), tensor(weight_grad), tensor(bias_grad))
    }

    fn adamw(
        adamw: AdamW,
        scale: Option<Tensor<Self, 1>>,
        grad: Tensor<Self, 1>,
        state: AdamWState<Self>,
    ) -> AdamWState<Self> {
        let AdamWState { value, moment_1, moment_2, average } = state;
        let (device, dims) = (grad.device(), grad.dims());
        let state = [value, moment_1, moment_2, average];
        assert!(state.iter().all(|tensor| tensor.dims() == dims), "AdamW: the state's sizes");
        let scale = scale.unwrap_or_else(|| Tensor::ones([1], &device));
        let [value, moment_1, moment_2, average] = state.map(float);
        let inputs = [float(grad), float(scale), value, moment_1, moment_2, average];
        let shapes: [Shape; 4] = [(); 4].map(|()| dims.into());
        let [value, moment_1, moment_2, average] = register(Step(adamw), inputs, shapes).map(tensor);
        AdamWState { value, moment_1, moment_2, average }
    }
}

/// The shape of `x`, if the other shapes fit.
fn check(x: [usize; 3], weight: [usize; 1], bias: [usize; 1], norm: Norm) -> [usize; 3] {
    let (groups, c) = (norm.groups, x[1]);
    assert!(groups > 0 && c % groups == 0, "group_norm: {groups} groups do not divide {c} channels");
    assert!(weight == [c] && bias == [c], "group_norm: weight and bias do not fit {c} channels");
    x
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
    use burn::tensor::{Shape, Tensor, backend::Backend};
    use burn_cubecl::CubeRuntime;

    use crate::{
        Joined, Kernels, Precision,
        gpu::{Convolution, Launch, Lazy, Part, Product, SumMaps, WeightGrad, product_shape, register},
        ops::{float, tensor},
    };

    /// Whether factors are multiplied as they are.
    fn exactly() -> bool {
        Precision::current() == Precision::F32
    }

    pub(super) fn product<R, B, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D>
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = Lazy<R>>,
    {
        let shape = product_shape(a.dims(), b.dims());
        let [y] =
            register(Product { exact: exactly() }, [a, b].map(|factor| float(B::factor(factor))), [shape]);
        tensor(y)
    }

    pub(super) fn convolve<R, B>(
        x: Tensor<B, 4>,
        weight: Tensor<B, 4>,
        bias: Tensor<B, 1>,
        stride: usize,
        padding: usize,
    ) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = Lazy<R>>,
    {
        let ([n, c_in, h, w], [c_out, w_in, k_h, k_w]) = (x.dims(), weight.dims());
        assert!(c_in == w_in, "convolve_2d: weight {:?} does not fit x {:?}", weight.dims(), x.dims());
        let size = |size: usize, kernel: usize| (size + 2 * padding - kernel) / stride + 1;
        let dims = [n, c_out, size(h, k_h), size(w, k_w)];
        let convolution = Convolution { part: Part::Output, dims, stride, padding, exact: exactly() };
        let y = part(convolution, dims, B::factor(x), B::factor(weight));
        y + bias.reshape([1, c_out, 1, 1])
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
        B: Kernels<FloatTensorPrimitive = Lazy<R>>,
    {
        let (bias_grad, dims, counts) = (sum_maps(grad.clone()), x.dims(), x.counts());
        let [x, weight, grad] = [x.into_tensor(), weight, grad].map(B::factor);
        let exact = exactly();
        let of_weight = WeightGrad { dims: weight.dims(), stride, padding, exact };
        let weight_grad = part(of_weight, weight.dims(), x, grad.clone());
        let x_grad = with_x.then(|| {
            // The kernels for tensor cores have no stride here.
            let (grad, stride) =
                if exact { (grad, stride) } else { (spread(grad, &weight, dims, stride, padding), 1) };
            let of_x = Convolution { part: Part::InputGrad, dims, stride, padding, exact };
            Joined::split(part(of_x, dims, grad, weight), counts)
        });
        (x_grad, weight_grad, bias_grad)
    }

    /// The gradient of a convolution's bias.
    fn sum_maps<R, B>(grad: Tensor<B, 4>) -> Tensor<B, 1>
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = Lazy<R>>,
    {
        let shape: Shape = [grad.dims()[1]].into();
        let [sums] = register(SumMaps, [float(grad)], [shape]);
        tensor(sums)
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

    /// A part of a convolution of a shape, of factors that are rounded already.
    fn part<R, B>(part: impl Launch<2, 1>, dims: [usize; 4], a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Kernels<FloatTensorPrimitive = Lazy<R>>,
    {
        let [found] = register(part, [a, b].map(float), [dims.into()]);
        tensor(found)
    }
}

/// No device of CI has TF32 or tensor cores: here the products that are kept from the one are compared with the usual ones,
/// and those of 16 bits with the usual ones of rounded factors.
#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::{DType, FloatDType};
    use burn_wgpu::{Wgpu, WgpuDevice};

    use super::*;
    use crate::defaults::sum_of_maps;

    type B = Wgpu<f32, i32>;

    fn device_found() -> bool {
        let found = std::panic::catch_unwind(|| B::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok());
        if !found {
            println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
        }
        found
    }

    /// The precisions that the device has numbers for, of those that come here.
    fn precisions() -> Vec<Precision> {
        if !device_found() {
            return vec![];
        }
        let has = |dtype| B::supports_dtype(&WgpuDevice::default(), dtype);
        let all =
            [(Precision::F32, DType::F32), (Precision::Bf16, DType::BF16), (Precision::F16, DType::F16)];
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
    fn convolutions_are_summed_in_f32() {
        for precision in precisions() {
            // 7 x 8 pixels: with a stride of 2, a row or a column is left over.
            for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0)] {
                let x = values([2, 5, 7, 8], 0.1);
                let (weight, bias) = (values([6, 5, kernel, kernel], 0.2), values([6], 0.3));
                let (y, grad, [x_rounded, weight_rounded, grad_rounded], grads) = precision.within(|| {
                    let y = summed::convolve(x.clone(), weight.clone(), bias.clone(), stride, padding);
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
