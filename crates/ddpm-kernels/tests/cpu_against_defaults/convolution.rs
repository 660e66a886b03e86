//! Convolutions, of one tensor and of two.

use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{Convolve, Joined, Kernels, TrainBackend};
use proptest::prelude::*;

use crate::common::{Pass, numbers, same, values};

pub fn conv_pass<B: TrainBackend>(
    shape: [usize; 5],
    stride: usize,
    padding: usize,
    ours: bool,
) -> Pass<B::InnerBackend> {
    let [n, c_in, c_out, size, kernel] = shape;
    let x = values::<B, 4>([n, c_in, size, size + 1], 1).require_grad();
    let weight = values::<B, 4>([c_out, c_in, kernel, kernel], 2).require_grad();
    let bias = values::<B, 1>([c_out], 3).require_grad();
    let y = if ours {
        let (x, weight, bias) = (x.clone().into(), weight.clone(), bias.clone());
        B::convolve_2d(Convolve { x, weight, bias, stride, padding })
    } else {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
    };
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    let [gx, gw] = [x.grad(&grads).unwrap(), weight.grad(&grads).unwrap()];
    (y.inner(), [gx, gw], bias.grad(&grads).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn convolutions_agree(
        n in 1_usize..6, c_in in 1_usize..7, c_out in 1_usize..9, size in 3_usize..9,
        kernel in prop_oneof![Just(1_usize), Just(3)], stride in 1_usize..3, padding in 0_usize..2,
    ) {
        let shape = [n, c_in, c_out, size, kernel];
        let expected = conv_pass::<Autodiff<Flex>>(shape, stride, padding, false);
        same(conv_pass::<Autodiff<Flex>>(shape, stride, padding, true), expected)?;
        let on_ndarray = conv_pass::<Autodiff<NdArray<f32>>>(shape, stride, padding, true);
        same(on_ndarray, conv_pass::<Autodiff<NdArray<f32>>>(shape, stride, padding, false))?;
    }
}

#[test]
fn what_is_not_tracked_gets_no_gradient_and_the_rest_is_right() {
    type B = Autodiff<Flex>;
    let x = values::<B, 4>([2, 3, 5, 5], 1);
    let frozen = values::<B, 4>([4, 3, 3, 3], 2);
    let bias = values::<B, 1>([4], 3).require_grad();
    let convolution =
        Convolve { x: x.clone().into(), weight: frozen, bias: bias.clone(), stride: 1, padding: 1 };
    let y = B::convolve_2d(convolution);
    let grads = y.sum().backward();
    assert!(x.grad(&grads).is_none());
    // The bias enters each of 2 x 5 x 5 pixels once.
    let expected = Tensor::<Flex, 1>::full([4], 50.0, &Default::default());
    assert!(bias.grad(&grads).unwrap().equal(expected).all().into_scalar());
}

/// A backend whose convolutions read one tensor gets one, and the gradients of two come apart.
#[test]
fn where_convolutions_read_one_tensor_two_are_joined() {
    type B = Autodiff<NdArray<f64>>;
    let a = values::<B, 4>([2, 3, 5, 6], 1).require_grad();
    let b = values::<B, 4>([2, 5, 5, 6], 2).require_grad();
    assert!(matches!(B::join_channels(a.clone(), b.clone()), Joined::One(_)));
    let weight = values::<B, 4>([4, 8, 3, 3], 3);
    let grads_of = |x: Joined<B>| {
        let (weight, bias) = (weight.clone(), values([4], 4));
        let y = B::convolve_2d(Convolve { x, weight, bias, stride: 1, padding: 1 });
        let grads = (y.clone() * values(y.dims(), 5)).sum().backward();
        [&a, &b].map(|t| numbers(t.grad(&grads).unwrap().into_data()))
    };
    let two = grads_of(Joined::Two([a.clone(), b.clone()]));
    assert_eq!(two, grads_of(B::join_channels(a.clone(), b.clone())));
    let x = || values::<Autodiff<Flex>, 4>([2, 3, 5, 6], 1);
    assert!(matches!(Autodiff::<Flex>::join_channels(x(), x()), Joined::Two(_)));
}
