//! The operations under autodiff: one node each, whose backward pass is the inner backend's.

use burn::tensor::{Tensor, backend::Backend, ops::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

use crate::{
    Addend, Kernels, Norm,
    ops::{float, tensor},
};

#[derive(Debug)]
struct Convolve2d;

/// x, weight, stride, padding
type ConvState<B> = (FloatTensor<B>, FloatTensor<B>, usize, usize);

/// Registers a gradient, where it is asked for. A macro, because burn-autodiff does not export the type of a node.
macro_rules! register {
    ($grads:ident, $node:expr, $grad:expr) => {
        if let Some(node) = $node {
            $grads.register::<B>(node.id, $grad);
        }
    };
}

/// Registers the gradients of x, weight and bias.
macro_rules! register_convolution {
    ($grads:ident, $state:expr, $grad:expr, $x:expr, $weight:expr, $bias:expr) => {
        let (x, weight, stride, padding): ConvState<B> = $state;
        let with_x = $x.is_some();
        let (x_grad, weight_grad, bias_grad) =
            B::convolve_2d_backward(tensor(x), tensor(weight), $grad, stride, padding, with_x);
        if let Some(x_grad) = x_grad {
            register!($grads, $x, float(x_grad));
        }
        register!($grads, $weight, float(weight_grad));
        register!($grads, $bias, float(bias_grad));
    };
}

impl<B: Kernels> Backward<B, 3> for Convolve2d {
    type State = ConvState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let [x, weight, bias] = ops.parents;
        register_convolution!(grads, ops.state, grad, x, weight, bias);
    }
}

/// What is added to a convolution, as one more parent behind the others.
#[derive(Debug, Clone, Copy)]
enum Added {
    Shift,
    Residual,
}

impl Added {
    fn split<B: Backend>(addend: Addend<B>) -> Option<(Self, FloatTensor<B>)> {
        match addend {
            Addend::Nothing => None,
            Addend::Shift(shift) => Some((Self::Shift, float(shift))),
            Addend::Residual(residual) => Some((Self::Residual, float(residual))),
        }
    }

    fn addend<B: Backend>(self, primitive: FloatTensor<B>) -> Addend<B> {
        match self {
            Self::Shift => Addend::Shift(tensor(primitive)),
            Self::Residual => Addend::Residual(tensor(primitive)),
        }
    }

    fn gradient<B: Kernels>(self, grad: &Tensor<B, 4>) -> FloatTensor<B> {
        match self {
            Self::Shift => float(B::sum_pixels(grad.clone())),
            Self::Residual => float(grad.clone()),
        }
    }
}

#[derive(Debug)]
struct Convolve2dPlus(Added);

impl<B: Kernels> Backward<B, 4> for Convolve2dPlus {
    type State = ConvState<B>;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad: Tensor<B, 4> = tensor(grads.consume::<B>(&ops.node));
        let [x, weight, bias, addend] = ops.parents;
        register!(grads, addend, self.0.gradient(&grad));
        register_convolution!(grads, ops.state, grad, x, weight, bias);
    }
}

#[derive(Debug)]
struct ActivateConvolve2d;

#[derive(Debug)]
struct ActivateConvolve2dPlus(Added);

/// x, weight and bias of the norm, weight
type ActivateState<B> = ([FloatTensor<B>; 4], Norm);

/// Registers the gradients of x, of weight and bias of the norm, and of weight and bias.
macro_rules! register_activated {
    ($grads:ident, $state:expr, $grad:expr, $parents:expr) => {
        let ([x, scale, shift, weight], norm): ActivateState<B> = $state;
        let affine = [tensor(scale), tensor(shift)];
        let found = B::activate_convolve_2d_backward(tensor(x), affine, norm, tensor(weight), $grad);
        let [scale, shift] = found.affine;
        let found = [float(found.x), float(scale), float(shift), float(found.weight), float(found.bias)];
        for (node, grad) in $parents.into_iter().zip(found) {
            register!($grads, node, grad);
        }
    };
}

impl<B: Kernels> Backward<B, 5> for ActivateConvolve2d {
    type State = ActivateState<B>;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        register_activated!(grads, ops.state, grad, ops.parents);
    }
}

