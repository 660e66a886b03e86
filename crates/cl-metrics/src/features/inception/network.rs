//! The network, for inference alone: the table of [`architecture`] with tensors.

use std::slice;

use burn::{
    module::{Module, Param},
    tensor::{
        Tensor,
        activation::relu,
        backend::Backend,
        module::{avg_pool2d, conv2d, max_pool2d},
        ops::ConvOptions,
    },
};
use ddpm_core::Kernels;
use ddpm_kernels::Convolve;

use super::architecture::{self, Branch, CLASSES, Conv, Pool};

/// A convolution into which its batch norm has been folded.
#[derive(Module, Debug)]
pub(super) struct FoldedConv<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> FoldedConv<B> {
    pub(super) fn new(weight: Param<Tensor<B, 4>>, bias: Param<Tensor<B, 1>>) -> Self {
        Self { weight, bias }
    }
}

impl<B: Kernels> FoldedConv<B> {
    fn forward(&self, conv: &Conv, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let ([height, width], [padding, _]) = (conv.kernel, conv.padding);
        relu(if height == width {
            B::convolve_2d(Convolve { x: x.into(), weight, bias, stride: conv.stride, padding })
        } else {
            conv2d(x, weight, Some(bias), ConvOptions::new([conv.stride; 2], conv.padding, [1; 2], 1))
        })
    }
}

/// Inception-v3 as FID has it.
#[derive(Module, Debug)]
pub(super) struct Inception<B: Backend> {
    /// In the order of the table.
    convs: Vec<FoldedConv<B>>,
    /// `[1008, 2048]`
    classes: Param<Tensor<B, 2>>,
}

impl<B: Backend> Inception<B> {
    pub(super) fn new(convs: Vec<FoldedConv<B>>, classes: Param<Tensor<B, 2>>) -> Self {
        Self { convs, classes }
    }
}

impl<B: Kernels> Inception<B> {
    /// The features, and the logits without their bias: the original Inception score leaves it out.
    ///
    /// # Shapes
    /// - `x`: `[n, 3, 299, 299]` in [-1, 1]; outputs: `[n, 2048]`, `[n, 1008]`
    pub(super) fn forward(&self, x: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let mut convs = self.convs.iter();
        let x = architecture::blocks().iter().fold(x, |x, block| {
            let outputs: Vec<_> =
                block.iter().map(|branch| forward_branch(branch, &mut convs, x.clone())).collect();
            Tensor::cat(outputs, 1)
        });
        let [n, c, h, w] = x.dims();
        let features = x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]);
        let bias = Tensor::zeros([CLASSES], ddpm_kernels::floats_on::<B>(&features.device()));
        (features.clone(), B::affine(features, self.classes.val(), bias))
    }
}

fn forward_branch<B: Kernels>(
    branch: &Branch,
    weights: &mut slice::Iter<'_, FoldedConv<B>>,
    x: Tensor<B, 4>,
) -> Tensor<B, 4> {
    let mut apply = |conv: &Conv, x| weights.next().expect("as many as the table has").forward(conv, x);
    let x = branch.pool.map_or(x.clone(), |pool| forward_pool(pool, x));
    let x = branch.convs.iter().fold(x, |x, conv| apply(conv, x));
    if branch.forks.is_empty() {
        return x;
    }
    Tensor::cat(branch.forks.iter().map(|fork| apply(fork, x.clone())).collect(), 1)
}

fn forward_pool<B: Kernels>(pool: Pool, x: Tensor<B, 4>) -> Tensor<B, 4> {
    match pool {
        Pool::Average => avg_pool2d(x, [3; 2], [1; 2], [1; 2], false, false),
        Pool::Maximum => max_pool2d(x, [3; 2], [1; 2], [1; 2], [1; 2], false),
        Pool::Halve => max_pool2d(x, [3; 2], [2; 2], [0; 2], [1; 2], false),
    }
}
