//! The operations under autodiff: one node each, whose backward pass is the inner backend's.

use burn::tensor::Tensor;
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};

use crate::{
    Kernels, Norm,
    ops::{float, tensor},
};

#[derive(Debug)]
struct Convolve2d;

impl<B: Kernels> Backward<B, 3> for Convolve2d {
    /// x, weight, stride, padding
    type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, usize, usize);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let grad = tensor(grads.consume::<B>(&ops.node));
        let (x, weight, stride, padding) = ops.state;
        let (x_grad, weight_grad, bias_grad) =
            B::convolve_2d_backward(tensor(x), tensor(weight), grad, stride, padding, x_node.is_some());
        if let (Some(node), Some(grad)) = (x_node, x_grad) {
            grads.register::<B>(node.id, float(grad));
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, float(weight_grad));
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, float(bias_grad));
        }
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
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
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
            if let Some(node) = node {
                grads.register::<B>(node.id, float(grad));
            }
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
