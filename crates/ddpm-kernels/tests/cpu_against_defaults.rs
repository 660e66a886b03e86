//! The CPU kernels against the trait's default bodies, over random shapes and values, on both CPU backends.

use burn::tensor::{
    Tensor, TensorData,
    activation::{silu, softmax},
    backend::{AutodiffBackend, Backend},
    module::conv2d,
    ops::ConvOptions,
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{AdamW, AdamWState, Addend, Joined, Kernels, Norm, TrainBackend};
use proptest::prelude::*;

/// Numbers that depend on the position in a way that no layout mistake survives.
fn values<B: Backend, const D: usize>(dims: [usize; D], seed: u32) -> Tensor<B, D> {
    let n = dims.iter().product::<usize>();
    let value = |i: usize| {
        let mixed =
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)).rotate_left(13);
        (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    Tensor::from_data(TensorData::new((0..n).map(value).collect::<Vec<f32>>(), dims), &B::Device::default())
}

fn numbers(data: TensorData) -> Vec<f64> {
    data.convert::<f64>().to_vec().unwrap()
}

fn close<B: Backend, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Result<(), TestCaseError> {
    let scale: f32 = b.clone().abs().max().into_data().iter::<f32>().next().unwrap_or(0.0);
    let difference: f32 = (a - b).abs().max().into_data().iter::<f32>().next().unwrap_or(0.0);
    prop_assert!(difference <= 1e-4 * scale + 1e-5, "they differ by {} of {}", difference, scale);
    Ok(())
}

/// Output and gradients of x, weight and bias under a random cotangent.
type Pass<I> = (Tensor<I, 4>, [Tensor<I, 4>; 2], Tensor<I, 1>);

fn conv_pass<B: TrainBackend>(
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
        B::convolve_2d(x.clone(), weight.clone(), bias.clone(), stride, padding)
    } else {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        conv2d(x.clone(), weight.clone(), Some(bias.clone()), options)
    };
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    let [gx, gw] = [x.grad(&grads).unwrap(), weight.grad(&grads).unwrap()];
    (y.inner(), [gx, gw], bias.grad(&grads).unwrap())
}

fn norm_pass<B: TrainBackend>(shape: [usize; 4], silu_too: bool, ours: bool) -> Pass<B::InnerBackend> {
    let [n, groups, per_group, size] = shape;
    let c = groups * per_group;
    let x = (values::<B, 4>([n, c, size, size], 1) * 3.0 + 0.5).detach().require_grad();
    let weight = values::<B, 1>([c], 2).require_grad();
    let bias = values::<B, 1>([c], 3).require_grad();
    let y = if ours {
        let norm = if silu_too { B::group_norm_silu } else { B::group_norm };
        norm(x.clone(), weight.clone(), bias.clone(), groups, 1e-5)
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

fn same<I: Backend>(a: Pass<I>, b: Pass<I>) -> Result<(), TestCaseError> {
    close(a.0, b.0)?;
    for (x, y) in a.1.into_iter().zip(b.1) {
        close(x, y)?;
    }
    close(a.2, b.2)
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

    #[test]
    fn norms_agree(n in 1_usize..5, groups in 1_usize..4, per_group in 1_usize..5, size in 2_usize..8, silu: bool) {
        let shape = [n, groups, per_group, size];
        same(norm_pass::<Autodiff<Flex>>(shape, silu, true), norm_pass::<Autodiff<Flex>>(shape, silu, false))?;
        let expected = norm_pass::<Autodiff<NdArray<f32>>>(shape, silu, false);
        same(norm_pass::<Autodiff<NdArray<f32>>>(shape, silu, true), expected)?;
    }
}

/// What is added in the tests of a residual block's stages.
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
        B::activate_convolve_2d(x.clone(), affine, norm, weight.clone(), bias.clone(), addend)
    } else {
        let activated = B::group_norm_silu(x.clone(), scale.clone(), shift.clone(), groups, 1e-5);
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

/// Every array is within a share of its largest number.
fn all_close(found: &[Vec<f64>], expected: &[Vec<f64>], share: f64) -> Result<(), TestCaseError> {
    close_but_for(found, expected, share, |_| 0.0)
}

/// Every array is within a share of its largest number, and of what its index allows it besides.
fn close_but_for(
    found: &[Vec<f64>],
    expected: &[Vec<f64>],
    share: f64,
    besides: impl Fn(usize) -> f64,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (array, (found, expected)) in found.iter().zip(expected).enumerate() {
        prop_assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        let difference = found.iter().zip(expected).fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()));
        let allowed = share * scale + 1e-6 + besides(array);
        prop_assert!(difference <= allowed, "array {}: they differ by {} of {}", array, difference, scale);
    }
    Ok(())
}

/// What the rounding of their terms, once each, can make of the gradients of a stage's norm in f32. They are sums over all
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

/// Upsampling and concatenation, with gradients; by the kernels or by Burn.
fn moving_pass<B: TrainBackend>(shape: [usize; 5], ours: bool) -> Vec<Vec<f64>> {
    let [n, c_a, c_b, h, w] = shape;
    let a = values::<B, 4>([n, c_a, h, w], 1).require_grad();
    let b = values::<B, 4>([n, c_b, 2 * h, 2 * w], 2).require_grad();
    let y = if ours {
        B::concat_channels(B::upsample_nearest_2x(a.clone()), b.clone())
    } else {
        let rows = a.clone().reshape([n, c_a, h, 1, w, 1]).repeat_dim(3, 2).repeat_dim(5, 2);
        Tensor::cat(vec![rows.reshape([n, c_a, 2 * h, 2 * w]), b.clone()], 1)
    };
    let grads = (y.clone() * values(y.dims(), 3)).sum().backward();
    let mut found = vec![numbers(y.into_data())];
    found.extend([a, b].map(|t| numbers(t.grad(&grads).unwrap().into_data())));
    found
}

