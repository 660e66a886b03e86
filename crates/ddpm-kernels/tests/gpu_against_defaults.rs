//! The GPU kernels against the trait's default bodies in f64, on whatever device wgpu finds: in CI, Mesa's software
//! Vulkan. Where there is none, the tests are skipped and say so.

use std::sync::LazyLock;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use burn_autodiff::Autodiff;
use burn_ndarray::NdArray;
use burn_wgpu::WgpuDevice;
use ddpm_kernels::{AdamW, AdamWState, Kernels, Norm, NormalizeBackward, TrainBackend, floats_on};
use proptest::prelude::*;

type Gpu = ddpm_kernels::gpu::Wgpu;
type Exact = NdArray<f64>;

/// Whether there is a device. wgpu panics where there is none.
fn device_found() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        std::panic::catch_unwind(|| Gpu::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok())
    });
    if !*FOUND {
        println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
    }
    *FOUND
}

/// Numbers that depend on the position in a way that no layout mistake survives.
fn values<B: Backend, const D: usize>(dims: [usize; D], seed: u32) -> Tensor<B, D> {
    let n = dims.iter().product::<usize>();
    let value = |i: usize| {
        let mixed =
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)).rotate_left(13);
        (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let data = TensorData::new((0..n).map(value).collect::<Vec<f32>>(), dims);
    Tensor::from_data(data, floats_on::<B>(&B::Device::default()))
}

fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().to_vec().unwrap()
}

/// The largest difference of two arrays, as a share of the largest number of the second.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|v| v.is_finite()));
    let scale = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let difference = found.iter().zip(expected).fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()));
    difference / scale.max(0.1)
}

fn all_close(found: &[Vec<f64>], expected: &[Vec<f64>], share: f64) {
    assert_eq!(found.len(), expected.len());
    let distances: Vec<f64> = found.iter().zip(expected).map(|(a, b)| distance(a, b)).collect();
    let shown: Vec<String> = distances.iter().map(|distance| format!("{distance:.1e}")).collect();
    println!("differences {}, allowed {share:.0e}", shown.join(" "));
    assert!(distances.iter().all(|distance| *distance <= share), "{distances:?} exceed {share}");
}

/// A normalisation of `[n, groups * channels, length]`.
#[derive(Debug, Clone, Copy)]
struct Case {
    n: usize,
    groups: usize,
    channels: usize,
    length: usize,
    silu: bool,
    offset: f32,
}

/// Output and gradients of x, weight and bias.
fn norm_pass<B: TrainBackend>(case: Case) -> Vec<Vec<f64>> {
    let Case { n, groups, channels, length, silu, offset } = case;
    let c = groups * channels;
    let x = (values::<B, 3>([n, c, length], 1) * 3.0 + offset).detach().require_grad();
    let [weight, bias] = [2, 3].map(|seed| values::<B, 1>([c], seed).require_grad());
    let norm = Norm { groups, eps: 1e-5, silu };
    let y = B::normalize(x.clone(), weight.clone(), bias.clone(), norm);
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    let [of_weight, of_bias] = [weight, bias].map(|t| numbers(t.grad(&grads).unwrap()));
    vec![numbers(y), numbers(x.grad(&grads).unwrap()), of_weight, of_bias]
}

fn compare_norm(case: Case, share: f64) {
    let found = norm_pass::<Autodiff<Gpu>>(case);
    all_close(&found, &norm_pass::<Autodiff<Exact>>(case), share);
}

fn case(n: usize, groups: usize, channels: usize, length: usize, silu: bool) -> Case {
    Case { n, groups, channels, length, silu, offset: 0.5 }
}

#[test]
fn norms_agree_at_the_edges() {
    if !device_found() {
        return;
    }
    for silu in [false, true] {
        // Groups of one number, of one position, of one channel; units that have no work, and that have much.
        compare_norm(case(1, 1, 1, 1, silu), 1e-5);
        compare_norm(case(2, 3, 7, 1, silu), 1e-5);
        compare_norm(case(3, 5, 1, 9, silu), 1e-5);
        compare_norm(case(2, 1, 300, 3, silu), 1e-5);
        compare_norm(case(1, 2, 6, 64 * 64, silu), 1e-5);
        // More images than the units of a cube that sums over them.
        compare_norm(case(300, 1, 2, 4, silu), 1e-5);
    }
}

/// More cubes than one dimension of a grid holds.
#[test]
fn a_norm_of_many_groups_agrees() {
    if device_found() {
        compare_norm(case(9000, 8, 1, 4, true), 1e-5);
    }
}

/// The squares are summed around the mean: with their sum around zero, nothing of the variance would be left.
#[test]
fn a_large_mean_costs_the_norm_no_accuracy() {
    if device_found() {
        compare_norm(Case { offset: 1000.0, ..case(2, 2, 3, 100, true) }, 1e-4);
    }
}

/// SiLU where its exponential overflows: output and gradients.
fn steep_pass<B: Kernels>() -> Vec<Vec<f64>> {
    let x = values::<B, 3>([1, 2, 32], 1);
    let [weight, bias] = [300.0, -20.0].map(|factor| values::<B, 1>([2], 2) * factor);
    let norm = Norm { groups: 1, eps: 1e-5, silu: true };
    let (x_grad, weight_grad, bias_grad) = B::normalize_backward(NormalizeBackward {
        x: x.clone(),
        weight: weight.clone(),
        bias: bias.clone(),
        grad: x.clone(),
        norm,
    });
    let y = B::normalize(x, weight, bias, norm);
    vec![numbers(y), numbers(x_grad), numbers(weight_grad), numbers(bias_grad)]
}

