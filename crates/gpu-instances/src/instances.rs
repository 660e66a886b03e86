//! A function for each group of operations whose kernels have many forms.

use burn::tensor::{
    Int, Tensor, TensorPrimitive, module,
    ops::{ConvOptions, ConvTransposeOptions, FloatTensor, InterpolateMode, InterpolateOptions, ModuleOps},
    quantization::QuantScheme,
};
use ddpm_kernels::{Kernels, gpu::Wgpu};

type Floats<const D: usize> = Tensor<Wgpu, D>;

/// Burn's products of matrices.
pub fn product(a: Floats<4>, b: Floats<4>) -> Floats<4> {
    a.matmul(b)
}

/// Our products of matrices.
pub fn ours(a: Floats<4>, b: Floats<4>) -> Floats<4> {
    Wgpu::product(a, b)
}

/// Reductions of floats and of integers.
pub fn reduce(x: Floats<3>) -> Vec<Floats<1>> {
    let sum = |x: Tensor<Wgpu, 3, Int>| x.float().sum();
    let integers = x.clone().int();
    vec![
        x.clone().sum(),
        x.clone().mean(),
        x.clone().max(),
        x.clone().min(),
        x.clone().prod(),
        x.clone().sum_dim(1).sum(),
        x.clone().mean_dim(1).sum(),
        x.clone().max_dim(1).sum(),
        x.clone().min_dim(1).sum(),
        x.clone().abs().max(),
        sum(x.clone().argmax(1)),
        sum(x.argmin(1)),
        integers.clone().sum().float(),
        integers.clone().sum_dim(1).float().sum(),
        integers.max().float(),
    ]
}

/// Convolutions, their gradients, and changes of size.
pub fn convolve(x: Floats<4>, weight: Floats<4>, bias: Floats<1>) -> Vec<Floats<4>> {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let transposed = ConvTransposeOptions::new([1, 1], [1, 1], [0, 0], [1, 1], 1);
    let resized = InterpolateOptions::new(InterpolateMode::Nearest);
    let [of_x, of_weight] = [x.clone(), weight.clone()].map(|tensor| tensor.into_primitive().tensor());
    let of_grad = of_x.clone();
    let tensor = |primitive: FloatTensor<Wgpu>| Floats::from_primitive(TensorPrimitive::Float(primitive));
    vec![
        module::conv2d(x.clone(), weight.clone(), Some(bias.clone()), options()),
        tensor(Wgpu::conv2d_x_backward(of_x.clone(), of_weight.clone(), of_grad.clone(), options())),
        tensor(Wgpu::conv2d_weight_backward(of_x, of_weight, of_grad, options())),
        module::conv_transpose2d(x.clone(), weight, Some(bias), transposed),
        module::interpolate(x, [2, 2], resized),
    ]
}

/// Numbers in few bits, and back: every operation of Burn's floats has a branch for them.
pub fn quantize(x: Floats<3>, scheme: &QuantScheme) -> Floats<3> {
    x.quantize_dynamic(scheme).dequantize()
}
