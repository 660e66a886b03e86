//! The CPU kernels as operations of `ndarray` and `flex`, which differ in how they hold a tensor and in nothing here.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::{
    Kernels, Norm,
    cpu::{
        InstructionSet, affine,
        attention::{self, Heads},
        conv::{self, Addends, Conv},
        group_norm,
    },
};

/// A tensor's numbers, row after row.
fn floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> TensorData {
    tensor.into_data().convert::<f32>()
}

fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().expect("the data were converted to f32")
}

fn tensor<B: Backend, const D: usize>(
    values: Vec<f32>,
    dims: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn conv_of(x: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Conv {
    let ([images, c_in, height, width], [c_out, w_in, kernel, kernel_w]) = (x, weight);
    assert!(w_in == c_in && kernel == kernel_w, "convolve_2d: weight {weight:?} does not fit x {x:?}");
    Conv { images, c_in, c_out, height, width, kernel, stride, padding }
}

fn heads_of(q: [usize; 4], k: [usize; 4], v: [usize; 4]) -> Heads {
    assert!(q == k && q == v, "dot_product_attention: shapes {q:?}, {k:?} and {v:?} differ");
    Heads { heads: q[0] * q[1], length: q[2], width: q[3] }
}

macro_rules! on_the_cpu {
    ($backend:ty) => {
        impl Kernels for $backend {
            fn convolve_2d(
                x: Tensor<Self, 4>,
                weight: Tensor<Self, 4>,
                bias: Tensor<Self, 1>,
                stride: usize,
                padding: usize,
            ) -> Tensor<Self, 4> {
                let (device, conv) = (x.device(), conv_of(x.dims(), weight.dims(), stride, padding));
                let (x, weight, bias) = (floats(x), floats(weight), floats(bias));
                let y = conv::forward(
                    InstructionSet::best(),
                    &conv,
                    slice(&x),
                    slice(&weight),
                    Addends { bias: Some(slice(&bias)), ..Addends::default() },
                );
                tensor(y, [conv.images, conv.c_out, conv.out_height(), conv.out_width()], &device)
            }

            fn convolve_2d_backward(
                x: Tensor<Self, 4>,
                weight: Tensor<Self, 4>,
                grad: Tensor<Self, 4>,
                stride: usize,
                padding: usize,
                with_x: bool,
            ) -> (Option<Tensor<Self, 4>>, Tensor<Self, 4>, Tensor<Self, 1>) {
                let (device, dims, weight_dims) = (x.device(), x.dims(), weight.dims());
                let conv = conv_of(dims, weight_dims, stride, padding);
                let (x, weight, grad) = (floats(x), floats(weight), floats(grad));
                let x_grad =
                    with_x.then(|| conv::grad_x(InstructionSet::best(), &conv, slice(&weight), slice(&grad)));
                let (weight_grad, bias_grad) =
                    conv::grad_weight(InstructionSet::best(), &conv, slice(&x), slice(&grad));
                (
                    x_grad.map(|values| tensor(values, dims, &device)),
                    tensor(weight_grad, weight_dims, &device),
                    tensor(bias_grad, [conv.c_out], &device),
                )
            }

            fn normalize(
                x: Tensor<Self, 3>,
                weight: Tensor<Self, 1>,
                bias: Tensor<Self, 1>,
                norm: Norm,
            ) -> Tensor<Self, 3> {
                let (device, dims) = (x.device(), x.dims());
                let (x, weight, bias) = (floats(x), floats(weight), floats(bias));
                let y = group_norm::forward(dims, slice(&x), slice(&weight), slice(&bias), norm);
                tensor(y, dims, &device)
            }

            fn normalize_backward(
                x: Tensor<Self, 3>,
                weight: Tensor<Self, 1>,
                bias: Tensor<Self, 1>,
                grad: Tensor<Self, 3>,
                norm: Norm,
            ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
                let (device, dims) = (x.device(), x.dims());
                let (x, weight, bias, grad) = (floats(x), floats(weight), floats(bias), floats(grad));
                let (x_grad, weight_grad, bias_grad) =
                    group_norm::backward(dims, slice(&x), slice(&weight), slice(&bias), slice(&grad), norm);
                (
                    tensor(x_grad, dims, &device),
                    tensor(weight_grad, [dims[1]], &device),
                    tensor(bias_grad, [dims[1]], &device),
                )
            }

            fn affine<const D: usize>(
                x: Tensor<Self, D>,
                weight: Tensor<Self, 2>,
                bias: Tensor<Self, 1>,
            ) -> Tensor<Self, D> {
                let (device, mut dims, [d_out, d_in]) = (x.device(), x.dims(), weight.dims());
                assert_eq!(dims[D - 1], d_in, "affine: weight [{d_out}, {d_in}] does not fit x {dims:?}");
                let rows: usize = dims[1..D - 1].iter().product();
                let (x, weight, bias) = (floats(x), floats(weight), floats(bias));
                let y = affine::forward(rows, slice(&x), slice(&weight), slice(&bias));
                dims[D - 1] = d_out;
                tensor(y, dims, &device)
            }

            fn dot_product_attention(
                q: Tensor<Self, 4>,
                k: Tensor<Self, 4>,
                v: Tensor<Self, 4>,
                scale: f64,
            ) -> Tensor<Self, 4> {
                let (device, dims, heads) = (q.device(), q.dims(), heads_of(q.dims(), k.dims(), v.dims()));
                let (q, k, v) = (floats(q), floats(k), floats(v));
                let y = attention::forward(heads, slice(&q), slice(&k), slice(&v), scale as f32);
                tensor(y, dims, &device)
            }

            fn dot_product_attention_backward(
                q: Tensor<Self, 4>,
                k: Tensor<Self, 4>,
                v: Tensor<Self, 4>,
                grad: Tensor<Self, 4>,
                scale: f64,
            ) -> [Tensor<Self, 4>; 3] {
                let (device, dims, heads) = (q.device(), q.dims(), heads_of(q.dims(), k.dims(), v.dims()));
                let (q, k, v, grad) = (floats(q), floats(k), floats(v), floats(grad));
                let scale = scale as f32;
                let (q, k, v) =
                    attention::backward(heads, slice(&q), slice(&k), slice(&v), slice(&grad), scale);
                [q, k, v].map(|values| tensor(values, dims, &device))
            }
        }
    };
}

#[cfg(feature = "ndarray")]
on_the_cpu!(burn_ndarray::NdArray<f32>);

#[cfg(feature = "flex")]
on_the_cpu!(burn_flex::Flex);