#[test]
fn silu_of_large_numbers_is_right() {
    if !device_found() {
        return;
    }
    all_close(&steep_pass::<Gpu>(), &steep_pass::<Exact>(), 1e-5);
}

/// Inputs in another order than their memory's, one tensor as two inputs, and other operations on both sides.
fn stream_pass<B: TrainBackend>() -> Vec<Vec<f64>> {
    let x = values::<B, 3>([2, 20, 6], 1).require_grad();
    let weight = values::<B, 1>([6], 2).require_grad();
    let norm = Norm { groups: 3, eps: 1e-5, silu: true };
    let turned = x.clone().swap_dims(1, 2).exp() + 1.0;
    let once = B::normalize(turned.clone(), weight.clone(), weight.clone(), norm);
    let twice = B::normalize(once.clone() * turned, weight.clone(), weight.clone() * 2.0, norm);
    let y = (twice + once).sin();
    let grads = (y.clone() * values(y.dims(), 4)).sum().backward();
    vec![numbers(y), numbers(x.grad(&grads).unwrap()), numbers(weight.grad(&grads).unwrap())]
}

#[test]
fn norms_agree_within_a_stream_of_operations() {
    if !device_found() {
        return;
    }
    all_close(&stream_pass::<Autodiff<Gpu>>(), &stream_pass::<Autodiff<Exact>>(), 1e-5);
}

#[test]
fn two_runs_of_a_norm_give_the_same_bytes() {
    if !device_found() {
        return;
    }
    let case = case(5, 2, 10, 49, true);
    compare_norm(case, 1e-5);
    assert_eq!(norm_pass::<Autodiff<Gpu>>(case), norm_pass::<Autodiff<Gpu>>(case));
}

fn adamw() -> AdamW {
    AdamW {
        learning_rate: 0.01,
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.1,
        step: 1,
        average_weight: 0.3,
    }
}

/// The state after some steps and, where `shared`, the states before each of them, which somebody holds meanwhile.
fn adamw_steps<B: Kernels>(len: usize, scaled: bool, shared: bool) -> Vec<Vec<f64>> {
    let zeros = Tensor::<B, 1>::zeros([len], floats_on::<B>(&Default::default()));
    let mut state = AdamWState::<B> {
        value: values([len], 1),
        moment_1: zeros.clone(),
        moment_2: zeros,
        average: values([len], 1),
    };
    let mut held = Vec::new();
    for step in 1..4 {
        if shared {
            held.push(state.clone());
        }
        let scale = scaled.then(|| Tensor::full([1], 0.5, floats_on::<B>(&Default::default())));
        state = B::adamw(AdamW { step, ..adamw() }, scale, values([len], 10 + step as u32), state);
    }
    held.push(state);
    let arrays =
        held.into_iter().flat_map(|state| [state.value, state.moment_1, state.moment_2, state.average]);
    arrays.map(numbers).collect()
}

#[test]
fn steps_of_adamw_agree() {
    if !device_found() {
        return;
    }
    for len in [1, 6, 64, 1000, 4 * 300 + 2] {
        for (scaled, shared) in [(false, false), (true, false), (true, true)] {
            let expected = adamw_steps::<Exact>(len, scaled, shared);
            all_close(&adamw_steps::<Gpu>(len, scaled, shared), &expected, 1e-5);
        }
    }
}

/// States after a step of many parameters at once, of sizes that are read with one width and with another, and the scale
/// by which their gradients are clipped; one is at another step than the others.
fn many_steps<B: Kernels>(sizes: &[usize]) -> Vec<Vec<f64>> {
    let grads: Vec<_> = (1..).zip(sizes).map(|(seed, &len)| values::<B, 1>([len], seed)).collect();
    let squares = B::sum_of_all_squares(grads.clone()).unwrap();
    let of = |(index, grad): (usize, Tensor<B, 1>)| {
        let (len, seed) = (grad.dims()[0], index as u32);
        let state = AdamWState {
            value: values([len], 100 + seed),
            moment_1: values([len], 200 + seed),
            moment_2: values([len], 300 + seed).abs(),
            average: values([len], 400 + seed),
        };
        (AdamW { step: if index == 3 { 5 } else { 2 }, ..adamw() }, grad, state)
    };
    let parameters = grads.into_iter().enumerate().map(of).collect();
    let states = B::adamw_of_all(Some(squares.clone().recip()), parameters);
    let arrays =
        states.into_iter().flat_map(|state| [state.value, state.moment_1, state.moment_2, state.average]);
    [squares].into_iter().chain(arrays).map(numbers).collect()
}

#[test]
fn steps_of_many_parameters_agree() {
    if !device_found() {
        return;
    }
    assert!(Gpu::sum_of_all_squares(Vec::new()).is_none());
    assert!(Gpu::adamw_of_all(None, Vec::new()).is_empty());
    let sizes =
        [7, 3000, 64, 64, 1, 9, 640, 33_333, 2, 64, 70_000, 128, 128, 128, 128, 128, 128, 128, 128, 128];
    all_close(&many_steps::<Gpu>(&sizes), &many_steps::<Exact>(&sizes), 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn norms_agree(
        n in 1_usize..5, groups in 1_usize..5, channels in 1_usize..13,
        length in prop_oneof![1_usize..80, (1_usize..9).prop_map(|side| side * side * 4)], silu: bool,
    ) {
        if device_found() {
            compare_norm(case(n, groups, channels, length, silu), 2e-5);
        }
    }
}
