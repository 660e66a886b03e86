//! Parts of the operations' default bodies.

use burn::tensor::{Tensor, backend::Backend, module::conv2d, ops::ConvOptions};

use crate::{
    ActivateConvolve, ActivateConvolveBackward, ActivateConvolveGrads, Addend, Convolve, ConvolveBackward,
    Joined, Kernels, Norm, NormalizeBackward,
    ops::{float, tensor},
    precision::raised,
};

/// [`Kernels::activate_convolve_2d`] one after the other.
pub(crate) fn activate_then_convolve<B: Kernels>(stage: ActivateConvolve<B>) -> Tensor<B, 4> {
    let ActivateConvolve { x, affine: [scale, shift], norm, weight, bias, addend } = stage;
    let activated = flattened(x.into_tensor(), |x| B::normalize(x, scale, shift, norm));
    B::convolve_2d_plus(Convolve { x: activated.into(), weight, bias, stride: 1, padding: 1 }, addend)
}

/// [`Kernels::activate_convolve_2d_backward`] one after the other.
pub(crate) fn activate_then_convolve_backward<B: Kernels>(
    stage: ActivateConvolveBackward<B>,
) -> ActivateConvolveGrads<B> {
    let ActivateConvolveBackward { x, affine: [scale, shift], norm, weight, grad } = stage;
    let ([n, c, h, w], counts) = (x.dims(), x.counts());
    let flat = x.into_tensor().reshape([n, c, h * w]);
    let activated = B::normalize(flat.clone(), scale.clone(), shift.clone(), norm);
    let activated = activated.reshape([n, c, h, w]);
    let x = activated.into();
    let convolution = ConvolveBackward { x, weight, grad, stride: 1, padding: 1, with_x: true };
    let (activated_grad, weight, bias) = B::convolve_2d_backward(convolution);
    let activated_grad = activated_grad.expect("it was asked for").into_tensor().reshape([n, c, h * w]);
    let (x, scale, shift) = B::normalize_backward(NormalizeBackward {
        x: flat,
        weight: scale,
        bias: shift,
        grad: activated_grad,
        norm,
    });
    ActivateConvolveGrads {
        x: Joined::split(x.reshape([n, c, h, w]), counts),
        affine: [scale, shift],
        weight,
        bias,
    }
}

/// [`Kernels::convolve_2d`].
pub(crate) fn convolve<B: Kernels>(convolution: Convolve<B>) -> Tensor<B, 4> {
    let Convolve { x, weight, bias, stride, padding } = convolution;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    let (x, weight) = (B::factor(x.into_tensor()), B::factor(weight));
    if x.dtype() == bias.dtype() {
        return conv2d(x, weight, Some(bias), options);
    }
    let c_out = bias.dims()[0];
    raised(conv2d(x, weight, None, options)) + bias.reshape([1, c_out, 1, 1])
}

/// [`Kernels::convolve_2d_backward`].
pub(crate) fn convolve_backward<B: Kernels>(
    convolution: ConvolveBackward<B>,
) -> (Option<Joined<B>>, Tensor<B, 4>, Tensor<B, 1>) {
    let ConvolveBackward { x, weight, grad, stride, padding, with_x } = convolution;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    let (bias_grad, counts) = (sum_of_maps(grad.clone()), x.counts());
    let [x, weight, grad] = [x.into_tensor(), weight, grad].map(|tensor| float(B::factor(tensor)));
    let x_grad = with_x.then(|| {
        let x_grad = B::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone());
        Joined::split(raised(tensor(x_grad)), counts)
    });
    (x_grad, raised(tensor(B::conv2d_weight_backward(x, weight, grad, options))), bias_grad)
}

/// The gradient of a convolution's bias.
pub(crate) fn sum_of_maps<B: Backend>(grad: Tensor<B, 4>) -> Tensor<B, 1> {
    grad.sum_dim(0).sum_dim(2).sum_dim(3).flatten(0, 3)
}

/// [`Kernels::product`].
pub(crate) fn multiply<B: Kernels, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Tensor<B, D> {
    raised(B::factor(a).matmul(B::factor(b)))
}

pub(crate) fn plus<B: Backend>(y: Tensor<B, 4>, addend: Addend<B>) -> Tensor<B, 4> {
    match addend {
        Addend::Nothing => y,
        Addend::Shift(shift) => {
            let [n, c] = shift.dims();
            y + shift.reshape([n, c, 1, 1])
        }
        Addend::Residual(residual) => y + residual,
    }
}

/// Applies an operation on `[n, c, length]` to `[n, c, ..]`.
pub(crate) fn flattened<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    operation: impl FnOnce(Tensor<B, 3>) -> Tensor<B, 3>,
) -> Tensor<B, D> {
    let dims = x.dims();
    let (n, c) = (dims[0], dims[1]);
    operation(x.reshape([n, c, dims[2..].iter().product()])).reshape(dims)
}

/// Zero mean and unit variance in every group `[n, c, length]`, and the inverse standard deviations `[n, groups, 1]`.
pub(crate) fn standardize<B: Backend>(x: Tensor<B, 3>, norm: Norm) -> (Tensor<B, 3>, Tensor<B, 3>) {
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
