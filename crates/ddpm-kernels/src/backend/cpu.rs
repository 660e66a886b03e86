//! The CPU kernels as operations of `ndarray` and `flex`, which differ in how they hold a tensor and in nothing here.

use burn::tensor::{Tensor, TensorData, backend::Backend, ops::FloatTensor};

use crate::{
    ActivateConvolve, ActivateConvolveBackward, ActivateConvolveGrads, AdamW, AdamWState, Addend,
    AttentionBackward, Convolve, ConvolveBackward, Joined, Kernels, Norm, NormalizeBackward, Precision,
    cpu::{
        Channels, InstructionSet, adamw, affine,
        attention::{self, Heads},
        conv::{self, Activation, Addends, Conv, InputGradient, WeightGradient},
        feature_maps, group_norm,
    },
    defaults::{activate_then_convolve, activate_then_convolve_backward},
    floats_on,
    precision::rounded,
};

/// A backend whose tensors lie in host memory.
trait HostMemory: Kernels {
    /// The same numbers, row after row in f32.
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The numbers of a tensor from [`contiguous`](Self::contiguous), without a copy.
    fn slice(tensor: &FloatTensor<Self>) -> &[f32];
}

#[cfg(feature = "flex")]
impl HostMemory for burn_flex::Flex {
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        if tensor.as_slice::<f32>().is_some() {
            return tensor;
        }
        burn_flex::FlexTensor::from_data(tensor.into_data().convert::<f32>())
    }

    fn slice(tensor: &FloatTensor<Self>) -> &[f32] {
        tensor.as_slice().expect("the tensor was made contiguous")
    }
}

#[cfg(feature = "ndarray")]
impl HostMemory for burn_ndarray::NdArray<f32> {
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
        match &tensor {
            burn_ndarray::NdArrayTensor::F32(storage) if storage.view().is_standard_layout() => tensor,
            _ => {
                let data = crate::ops::tensor::<Self, 1>(tensor).into_data();
                burn_ndarray::NdArrayTensor::from_data(data.convert::<f32>())
            }
        }
    }

    fn slice(tensor: &FloatTensor<Self>) -> &[f32] {
        match tensor {
            burn_ndarray::NdArrayTensor::F32(storage) => storage.view().to_slice(),
            _ => None,
        }
        .expect("the tensor was made contiguous")
    }
}

/// A tensor's numbers, row after row.
struct Floats<B: HostMemory>(FloatTensor<B>);

impl<B: HostMemory> std::ops::Deref for Floats<B> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        B::slice(&self.0)
    }
}

fn floats<B: HostMemory, const D: usize>(tensor: Tensor<B, D>) -> Floats<B> {
    Floats(B::contiguous(tensor.into_primitive().tensor()))
}

/// The numbers of a tensor as they are multiplied.
fn factor<B: HostMemory, const D: usize>(tensor: Tensor<B, D>) -> Floats<B> {
    floats(B::factor(tensor))
}

/// The numbers of feature maps, in one tensor or in two.
struct Maps<B: HostMemory> {
    parts: Vec<Floats<B>>,
    counts: [usize; 2],
    pixels: usize,
}

impl<B: HostMemory> Maps<B> {
    fn of(x: Joined<B>) -> Self {
        let (counts, [_, _, height, width]) = (x.counts(), x.dims());
        Self { parts: x.into_parts().into_iter().map(floats).collect(), counts, pixels: height * width }
    }

    fn channels(&self) -> Channels<'_> {
        match &self.parts[..] {
            [a, b] => Channels::two([a, b], self.counts, self.pixels),
            [x, ..] => Channels::one(x, self.counts[0], self.pixels),
            [] => Channels::one(&[], 0, self.pixels),
        }
    }
}

/// Feature maps of shape `dims`, in one tensor or, where the second has channels, in two.
fn joined<B: Backend>(
    values: [Vec<f32>; 2],
    counts: [usize; 2],
    [n, _, h, w]: [usize; 4],
    device: &B::Device,
) -> Joined<B> {
    let [first, second] = values;
    let first = tensor(first, [n, counts[0], h, w], device);
    match counts[1] {
        0 => Joined::One(first),
        count => Joined::Two([first, tensor(second, [n, count, h, w], device)]),
    }
}

fn tensor<B: Backend, const D: usize>(
    values: Vec<f32>,
    dims: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, dims), floats_on::<B>(device))
}

/// A tensor's numbers, without a copy where nobody else holds them.
fn owned<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().expect("the data were converted to f32")
}

