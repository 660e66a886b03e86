//! The operations under autodiff: one node each, whose backward pass is the inner backend's.

use burn::tensor::{Tensor, ops::FloatTensor};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

use crate::{
    ActivateConvolve, ActivateConvolveBackward, Addend, AttentionBackward, Convolve, ConvolveBackward,
    Joined, Kernels, Norm, NormalizeBackward,
    ops::{float, tensor},
    precision::in_range,
};

/// Registers a gradient, where it is asked for. A macro, because burn-autodiff does not export the type of a node.
macro_rules! register {
    ($grads:ident, $node:expr, $grad:expr) => {
        if let Some(node) = $node {
            $grads.register::<B>(node.id, $grad);
        }
    };
}

/// The kind of an addition to a convolution, whose tensor is one more parent behind the others.
#[derive(Debug, Clone, Copy)]
enum Added {
    Shift,
    Residual,
}

impl Added {
    /// Gives the kind of an addend, and the addend without autodiff; its tensor becomes a parent.
    fn take<B: Kernels, C: CheckpointStrategy>(
        addend: Addend<Autodiff<B, C>>,
        parents: &mut Vec<FloatTensor<Autodiff<B, C>>>,
    ) -> (Option<Self>, Addend<B>) {
        let (added, parent) = match addend {
            Addend::Nothing => return (None, Addend::Nothing),
            Addend::Shift(shift) => (Self::Shift, float(shift)),
            Addend::Residual(residual) => (Self::Residual, float(residual)),
        };
        let primitive = parent.primitive.clone();
        parents.push(parent);
        let addend = match added {
            Self::Shift => Addend::Shift(tensor(primitive)),
            Self::Residual => Addend::Residual(tensor(primitive)),
        };
        (Some(added), addend)
    }

    fn gradient<B: Kernels>(self, grad: &Tensor<B, 4>) -> FloatTensor<B> {
        match self {
            Self::Shift => float(B::sum_pixels(grad.clone())),
            Self::Residual => float(grad.clone()),
        }
    }
}

/// Its parents: each tensor of x, weight, bias, and what is added.
#[derive(Debug)]
struct Convolve2d(Option<Added>);

impl<B: Kernels, const N: usize> Backward<B, N> for Convolve2d {
    /// x, weight, stride, padding
    type State = (Joined<B>, FloatTensor<B>, usize, usize);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad: Tensor<B, 4> = tensor(grads.consume::<B>(&ops.node));
        if let Some(added) = self.0 {
            register!(grads, &ops.parents[N - 1], added.gradient(&grad));
        }
        let (grad, scale) = in_range(grad);
        let (x, weight, stride, padding) = ops.state;
        let with_x = ops.parents.iter().take(x.parts()).any(Option::is_some);
        let (weight_at, weight) = (x.parts(), tensor(weight));
        let convolution = ConvolveBackward { x, weight, grad, stride, padding, with_x };
        let (x_grad, weight_grad, bias_grad) = B::convolve_2d_backward(convolution);
        let x_grads = x_grad.into_iter().flat_map(Joined::into_parts);
        for (node, grad) in ops.parents.iter().zip(x_grads) {
            register!(grads, node, float(scale.undo(grad)));
        }
        register!(grads, &ops.parents[weight_at], float(scale.undo(weight_grad)));
        register!(grads, &ops.parents[weight_at + 1], float(scale.undo(bias_grad)));
    }
}

/// Its parents: each tensor of x, weight and bias of the norm, weight, bias, and what is added.
#[derive(Debug)]
struct ActivateConvolve2d(Option<Added>);

impl<B: Kernels, const N: usize> Backward<B, N> for ActivateConvolve2d {
    /// x; weight and bias of the norm, and weight
    type State = (Joined<B>, [FloatTensor<B>; 3], Norm);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad: Tensor<B, 4> = tensor(grads.consume::<B>(&ops.node));
        if let Some(added) = self.0 {
            register!(grads, &ops.parents[N - 1], added.gradient(&grad));
        }
        let (grad, range) = in_range(grad);
        let (x, [scale, shift, weight], norm) = ops.state;
        let affine = [tensor(scale), tensor(shift)];
        let stage = ActivateConvolveBackward { x, affine, norm, weight: tensor(weight), grad };
        let found = B::activate_convolve_2d_backward(stage);
        let [scale, shift] = found.affine.map(|grad| float(range.undo(grad)));
        let others = [scale, shift, float(range.undo(found.weight)), float(range.undo(found.bias))];
        let of_x = found.x.into_parts().into_iter().map(|grad| float(range.undo(grad)));
        let found = of_x.chain(others);
        for (node, grad) in ops.parents.iter().zip(found) {
            register!(grads, node, grad);
        }
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
        let (x, weight, bias) = (tensor(x), tensor(weight), tensor(bias));
        let (x_grad, weight_grad, bias_grad) =
            B::normalize_backward(NormalizeBackward { x, weight, bias, grad, norm });
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
        let (grad, scale) = in_range(tensor(grads.consume::<B>(&ops.node)));
        let [x, weight] = ops.state;
        let (x_grad, weight_grad, bias_grad) = B::affine_backward(tensor(x), tensor(weight), grad);
        let results =
            [float(scale.undo(x_grad)), float(scale.undo(weight_grad)), float(scale.undo(bias_grad))];
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
        let (grad, range) = in_range(tensor(grads.consume::<B>(&ops.node)));
        let ([q, k, v], scale) = ops.state;
        let [q, k, v] = [q, k, v].map(tensor);
        let results = B::dot_product_attention_backward(AttentionBackward { q, k, v, grad, scale });
        for (node, grad) in ops.parents.into_iter().zip(results) {
            register!(grads, node, float(range.undo(grad)));
        }
    }
}

