//! The GPU kernels as operations of every backend that is Burn's fusion on a CubeCL runtime.

use burn::tensor::{Shape, Tensor, backend::Backend, ops::FloatTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use burn_fusion::Fusion;

use crate::{
    AdamW, AdamWState, Joined, Kernels, Norm, Precision,
    defaults::{convolve, convolve_backward, multiply, sum_of_maps},
    gpu::{
        Convolution, ConvolutionGradX, Lazy, Normalize, NormalizeBackward, Product, Step, has_tf32,
        product_shape, register,
    },
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
        if keeps_f32::<Self>(&a.device()) { exact::product(a, b) } else { multiply(a, b) }
    }

    fn convolve_2d(
        x: impl Into<Joined<Self>>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        if !keeps_f32::<Self>(&bias.device()) {
            return convolve(x.into(), weight, bias, stride, padding);
        }
        exact::convolve(x.into().into_tensor(), weight, bias, stride, padding)
    }

    fn convolve_2d_backward(
        x: impl Into<Joined<Self>>,
        weight: Tensor<Self, 4>,
        grad: Tensor<Self, 4>,
        stride: usize,
        padding: usize,
        with_x: bool,
    ) -> (Option<Joined<Self>>, Tensor<Self, 4>, Tensor<Self, 1>) {
        if !keeps_f32::<Self>(&grad.device()) {
            return convolve_backward(x.into(), weight, grad, stride, padding, with_x);
        }
        let (x, bias_grad) = (x.into(), sum_of_maps(grad.clone()));
        let (dims, counts) = (x.dims(), x.counts());
        let x_grad = with_x.then(|| {
            let x_grad = exact::convolve_grad_x(dims, weight.clone(), grad.clone(), stride, padding);
            Joined::split(x_grad, counts)
        });
        let kernel = weight.dims()[2];
        (x_grad, exact::convolve_grad_weight(x.into_tensor(), grad, kernel, stride, padding), bias_grad)
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

/// Whether products must be kept from the tensor cores here.
fn keeps_f32<B: Kernels>(device: &B::Device) -> bool {
    Precision::current() == Precision::F32 && B::has_tf32(device)
}

/// Products in f32 on devices that have TF32.
mod exact {
    use super::*;

    pub(super) fn product<R, B, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D>
    where
        R: CubeRuntime,
        B: Backend<FloatTensorPrimitive = Lazy<R>>,
    {
        let shape = product_shape(a.dims(), b.dims());
        let [y] = register(Product, [float(a), float(b)], [shape]);
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
        B: Backend<FloatTensorPrimitive = Lazy<R>>,
    {
        let c_out = bias.dims()[0];
        spread(x, weight, Convolution { stride, padding, dilation: 1 }) + bias.reshape([1, c_out, 1, 1])
    }

    pub(super) fn convolve_grad_x<R, B>(
        dims: [usize; 4],
        weight: Tensor<B, 4>,
        grad: Tensor<B, 4>,
        stride: usize,
        padding: usize,
    ) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Backend<FloatTensorPrimitive = Lazy<R>>,
    {
        let kernel = weight.dims()[2];
        let left_over = [dims[2], dims[3]].map(|size| (size + 2 * padding - kernel) % stride);
        let operation = ConvolutionGradX { stride, padding, left_over };
        let [x_grad] = register(operation, [float(grad), float(weight)], [dims.into()]);
        tensor(x_grad)
    }

    /// A convolution in which images and channels have changed places, and so have stride and dilation.
    pub(super) fn convolve_grad_weight<R, B>(
        x: Tensor<B, 4>,
        grad: Tensor<B, 4>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Backend<FloatTensorPrimitive = Lazy<R>>,
    {
        let operation = Convolution { stride: 1, padding, dilation: stride };
        let weight_grad = spread(x.swap_dims(0, 1), grad.swap_dims(0, 1), operation);
        // Where the stride left rows over, there are places that the kernel has not.
        weight_grad.narrow(2, 0, kernel).narrow(3, 0, kernel).swap_dims(0, 1)
    }

    fn spread<R, B>(x: Tensor<B, 4>, weight: Tensor<B, 4>, operation: Convolution) -> Tensor<B, 4>
    where
        R: CubeRuntime,
        B: Backend<FloatTensorPrimitive = Lazy<R>>,
    {
        let ([n, c_in, h, w], [c_out, w_in, k_h, k_w]) = (x.dims(), weight.dims());
        assert!(c_in == w_in, "convolve_2d: weight {:?} does not fit x {:?}", weight.dims(), x.dims());
        let size = |size: usize, kernel: usize| {
            (size + 2 * operation.padding - operation.dilation * (kernel - 1) - 1) / operation.stride + 1
        };
        let shape: Shape = [n, c_out, size(h, k_h), size(w, k_w)].into();
        let [y] = register(operation, [float(x), float(weight)], [shape]);
        tensor(y)
    }
}

/// No device of CI has TF32: here the products that are kept from it are compared with the usual ones.
#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn_wgpu::{Wgpu, WgpuDevice};

    use super::*;

    type B = Wgpu<f32, i32>;

    fn device_found() -> bool {
        let found = std::panic::catch_unwind(|| B::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok());
        if !found {
            println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
        }
        found
    }

    fn values<const D: usize>(dims: [usize; D], seed: f32) -> Tensor<B, D> {
        let count = dims.iter().product::<usize>();
        let numbers: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7 + seed).sin()).collect();
        Tensor::<B, 1>::from_floats(&numbers[..], &WgpuDevice::default()).reshape(dims)
    }

    fn assert_close<const D: usize>(found: Tensor<B, D>, expected: Tensor<B, D>) {
        assert_eq!(found.dims(), expected.dims());
        let scale = expected.clone().abs().max().into_scalar();
        let difference = (found - expected).abs().max().into_scalar();
        assert!(difference <= 1e-5 * scale, "{difference} of {scale}");
    }

    #[test]
    fn products_without_tensor_cores_agree() {
        if !device_found() {
            return;
        }
        for (n, k, m) in [(1, 1, 1), (64, 96, 32), (3, 200, 17)] {
            let (a, b) = (values([n, k], 0.1), values([k, m], 0.2));
            assert_close(exact::product(a.clone(), b.clone()), a.matmul(b));
        }
        let (q, k) = (values([2, 3, 8, 20], 0.3), values([2, 3, 8, 20], 0.4));
        let turned = q.swap_dims(2, 3);
        assert_close(exact::product(turned.clone(), k.clone()), turned.matmul(k));
    }

    #[test]
    fn convolutions_without_tensor_cores_agree() {
        if !device_found() {
            return;
        }
        // 7 x 8 pixels: with a stride of 2, a row or a column is left over.
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0)] {
            let x = values([2, 5, 7, 8], 0.1);
            let (weight, bias) = (values([6, 5, kernel, kernel], 0.2), values([6], 0.3));
            let y = exact::convolve(x.clone(), weight.clone(), bias.clone(), stride, padding);
            let grad = values(y.dims(), 0.4);
            assert_close(y, convolve(x.clone().into(), weight.clone(), bias, stride, padding));
            let (x_grad, weight_grad, _) =
                convolve_backward(x.clone().into(), weight.clone(), grad.clone(), stride, padding, true);
            let found = exact::convolve_grad_x(x.dims(), weight, grad.clone(), stride, padding);
            assert_close(found, x_grad.unwrap().into_tensor());
            assert_close(exact::convolve_grad_weight(x, grad, kernel, stride, padding), weight_grad);
        }
    }
}