/// A convolution, of `x` as it is or after a normalisation, whose result is nowhere stored.
fn convolve<B: HostMemory>(
    convolution: Convolve<B>,
    norm: Option<([Tensor<B, 1>; 2], Norm)>,
    addend: Addend<B>,
) -> Tensor<B, 4> {
    let Convolve { x, weight, bias, stride, padding } = convolution;
    let (device, conv) = (x.device(), conv_of(x.dims(), weight.dims(), stride, padding));
    let dims = [conv.images, conv.c_out, conv.out_height(), conv.out_width()];
    let (shift, residual) = match addend {
        Addend::Nothing => (None, None),
        Addend::Shift(shift) => {
            assert_eq!(shift.dims(), dims[..2], "a convolution: the shape of the shift");
            (Some(floats(shift)), None)
        }
        Addend::Residual(residual) => {
            assert_eq!(residual.dims(), dims, "a convolution: the shape of the residual");
            (None, Some(floats(residual)))
        }
    };
    let (x, weight, bias) = (Maps::of(x.into_factor()), factor(weight), floats(bias));
    let x = x.channels();
    let affine = norm.map(|(affine, norm)| (scale_and_shift(&conv, x, &affine.map(floats), norm), norm.silu));
    let activation = affine.as_ref().map(|((scale, shift), silu)| Activation { scale, shift, silu: *silu });
    let add = Addends { bias: Some(&bias), shift: shift.as_deref(), residual: residual.as_deref() };
    let inputs = conv::Inputs { x, activation, weight: &weight, add };
    tensor(conv::forward(InstructionSet::best(), &conv, inputs), dims, &device)
}

fn scale_and_shift<B: HostMemory>(
    conv: &Conv,
    x: Channels<'_>,
    [weight, bias]: &[Floats<B>; 2],
    norm: Norm,
) -> (Vec<f32>, Vec<f32>) {
    let dims = [conv.images, conv.c_in, conv.height * conv.width];
    group_norm::scale_and_shift(InstructionSet::best(), group_norm::Inputs { dims, x, weight, bias, norm })
}

