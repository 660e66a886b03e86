//! The GPU kernels as operations of every backend that is Burn's fusion on a CubeCL runtime.

use burn::tensor::{Shape, Tensor, backend::Backend, ops::FloatTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use burn_fusion::Fusion;

use crate::{
    AdamW, AdamWState, Kernels, Norm,
    gpu::{Lazy, Normalize, NormalizeBackward, Step, register},
    ops::{float, tensor},
};

impl<R, B> Kernels for Fusion<CubeBackend<R, f32, i32, B>>
where
    R: CubeRuntime,
    B: BoolElement,
    Self: Backend<FloatTensorPrimitive = Lazy<R>>,
{
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