impl<B: Kernels> Backward<B, 6> for ActivateConvolve2dPlus {
    type State = ActivateState<B>;

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad: Tensor<B, 4> = tensor(grads.consume::<B>(&ops.node));
        let [x, scale, shift, weight, bias, addend] = ops.parents;
        register!(grads, addend, self.0.gradient(&grad));
        register_activated!(grads, ops.state, grad, [x, scale, shift, weight, bias]);
    }
}

#[derive(Debug)]
struct UpsampleNearest2x;

impl<B: Kernels> Backward<B, 1> for UpsampleNearest2x {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let [node] = ops.parents;
        register!(grads, node, float(B::upsample_nearest_2x_backward(grad)));
    }
}

#[derive(Debug)]
struct ConcatChannels;

impl<B: Kernels> Backward<B, 2> for ConcatChannels {
    /// Channels of the first.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let [a, b] = ops.parents;
        let [a_grad, b_grad] = B::concat_channels_backward(grad, ops.state);
        register!(grads, a, float(a_grad));
        register!(grads, b, float(b_grad));
    }
}

#[derive(Debug)]
struct Normalize;

impl<B: Kernels> Backward<B, 3> for Normalize {
    /// x, weight, bias
    type State = ([B::FloatTensorPrimitive; 3], Norm);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let ([x, weight, bias], norm) = ops.state;
        let (x_grad, weight_grad, bias_grad) =
            B::normalize_backward(tensor(x), tensor(weight), tensor(bias), grad, norm);
        let results = [float(x_grad), float(weight_grad), float(bias_grad)];
        for (node, grad) in ops.parents.into_iter().zip(results) {
            register!(grads, node, grad);
        }
    }
}

#[derive(Debug)]
struct Affine;

impl<B: Kernels> Backward<B, 3> for Affine {
    /// x, weight
    type State = [B::FloatTensorPrimitive; 2];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let [x, weight] = ops.state;
        let (x_grad, weight_grad, bias_grad) = B::affine_backward(tensor(x), tensor(weight), grad);
        let results = [float(x_grad), float(weight_grad), float(bias_grad)];
        for (node, grad) in ops.parents.into_iter().zip(results) {
            register!(grads, node, grad);
        }
    }
}

#[derive(Debug)]
struct DotProductAttention;

