//! A stage of a residual block, fused.

use burn::tensor::{module::conv2d, ops::ConvOptions};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{ActivateConvolve, Addend, GroupNorm, Norm, TrainBackend};
use proptest::prelude::*;

use crate::common::{all_close, close_but_for, numbers, values};

/// The addition in the tests of a residual block's stages.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plus {
    Nothing,
    Shift,
    Residual,
}

/// Output and all gradients as numbers, of a norm, a convolution and an addition; fused or one after another.
fn stage_pass<B: TrainBackend>(shape: [usize; 6], plus: Plus, fused: bool) -> Vec<Vec<f64>> {
    let [n, groups, per_group, c_out, height, width] = shape;
    let c = groups * per_group;
    let x = (values::<B, 4>([n, c, height, width], 1) * 2.0 + 0.3).detach().require_grad();
    let [scale, shift] = [2, 3].map(|seed| values::<B, 1>([c], seed).require_grad());
    let weight = values::<B, 4>([c_out, c, 3, 3], 4).require_grad();
    let bias = values::<B, 1>([c_out], 5).require_grad();
    let emb = values::<B, 2>([n, c_out], 6).require_grad();
    let other = values::<B, 4>([n, c_out, height, width], 7).require_grad();
    let y = if fused {
        let addend = match plus {
            Plus::Nothing => Addend::Nothing,
            Plus::Shift => Addend::Shift(emb.clone()),
            Plus::Residual => Addend::Residual(other.clone()),
        };
        let norm = Norm { groups, eps: 1e-5, silu: true };
        let affine = [scale.clone(), shift.clone()];
        let (x, weight, bias) = (x.clone().into(), weight.clone(), bias.clone());
        B::activate_convolve_2d(ActivateConvolve { x, affine, norm, weight, bias, addend })
    } else {
        let norm = GroupNorm { weight: scale.clone(), bias: shift.clone(), groups, eps: 1e-5 };
        let activated = B::group_norm_silu(x.clone(), norm);
        let options = ConvOptions::new([1; 2], [1; 2], [1; 2], 1);
        let y = conv2d(activated, weight.clone(), Some(bias.clone()), options);
        match plus {
            Plus::Nothing => y,
            Plus::Shift => y + emb.clone().reshape([n, c_out, 1, 1]),
            Plus::Residual => y + other.clone(),
        }
    };
    let grads = (y.clone() * values(y.dims(), 8)).sum().backward();
    let mut found = vec![numbers(y.into_data())];
    found.extend([&scale, &shift, &bias].map(|t| numbers(t.grad(&grads).unwrap().into_data())));
    found.extend([&x, &weight].map(|t| numbers(t.grad(&grads).unwrap().into_data())));
    found.extend(emb.grad(&grads).map(|t| numbers(t.into_data())));
    found.extend(other.grad(&grads).map(|t| numbers(t.into_data())));
    found
}

/// The most that the rounding of their terms, once each, changes the gradients of a stage's norm in f32. They are sums over all
/// pixels of the gradient that the convolution hands back: terms of 10 may leave a sum of 0.05.
fn rounding_of_terms([n, groups, per_group, c_out, height, width]: [usize; 6]) -> f64 {
    type Exact = Autodiff<NdArray<f64>>;
    let c = groups * per_group;
    let activated = values::<Exact, 4>([n, c, height, width], 1).require_grad();
    let weight = values::<Exact, 4>([c_out, c, 3, 3], 4);
    let y = conv2d(activated.clone(), weight, None, ConvOptions::new([1; 2], [1; 2], [1; 2], 1));
    let grads = (y.clone() * values(y.dims(), 8)).sum().backward();
    let terms = activated.grad(&grads).unwrap().abs().swap_dims(0, 1).reshape([c, n * height * width]);
    let largest_sum = numbers(terms.sum_dim(1).into_data()).into_iter().fold(0.0, f64::max);
    largest_sum * f64::from(f32::EPSILON) / 2.0
}

/// A stage of a residual block, fused, against its parts in f64.
fn stage_agrees(shape: [usize; 6], plus: Plus) -> Result<(), TestCaseError> {
    let expected = stage_pass::<Autodiff<NdArray<f64>>>(shape, plus, false);
    all_close(&stage_pass::<Autodiff<NdArray<f64>>>(shape, plus, true), &expected, 1e-6)?;
    let rounding = rounding_of_terms(shape);
    let of_norm = |array| if matches!(array, 1 | 2) { rounding } else { 0.0 };
    close_but_for(&stage_pass::<Autodiff<Flex>>(shape, plus, true), &expected, 3e-5, of_norm)?;
    close_but_for(&stage_pass::<Autodiff<NdArray<f32>>>(shape, plus, true), &expected, 3e-5, of_norm)
}

/// Here the gradient of the norm's weight is one number, 0.05, of terms of 10.
#[test]
fn a_stage_whose_gradient_cancels_agrees() {
    stage_agrees([3, 1, 1, 36, 2, 5], Plus::Nothing).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stages_of_a_residual_block_agree(
        n in 1_usize..4, groups in 1_usize..5, per_group in 1_usize..6, c_out in 1_usize..40,
        height in 2_usize..10, width in 2_usize..10,
        plus in prop_oneof![Just(Plus::Nothing), Just(Plus::Shift), Just(Plus::Residual)],
    ) {
        stage_agrees([n, groups, per_group, c_out, height, width], plus)?;
    }
}