/// Records an operation that has these parents, with its output and what its backward pass needs.
fn record<B: Kernels, C: CheckpointStrategy, O: Backward<B, N>, const N: usize>(
    operation: O,
    parents: [&FloatTensor<Autodiff<B, C>>; N],
    kept: O::State,
    output: FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let prepared = operation.prepare::<C>(parents.map(|parent| parent.node.clone()));
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(kept, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// The tensors of x, as parents, and x without autodiff.
fn input<B: Kernels, C: CheckpointStrategy>(
    x: Joined<Autodiff<B, C>>,
) -> (Vec<FloatTensor<Autodiff<B, C>>>, Joined<B>) {
    let inner = match &x {
        Joined::One(x) => Joined::One(tensor(float(x.clone()).primitive)),
        Joined::Two(parts) => Joined::Two(parts.clone().map(|part| tensor(float(part).primitive))),
    };
    (x.into_parts().into_iter().map(float).collect(), inner)
}

impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    const READS_TWO: bool = B::READS_TWO;

    fn has_tf32(device: &Self::Device) -> bool {
        B::has_tf32(device)
    }

    fn reserved_memory(device: &Self::Device) -> Option<u64> {
        B::reserved_memory(device)
    }

    fn convolve_2d(convolution: Convolve<Self>) -> Tensor<Self, 4> {
        Self::convolve_2d_plus(convolution, Addend::Nothing)
    }

    fn convolve_2d_plus(convolution: Convolve<Self>, addend: Addend<Self>) -> Tensor<Self, 4> {
        let Convolve { x, weight, bias, stride, padding } = convolution;
        let ((mut parents, x), weight, bias) = (input(x), float(weight), float(bias));
        let kept = (x.clone(), weight.primitive.clone(), stride, padding);
        let (weight_inner, bias_inner) = (tensor(weight.primitive.clone()), tensor(bias.primitive.clone()));
        parents.extend([weight, bias]);
        let (added, addend) = Added::take::<B, C>(addend, &mut parents);
        let inner = Convolve { x, weight: weight_inner, bias: bias_inner, stride, padding };
        let output = float(B::convolve_2d_plus(inner, addend));
        let operation = Convolve2d(added);
        tensor(match &parents[..] {
            [a, b, c] => record::<B, C, _, 3>(operation, [a, b, c], kept, output),
            [a, b, c, d] => record::<B, C, _, 4>(operation, [a, b, c, d], kept, output),
            [a, b, c, d, e] => record::<B, C, _, 5>(operation, [a, b, c, d, e], kept, output),
            _ => unreachable!("two tensors of x, weight, bias and one that is added, at most"),
        })
    }

    fn activate_convolve_2d(stage: ActivateConvolve<Self>) -> Tensor<Self, 4> {
        let ActivateConvolve { x, affine, norm, weight, bias, addend } = stage;
        let (mut parents, x) = input(x);
        let [scale, shift] = affine.map(float);
        let others = [scale, shift, float(weight), float(bias)];
        let [scale, shift, weight, bias] = others.each_ref().map(|parent| parent.primitive.clone());
        let kept = (x.clone(), [scale.clone(), shift.clone(), weight.clone()], norm);
        parents.extend(others);
        let (added, addend) = Added::take::<B, C>(addend, &mut parents);
        let (affine, weight, bias) = ([tensor(scale), tensor(shift)], tensor(weight), tensor(bias));
        let inner = ActivateConvolve { x, affine, norm, weight, bias, addend };
        let output = float(B::activate_convolve_2d(inner));
        let operation = ActivateConvolve2d(added);
        tensor(match &parents[..] {
            [a, b, c, d, e] => record::<B, C, _, 5>(operation, [a, b, c, d, e], kept, output),
            [a, b, c, d, e, f] => record::<B, C, _, 6>(operation, [a, b, c, d, e, f], kept, output),
            [a, b, c, d, e, f, g] => record::<B, C, _, 7>(operation, [a, b, c, d, e, f, g], kept, output),
            _ => unreachable!("two tensors of x, four parameters and one that is added, at most"),
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