impl<B: Kernels> Backward<B, 3> for DotProductAttention {
    /// q, k, v and the scale
    type State = ([B::FloatTensorPrimitive; 3], f64);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = tensor(grads.consume::<B>(&ops.node));
        let ([q, k, v], scale) = ops.state;
        let results = B::dot_product_attention_backward(tensor(q), tensor(k), tensor(v), grad, scale);
        for (node, grad) in ops.parents.into_iter().zip(results) {
            register!(grads, node, float(grad));
        }
    }
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn convolve_2d(
        x: Tensor<Self, 4>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        let (x, weight, bias) = (float(x), float(weight), float(bias));
        let prepared = Backward::<B, 3>::prepare::<C>(
            Convolve2d,
            [x.node.clone(), weight.node.clone(), bias.node.clone()],
        );
        let output = float(B::convolve_2d(
            tensor(x.primitive.clone()),
            tensor(weight.primitive.clone()),
            tensor(bias.primitive),
            stride,
            padding,
        ));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x.primitive, weight.primitive, stride, padding), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    fn convolve_2d_plus(
        x: Tensor<Self, 4>,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        addend: Addend<Self>,
        stride: usize,
        padding: usize,
    ) -> Tensor<Self, 4> {
        let Some((added, addend)) = Added::split(addend) else {
            return Self::convolve_2d(x, weight, bias, stride, padding);
        };
        let parents = [float(x), float(weight), float(bias), addend];
        let nodes = parents.each_ref().map(|parent| parent.node.clone());
        let prepared = Backward::<B, 4>::prepare::<C>(Convolve2dPlus(added), nodes);
        let [x, weight, bias, addend] = parents.map(|parent| parent.primitive);
        let kept = (x.clone(), weight.clone(), stride, padding);
        let addend = added.addend::<B>(addend);
        let output =
            float(B::convolve_2d_plus(tensor(x), tensor(weight), tensor(bias), addend, stride, padding));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    fn activate_convolve_2d(
        x: Tensor<Self, 4>,
        [scale, shift]: [Tensor<Self, 1>; 2],
        norm: Norm,
        weight: Tensor<Self, 4>,
        bias: Tensor<Self, 1>,
        addend: Addend<Self>,
    ) -> Tensor<Self, 4> {
        let parents = [float(x), float(scale), float(shift), float(weight), float(bias)];
        let [x, scale, shift, weight, bias] = parents.each_ref().map(|parent| parent.primitive.clone());
        let kept = ([x.clone(), scale.clone(), shift.clone(), weight.clone()], norm);
        let forward = |addend: Addend<B>| {
            let affine = [tensor(scale), tensor(shift)];
            float(B::activate_convolve_2d(tensor(x), affine, norm, tensor(weight), tensor(bias), addend))
        };
        let nodes = parents.map(|parent| parent.node);
        tensor(match Added::split(addend) {
            None => {
                let prepared = Backward::<B, 5>::prepare::<C>(ActivateConvolve2d, nodes);
                let output = forward(Addend::Nothing);
                match prepared.compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(kept, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
            Some((added, addend)) => {
                let [x, scale, shift, weight, bias] = nodes;
                let nodes = [x, scale, shift, weight, bias, addend.node.clone()];
                let prepared = Backward::<B, 6>::prepare::<C>(ActivateConvolve2dPlus(added), nodes);
                let output = forward(added.addend(addend.primitive));
                match prepared.compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(kept, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        })
    }

    fn upsample_nearest_2x(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let x = float(x);
        let prepared = Backward::<B, 1>::prepare::<C>(UpsampleNearest2x, [x.node.clone()]);
        let output = float(B::upsample_nearest_2x(tensor(x.primitive)));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    fn concat_channels(a: Tensor<Self, 4>, b: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let c_a = a.dims()[1];
        let (a, b) = (float(a), float(b));
        let prepared = Backward::<B, 2>::prepare::<C>(ConcatChannels, [a.node.clone(), b.node.clone()]);
        let output = float(B::concat_channels(tensor(a.primitive), tensor(b.primitive)));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(c_a, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    fn normalize(
        x: Tensor<Self, 3>,
        weight: Tensor<Self, 1>,
        bias: Tensor<Self, 1>,
        norm: Norm,
    ) -> Tensor<Self, 3> {
        let (x, weight, bias) = (float(x), float(weight), float(bias));
        let prepared = Backward::<B, 3>::prepare::<C>(
            Normalize,
            [x.node.clone(), weight.node.clone(), bias.node.clone()],
        );
        let state = [x.primitive, weight.primitive, bias.primitive];
        let [x, weight, bias] = state.clone();
        let output = float(B::normalize(tensor(x), tensor(weight), tensor(bias), norm));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((state, norm), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }

    fn affine<const D: usize>(
        x: Tensor<Self, D>,
        weight: Tensor<Self, 2>,
        bias: Tensor<Self, 1>,
    ) -> Tensor<Self, D> {
        let (mut dims, [d_out, d_in]) = (x.dims(), weight.dims());
        let rows = dims[1..D - 1].iter().product();
        let (x, weight, bias) = (float(x.reshape([dims[0], rows, d_in])), float(weight), float(bias));
        let prepared =
            Backward::<B, 3>::prepare::<C>(Affine, [x.node.clone(), weight.node.clone(), bias.node.clone()]);
        let kept = [x.primitive.clone(), weight.primitive.clone()];
        let x: Tensor<B, 3> = tensor(x.primitive);
        let output = float(B::affine(x, tensor(weight.primitive), tensor(bias.primitive)));
        let y: Tensor<Self, 3> = tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        });
        dims[D - 1] = d_out;
        y.reshape(dims)
    }

    fn dot_product_attention(
        q: Tensor<Self, 4>,
        k: Tensor<Self, 4>,
        v: Tensor<Self, 4>,
        scale: f64,
    ) -> Tensor<Self, 4> {
        let (q, k, v) = (float(q), float(k), float(v));
        let prepared = Backward::<B, 3>::prepare::<C>(
            DotProductAttention,
            [q.node.clone(), k.node.clone(), v.node.clone()],
        );
        let state = [q.primitive, k.primitive, v.primitive];
        let [q, k, v] = state.clone();
        let output = float(B::dot_product_attention(tensor(q), tensor(k), tensor(v), scale));
        tensor(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((state, scale), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    }
}
