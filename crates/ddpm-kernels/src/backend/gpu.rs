//! The GPU kernels as operations of Burn's backend on every CubeCL runtime.

mod summed;
#[cfg(all(test, feature = "wgpu"))]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};

use crate::{
    AdamW, AdamWState, Addend, Convolve, ConvolveBackward, Joined, Kernels, Norm, NormalizeBackward,
    Precision,
    defaults::{convolve, convolve_backward, multiply, plus},
    floats_on, gpu,
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

    fn convolve_2d(convolution: Convolve<Self>) -> Tensor<Self, 4> {
        Self::convolve_2d_plus(convolution, Addend::Nothing)
    }

    fn convolve_2d_plus(convolution: Convolve<Self>, addend: Addend<Self>) -> Tensor<Self, 4> {
        if sums_by_ours::<Self>(&convolution.bias.device()) {
            summed::convolve(convolution, addend)
        } else {
            plus(convolve(convolution), addend)
        }
    }

    fn convolve_2d_backward(
        convolution: ConvolveBackward<Self>,
    ) -> (Option<Joined<Self>>, Tensor<Self, 4>, Tensor<Self, 1>) {
        if sums_by_ours::<Self>(&convolution.grad.device()) {
            summed::convolve_backward(convolution)
        } else {
            convolve_backward(convolution)
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
        normalization: NormalizeBackward<Self>,
    ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let NormalizeBackward { x, weight, bias, grad, norm } = normalization;
        check(x.dims(), weight.dims(), bias.dims(), norm);
        assert_eq!(grad.dims(), x.dims(), "group_norm: the shape of the gradient");
        let affine = [float(weight), float(bias)];
        let [x_grad, weight_grad, bias_grad] = gpu::normalize_backward(float(x), affine, float(grad), norm);
        (tensor(x_grad), tensor(weight_grad), tensor(bias_grad))
    }

    fn concat_channels(a: Tensor<Self, 4>, b: Tensor<Self, 4>) -> Tensor<Self, 4> {
        tensor(gpu::concat_channels(float(a), float(b)))
    }

    fn concat_channels_backward(grad: Tensor<Self, 4>, c_a: usize) -> [Tensor<Self, 4>; 2] {
        gpu::split_channels(float(grad), c_a).map(tensor)
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
        let scale = scale.unwrap_or_else(|| Tensor::ones([1], floats_on::<Self>(&grad.device())));
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