/// Some steps of AdamW with a scale, and sums of squares.
fn adamw_steps<B: Kernels>(len: usize, adamw: AdamW) -> Vec<Vec<f64>> {
    let mut state = AdamWState::<B> {
        value: values([len], 1),
        moment_1: values::<B, 1>([len], 2) * 0.0,
        moment_2: values::<B, 1>([len], 2) * 0.0,
        average: values([len], 1),
    };
    let mut squares = Vec::new();
    for step in 1..4 {
        let scale = Tensor::from_data(TensorData::new(vec![0.5_f32], [1]), &Default::default());
        let grad = values::<B, 1>([len], 10 + step as u32);
        squares.push(B::sum_of_squares(grad.clone()).into_data().convert::<f64>().to_vec().unwrap()[0]);
        state = B::adamw(AdamW { step, ..adamw }, Some(scale), grad, state);
    }
    let AdamWState { value, moment_1, moment_2, average } = state;
    let arrays = [value, moment_1, moment_2, average];
    let mut found = arrays.map(|t| t.into_data().convert::<f64>().to_vec().unwrap()).to_vec();
    found.push(squares);
    found
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

    #[test]
    fn upsampling_and_concatenation_agree(
        n in 1_usize..4, c_a in 1_usize..5, c_b in 1_usize..5, h in 1_usize..6, w in 1_usize..6,
    ) {
        let shape = [n, c_a, c_b, h, w];
        let expected = moving_pass::<Autodiff<NdArray<f64>>>(shape, false);
        all_close(&moving_pass::<Autodiff<NdArray<f64>>>(shape, true), &expected, 1e-6)?;
        all_close(&moving_pass::<Autodiff<Flex>>(shape, true), &expected, 1e-6)?;
        all_close(&moving_pass::<Autodiff<NdArray<f32>>>(shape, true), &expected, 1e-6)?;
    }

    #[test]
    fn steps_of_adamw_agree(len in 1_usize..70, weight_decay in 0.0_f32..0.3, average_weight in 0.0_f64..1.0) {
        let adamw = AdamW {
            learning_rate: 0.01, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, weight_decay, step: 1, average_weight,
        };
        let expected = adamw_steps::<NdArray<f64>>(len, adamw);
        all_close(&adamw_steps::<Flex>(len, adamw), &expected, 1e-5)?;
        all_close(&adamw_steps::<NdArray<f32>>(len, adamw), &expected, 1e-5)?;
    }
}

/// Output and gradients of x, weight and bias as numbers, of a linear layer.
fn affine_pass<B: TrainBackend>([n, rows, d_in, d_out]: [usize; 4], ours: bool) -> Vec<Vec<f64>> {
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

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (y, [gx, gw], gb) = conv_pass::<Autodiff<Flex>>([13, 5, 7, 9, 3], 1, 1, true);
            // Enough channels to go through the transforms.
            let (wide, [wide_x, wide_w], wide_b) =
                conv_pass::<Autodiff<Flex>>([70, 20, 37, 9, 3], 1, 1, true);
            // And enough tiles for jobs with sums of their own.
            let (many, [many_x, many_w], many_b) =
                conv_pass::<Autodiff<Flex>>([18, 16, 17, 30, 3], 1, 1, true);
            let (z, [nx, nw], nb) = norm_pass::<Autodiff<Flex>>([13, 4, 4, 7], true, true);
            let linear = affine_pass::<Autodiff<Flex>>([70, 3, 40, 70], true);
            let bytes = |t: Tensor<Flex, 4>| t.into_data().to_vec::<f32>().unwrap();
            let flat = |t: Tensor<Flex, 1>| t.into_data().to_vec::<f32>().unwrap();
            let maps = [y, gx, gw, z, nx, nw, wide, wide_x, wide_w, many, many_x, many_w].map(bytes);
            (maps, [gb, nb, wide_b, many_b].map(flat), linear)
        })
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(3));
}

#[test]
fn what_is_not_tracked_gets_no_gradient_and_the_rest_is_right() {
    type B = Autodiff<Flex>;
    let x = values::<B, 4>([2, 3, 5, 5], 1);
    let frozen = values::<B, 4>([4, 3, 3, 3], 2);
    let bias = values::<B, 1>([4], 3).require_grad();
    let y = B::convolve_2d(x.clone(), frozen, bias.clone(), 1, 1);
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
        let y = B::convolve_2d(x, weight.clone(), values([4], 4), 1, 1);
        let grads = (y.clone() * values(y.dims(), 5)).sum().backward();
        [&a, &b].map(|t| numbers(t.grad(&grads).unwrap().into_data()))
    };
    let two = grads_of(Joined::Two([a.clone(), b.clone()]));
    assert_eq!(two, grads_of(B::join_channels(a.clone(), b.clone())));
    let x = || values::<Autodiff<Flex>, 4>([2, 3, 5, 6], 1);
    assert!(matches!(Autodiff::<Flex>::join_channels(x(), x()), Joined::Two(_)));
}
