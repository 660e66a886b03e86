//! Linear layers and attention.

use burn::tensor::{
    Tensor,
    activation::softmax,
    backend::{AutodiffBackend, Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{Kernels, TrainBackend};
use proptest::prelude::*;

use crate::common::{all_close, numbers, values};

/// Output and gradients of x, weight and bias as numbers, of a linear layer.
pub fn affine_pass<B: TrainBackend>([n, rows, d_in, d_out]: [usize; 4], ours: bool) -> Vec<Vec<f64>> {
    let x = values::<B, 3>([n, rows, d_in], 1).require_grad();
    let weight = values::<B, 2>([d_out, d_in], 2).require_grad();
    let bias = values::<B, 1>([d_out], 3).require_grad();
    let y = if ours {
        B::affine(x.clone(), weight.clone(), bias.clone())
    } else {
        x.clone().matmul(weight.clone().transpose().unsqueeze()) + bias.clone().reshape([1, 1, d_out])
    };
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    vec![
        numbers(y.into_data()),
        numbers(x.grad(&grads).unwrap().into_data()),
        numbers(weight.grad(&grads).unwrap().into_data()),
        numbers(bias.grad(&grads).unwrap().into_data()),
    ]
}

/// Output and gradients of q, k and v as numbers, from an attention.
fn attention_pass<B: AutodiffBackend>(
    shape: [usize; 4],
    attention: impl Fn(Tensor<B, 4>, Tensor<B, 4>, Tensor<B, 4>) -> Tensor<B, 4>,
) -> [Vec<f64>; 4] {
    let [q, k, v] = [1, 2, 3].map(|seed| (values::<B, 4>(shape, seed) * 2.0).detach().require_grad());
    let y = attention(q.clone(), k.clone(), v.clone());
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    let numbers = |t: Tensor<B::InnerBackend, 4>| numbers(t.into_data());
    [y.inner(), q.grad(&grads).unwrap(), k.grad(&grads).unwrap(), v.grad(&grads).unwrap()].map(numbers)
}

fn kernel_attention<B: Kernels>(q: Tensor<B, 4>, k: Tensor<B, 4>, v: Tensor<B, 4>) -> Tensor<B, 4> {
    B::dot_product_attention(q, k, v, 0.7)
}

fn composed_attention<B: Backend>(q: Tensor<B, 4>, k: Tensor<B, 4>, v: Tensor<B, 4>) -> Tensor<B, 4> {
    v.matmul(softmax((q * 0.7).swap_dims(2, 3).matmul(k), 3).swap_dims(2, 3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Up to sizes at which the gradients take several jobs.
    #[test]
    fn linear_layers_agree(n in 1_usize..20, rows in 1_usize..6, d_in in 1_usize..70, d_out in 1_usize..70) {
        let shape = [n, rows, d_in, d_out];
        let expected = affine_pass::<Autodiff<NdArray<f64>>>(shape, false);
        all_close(&affine_pass::<Autodiff<Flex>>(shape, true), &expected, 1e-5)?;
        all_close(&affine_pass::<Autodiff<NdArray<f32>>>(shape, true), &expected, 1e-5)?;
        all_close(&affine_pass::<Autodiff<NdArray<f64>>>(shape, true), &expected, 1e-12)?;
    }

    #[test]
    fn attentions_agree(n in 1_usize..4, heads in 1_usize..4, length in 1_usize..40, width in 1_usize..20) {
        let shape = [n, heads, width, length];
        // The composition in f64 is exact where logits are large and one in f32 is not.
        let expected = attention_pass::<Autodiff<NdArray<f64>>>(shape, composed_attention);
        for ours in [
            attention_pass::<Autodiff<Flex>>(shape, kernel_attention),
            attention_pass::<Autodiff<NdArray<f32>>>(shape, kernel_attention),
        ] {
            for (ours, expected) in ours.iter().zip(&expected) {
                let scale = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                let difference = ours.iter().zip(expected).fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()));
                prop_assert!(difference <= 3e-5 * scale + 1e-6, "they differ by {} of {}", difference, scale);
            }
        }
    }
}