fn conv_of(x: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Conv {
    let ([images, c_in, height, width], [c_out, w_in, kernel, kernel_w]) = (x, weight);
    assert!(w_in == c_in && kernel == kernel_w, "convolve_2d: weight {weight:?} does not fit x {x:?}");
    Conv { images, c_in, c_out, height, width, kernel, stride, padding }
}

fn heads_of(q: [usize; 4], k: [usize; 4], v: [usize; 4]) -> Heads {
    assert!(q == k && q == v, "dot_product_attention: shapes {q:?}, {k:?} and {v:?} differ");
    Heads { heads: q[0] * q[1], width: q[2], length: q[3] }
}

macro_rules! on_the_cpu {
    ($backend:ty) => {
        impl Kernels for $backend {
            const READS_TWO: bool = true;

            fn factor<const D: usize>(x: Tensor<Self, D>) -> Tensor<Self, D> {
                match Precision::current() {
                    Precision::F32 => x,
                    format => {
                        let (device, dims) = (x.device(), x.dims());
                        let values = owned(x).into_iter().map(|value| rounded(value, format)).collect();
                        tensor(values, dims, &device)
                    }
                }
            }

            fn convolve_2d(convolution: Convolve<Self>) -> Tensor<Self, 4> {
                convolve(convolution, None, Addend::Nothing)
            }

            fn convolve_2d_plus(convolution: Convolve<Self>, addend: Addend<Self>) -> Tensor<Self, 4> {
                convolve(convolution, None, addend)
            }

            fn activate_convolve_2d(stage: ActivateConvolve<Self>) -> Tensor<Self, 4> {
                // A value that is normalised on its way into a product cannot be rounded there.
                if Precision::current() != Precision::F32 {
                    return activate_then_convolve(stage);
                }
                let ActivateConvolve { x, affine, norm, weight, bias, addend } = stage;
                convolve(Convolve { x, weight, bias, stride: 1, padding: 1 }, Some((affine, norm)), addend)
            }

            fn activate_convolve_2d_backward(
                stage: ActivateConvolveBackward<Self>,
            ) -> ActivateConvolveGrads<Self> {
                if Precision::current() != Precision::F32 {
                    return activate_then_convolve_backward(stage);
                }
                let ActivateConvolveBackward { x, affine, norm, weight, grad } = stage;
                let (device, dims, counts, weight_dims) = (x.device(), x.dims(), x.counts(), weight.dims());
                let conv = conv_of(dims, weight_dims, 1, 1);
                let (x, weight, grad, affine) =
                    (Maps::of(x), floats(weight), floats(grad), affine.map(floats));
                let x = x.channels();
                let (scale, shift) = scale_and_shift(&conv, x, &affine, norm);
                let activation = Activation { scale: &scale, shift: &shift, silu: norm.silu };
                let set = InstructionSet::best();
                let of_weight = WeightGradient { x, activation: Some(activation), grad: &grad };
                let (weight_grad, bias_grad) = conv::grad_weight(set, &conv, of_weight);
                let of_x = InputGradient { weight: &weight, grad: &grad, channels: 0..conv.c_in };
                let activated_grad = conv::grad_x(set, &conv, of_x);
                drop(grad);
                let flat = [dims[0], dims[1], dims[2] * dims[3]];
                let inputs = group_norm::Inputs { dims: flat, x, weight: &affine[0], bias: &affine[1], norm };
                let (x_grad, scale_grad, shift_grad) = group_norm::backward(set, inputs, &activated_grad);
                ActivateConvolveGrads {
                    x: joined(x_grad, counts, dims, &device),
                    affine: [scale_grad, shift_grad].map(|grad| tensor(grad, [dims[1]], &device)),
                    weight: tensor(weight_grad, weight_dims, &device),
                    bias: tensor(bias_grad, [conv.c_out], &device),
                }
            }

            fn sum_pixels(x: Tensor<Self, 4>) -> Tensor<Self, 2> {
                let (device, [n, c, h, w]) = (x.device(), x.dims());
                tensor(feature_maps::sum_pixels(InstructionSet::best(), h * w, &floats(x)), [n, c], &device)
            }

            fn upsample_nearest_2x(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
                let (device, [n, c, h, w]) = (x.device(), x.dims());
                tensor(feature_maps::upsample_2x(n * c, w, &floats(x)), [n, c, 2 * h, 2 * w], &device)
            }

            fn upsample_nearest_2x_backward(grad: Tensor<Self, 4>) -> Tensor<Self, 4> {
                let (device, [n, c, h, w]) = (grad.device(), grad.dims());
                let x_grad = feature_maps::upsample_2x_backward(n * c, w / 2, &floats(grad));
                tensor(x_grad, [n, c, h / 2, w / 2], &device)
            }

            fn concat_channels(a: Tensor<Self, 4>, b: Tensor<Self, 4>) -> Tensor<Self, 4> {
                let (device, [n, c_a, h, w], of_b) = (a.device(), a.dims(), b.dims());
                assert_eq!([n, h, w], [of_b[0], of_b[2], of_b[3]], "concat_channels: shapes do not fit");
                let both = feature_maps::concat(n, &floats(a), &floats(b));
                tensor(both, [n, c_a + of_b[1], h, w], &device)
            }

            fn concat_channels_backward(grad: Tensor<Self, 4>, c_a: usize) -> [Tensor<Self, 4>; 2] {
                let (device, [n, c, h, w]) = (grad.device(), grad.dims());
                let (a, b) = feature_maps::split(n, c_a * h * w, &floats(grad));
                [tensor(a, [n, c_a, h, w], &device), tensor(b, [n, c - c_a, h, w], &device)]
            }

            fn sum_of_squares(x: Tensor<Self, 1>) -> Tensor<Self, 1> {
                let device = x.device();
                tensor(vec![adamw::sum_of_squares(InstructionSet::best(), &floats(x))], [1], &device)
            }

            fn adamw(
                adamw: AdamW,
                scale: Option<Tensor<Self, 1>>,
                grad: Tensor<Self, 1>,
                state: AdamWState<Self>,
            ) -> AdamWState<Self> {
                let (device, dims) = (grad.device(), grad.dims());
                let scale = scale.map_or(1.0, |scale| floats(scale)[0]);
                let [mut value, mut moment_1, mut moment_2, mut average] =
                    [state.value, state.moment_1, state.moment_2, state.average].map(owned);
                let places = adamw::State {
                    value: &mut value,
                    moment_1: &mut moment_1,
                    moment_2: &mut moment_2,
                    average: &mut average,
                };
                adamw::step(InstructionSet::best(), adamw, scale, &floats(grad), places);
                let [value, moment_1, moment_2, average] =
                    [value, moment_1, moment_2, average].map(|values| tensor(values, dims, &device));
                AdamWState { value, moment_1, moment_2, average }
            }

            fn convolve_2d_backward(
                convolution: ConvolveBackward<Self>,
            ) -> (Option<Joined<Self>>, Tensor<Self, 4>, Tensor<Self, 1>) {
                let ConvolveBackward { x, weight, grad, stride, padding, with_x } = convolution;
                let (device, dims, counts, weight_dims) = (x.device(), x.dims(), x.counts(), weight.dims());
                let conv = conv_of(dims, weight_dims, stride, padding);
                let (x, weight, grad) = (Maps::of(x.into_factor()), factor(weight), factor(grad));
                let set = InstructionSet::best();
                let x_grad = with_x.then(|| {
                    let of = |channels| {
                        conv::grad_x(set, &conv, InputGradient { weight: &weight, grad: &grad, channels })
                    };
                    let first = of(0..counts[0]);
                    let second = if counts[1] == 0 { Vec::new() } else { of(counts[0]..dims[1]) };
                    joined([first, second], counts, dims, &device)
                });
                let of_weight = WeightGradient { x: x.channels(), activation: None, grad: &grad };
                let (weight_grad, bias_grad) = conv::grad_weight(set, &conv, of_weight);
                (x_grad, tensor(weight_grad, weight_dims, &device), tensor(bias_grad, [conv.c_out], &device))
            }

            fn normalize(
                x: Tensor<Self, 3>,
                weight: Tensor<Self, 1>,
                bias: Tensor<Self, 1>,
                norm: Norm,
            ) -> Tensor<Self, 3> {
                let (device, dims) = (x.device(), x.dims());
                let (x, weight, bias) = (floats(x), floats(weight), floats(bias));
                let x = Channels::one(&x, dims[1], dims[2]);
                let inputs = group_norm::Inputs { dims, x, weight: &weight, bias: &bias, norm };
                let y = group_norm::forward(InstructionSet::best(), inputs);
                tensor(y, dims, &device)
            }

            fn normalize_backward(
                normalization: NormalizeBackward<Self>,
            ) -> (Tensor<Self, 3>, Tensor<Self, 1>, Tensor<Self, 1>) {
                let NormalizeBackward { x, weight, bias, grad, norm } = normalization;
                let (device, dims) = (x.device(), x.dims());
                let (x, weight, bias, grad) = (floats(x), floats(weight), floats(bias), floats(grad));
                let x = Channels::one(&x, dims[1], dims[2]);
                let inputs = group_norm::Inputs { dims, x, weight: &weight, bias: &bias, norm };
                let ([x_grad, _], weight_grad, bias_grad) =
                    group_norm::backward(InstructionSet::best(), inputs, &grad);
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
                let (x, weight, bias) = (factor(x), factor(weight), floats(bias));
                let y = affine::forward(rows, &x, &weight, &bias);
                dims[D - 1] = d_out;
                tensor(y, dims, &device)
            }

            fn affine_backward(
                x: Tensor<Self, 3>,
                weight: Tensor<Self, 2>,
                grad: Tensor<Self, 3>,
            ) -> (Tensor<Self, 3>, Tensor<Self, 2>, Tensor<Self, 1>) {
                let (device, dims, [d_out, d_in]) = (x.device(), x.dims(), weight.dims());
                let (x, weight, grad) = (factor(x), factor(weight), factor(grad));
                let (x_grad, weight_grad, bias_grad) = affine::backward([d_out, d_in], &x, &weight, &grad);
                (
                    tensor(x_grad, dims, &device),
                    tensor(weight_grad, [d_out, d_in], &device),
                    tensor(bias_grad, [d_out], &device),
                )
            }

            fn dot_product_attention(
                q: Tensor<Self, 4>,
                k: Tensor<Self, 4>,
                v: Tensor<Self, 4>,
                scale: f64,
            ) -> Tensor<Self, 4> {
                let (device, dims, heads) = (q.device(), q.dims(), heads_of(q.dims(), k.dims(), v.dims()));
                let (q, k, v) = (factor(q), factor(k), factor(v));
                let inputs = attention::Inputs { q: &q, k: &k, v: &v, scale: scale as f32 };
                let y = attention::forward(InstructionSet::best(), heads, inputs);
                tensor(y, dims, &device)
            }

            fn dot_product_attention_backward(attention: AttentionBackward<Self>) -> [Tensor<Self, 4>; 3] {
                let AttentionBackward { q, k, v, grad, scale } = attention;
                let (device, dims, heads) = (q.device(), q.dims(), heads_of(q.dims(), k.dims(), v.dims()));
                let (q, k, v, grad) = (factor(q), factor(k), factor(v), factor(grad));
                let inputs = attention::Inputs { q: &q, k: &k, v: &v, scale: scale as f32 };
                let (q, k, v) = attention::backward(InstructionSet::best(), heads, inputs, &grad);
                [q, k, v].map(|values| tensor(values, dims, &device))
            }
        }
    };
}

#[cfg(feature = "ndarray")]
on_the_cpu!(burn_ndarray::NdArray<f32>);

#[cfg(feature = "flex")]
on_the_cpu!(burn_flex::Flex);
