//! Group norm, with SiLU behind it or not.

use burn::tensor::activation::silu;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{GroupNorm, TrainBackend};
use proptest::prelude::*;

use crate::common::{Pass, same, values};

pub fn norm_pass<B: TrainBackend>(shape: [usize; 4], silu_too: bool, ours: bool) -> Pass<B::InnerBackend> {
    let [n, groups, per_group, size] = shape;
    let c = groups * per_group;
    let x = (values::<B, 4>([n, c, size, size], 1) * 3.0 + 0.5).detach().require_grad();
    let weight = values::<B, 1>([c], 2).require_grad();
    let bias = values::<B, 1>([c], 3).require_grad();
    let y = if ours {
        let norm = if silu_too { B::group_norm_silu } else { B::group_norm };
        norm(x.clone(), GroupNorm { weight: weight.clone(), bias: bias.clone(), groups, eps: 1e-5 })
    } else {
        let grouped = x.clone().reshape([n, groups, per_group * size * size]);
        let centred = grouped.clone() - grouped.mean_dim(2);
        let variance = centred.clone().powi_scalar(2).mean_dim(2);
        let y = (centred / variance.add_scalar(1e-5).sqrt()).reshape([n, c, size, size]);
        let y = y * weight.clone().reshape([1, c, 1, 1]) + bias.clone().reshape([1, c, 1, 1]);
        if silu_too { silu(y) } else { y }
    };
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    let gw = weight.grad(&grads).unwrap().reshape([1, c, 1, 1]);
    (y.inner(), [x.grad(&grads).unwrap(), gw], bias.grad(&grads).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn norms_agree(n in 1_usize..5, groups in 1_usize..4, per_group in 1_usize..5, size in 2_usize..8, silu: bool) {
        let shape = [n, groups, per_group, size];
        same(norm_pass::<Autodiff<Flex>>(shape, silu, true), norm_pass::<Autodiff<Flex>>(shape, silu, false))?;
        let expected = norm_pass::<Autodiff<NdArray<f32>>>(shape, silu, false);
        same(norm_pass::<Autodiff<NdArray<f32>>>(shape, silu, true), expected)?;
    }
}
