//! Convolutions that read their input from two tensors, against the same ones of the joined tensor: the same bytes,
//! forward and backward.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use ddpm_kernels::{ActivateConvolve, Addend, Convolve, Joined, Kernels, Norm, TrainBackend, floats_on};
use proptest::prelude::*;

fn values<B: Backend, const D: usize>(dims: [usize; D], seed: u32) -> Tensor<B, D> {
    let value = |i: usize| {
        let mixed =
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)).rotate_left(13);
        (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let numbers = (0..dims.iter().product()).map(value).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(numbers, dims), floats_on::<B>(&B::Device::default()))
}

fn bytes<B: Backend, const D: usize>(x: Tensor<B, D>) -> Vec<u32> {
    x.into_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// How the two tensors are read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    AsTwo,
    Joined,
}

fn join<B: Kernels>(read: Read, a: &Tensor<B, 4>, b: &Tensor<B, 4>) -> Joined<B> {
    match read {
        Read::AsTwo => Joined::Two([a.clone(), b.clone()]),
        Read::Joined => Joined::One(Tensor::cat(vec![a.clone(), b.clone()], 1)),
    }
}

/// A convolution.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    n: usize,
    c_a: usize,
    c_b: usize,
    c_out: usize,
    height: usize,
    width: usize,
}

fn inputs<B: Kernels>(s: Sizes) -> [Tensor<B, 4>; 2] {
    let a = (values::<B, 4>([s.n, s.c_a, s.height, s.width], 1) * 2.0 + 0.3).detach().require_grad();
    [a, values([s.n, s.c_b, s.height, s.width], 2).require_grad()]
}

/// Output and all gradients of a convolution.
fn convolution<B: TrainBackend>(
    s: Sizes,
    (kernel, stride, padding): (usize, usize, usize),
    read: Read,
) -> Vec<Vec<u32>> {
    let [a, b] = inputs::<B>(s);
    let weight = values::<B, 4>([s.c_out, s.c_a + s.c_b, kernel, kernel], 3).require_grad();
    let bias = values::<B, 1>([s.c_out], 4).require_grad();
    let x = join(read, &a, &b);
    let y = B::convolve_2d(Convolve { x, weight: weight.clone(), bias: bias.clone(), stride, padding });
    let grads = (y.clone() * values(y.dims(), 5)).sum().backward();
    let mut found = vec![bytes(y.inner()), bytes(bias.grad(&grads).unwrap())];
    found.extend([&a, &b, &weight].map(|t| bytes(t.grad(&grads).unwrap())));
    found
}

/// Output and all gradients of a stage of a residual block.
fn stage<B: TrainBackend>(s: Sizes, groups: usize, silu: bool, plus: usize, read: Read) -> Vec<Vec<u32>> {
    let [a, b] = inputs::<B>(s);
    let c = s.c_a + s.c_b;
    let [scale, shift] = [3, 4].map(|seed| values::<B, 1>([c], seed).require_grad());
    let weight = values::<B, 4>([s.c_out, c, 3, 3], 5).require_grad();
    let bias = values::<B, 1>([s.c_out], 6).require_grad();
    let emb = values::<B, 2>([s.n, s.c_out], 7).require_grad();
    let other = values::<B, 4>([s.n, s.c_out, s.height, s.width], 8).require_grad();
    let addend = match plus {
        0 => Addend::Nothing,
        1 => Addend::Shift(emb.clone()),
        _ => Addend::Residual(other.clone()),
    };
    let (norm, affine) = (Norm { groups, eps: 1e-5, silu }, [scale.clone(), shift.clone()]);
    let y = B::activate_convolve_2d(ActivateConvolve {
        x: join(read, &a, &b),
        affine,
        norm,
        weight: weight.clone(),
        bias: bias.clone(),
        addend,
    });
    let grads = (y.clone() * values(y.dims(), 9)).sum().backward();
    let mut found = vec![bytes(y.inner())];
    found.extend([&scale, &shift, &bias].map(|t| bytes(t.grad(&grads).unwrap())));
    found.extend([&a, &b, &weight].map(|t| bytes(t.grad(&grads).unwrap())));
    found.extend(emb.grad(&grads).map(bytes));
    found.extend(other.grad(&grads).map(bytes));
    assert_eq!(found.len(), if plus == 0 { 7 } else { 8 });
    found
}

fn threads<R: Send>(threads: usize, run: impl Fn() -> R + Send + Sync) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (1_usize..4, 1_usize..36, 1_usize..36, 1_usize..40, 2_usize..13, 2_usize..13)
        .prop_map(|(n, c_a, c_b, c_out, height, width)| Sizes { n, c_a, c_b, c_out, height, width })
}

/// Groups that divide the channels, whether or not they divide those of the first tensor.
fn groups(channels: usize, choice: usize) -> usize {
    let divisors: Vec<usize> = (1..=channels).filter(|groups| channels.is_multiple_of(*groups)).collect();
    divisors[choice % divisors.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Directly and through the transforms, pointwise, with strides.
    #[test]
    fn convolutions_read_two_tensors_as_one(
        s in sizes(),
        kernel in prop_oneof![
            Just((1, 1, 0)), Just((1, 2, 0)), Just((3, 1, 1)), Just((3, 2, 1)), Just((3, 1, 0)), Just((2, 2, 1)),
        ],
    ) {
        prop_assume!(s.height.min(s.width) + 2 * kernel.2 >= kernel.0);
        let joined = convolution::<Autodiff<Flex>>(s, kernel, Read::Joined);
        prop_assert_eq!(&convolution::<Autodiff<Flex>>(s, kernel, Read::AsTwo), &joined);
        prop_assert_eq!(&threads(3, || convolution::<Autodiff<Flex>>(s, kernel, Read::AsTwo)), &joined);
        prop_assert_eq!(&convolution::<Autodiff<NdArray<f32>>>(s, kernel, Read::AsTwo), &joined);
    }

    #[test]
    fn stages_of_a_residual_block_read_two_tensors_as_one(
        s in sizes(), choice in 0_usize..12, silu: bool, plus in 0_usize..3,
    ) {
        let groups = groups(s.c_a + s.c_b, choice);
        let joined = stage::<Autodiff<Flex>>(s, groups, silu, plus, Read::Joined);
        prop_assert_eq!(&stage::<Autodiff<Flex>>(s, groups, silu, plus, Read::AsTwo), &joined);
        let on_three = threads(3, || stage::<Autodiff<Flex>>(s, groups, silu, plus, Read::AsTwo));
        prop_assert_eq!(&on_three, &joined);
        prop_assert_eq!(&stage::<Autodiff<NdArray<f32>>>(s, groups, silu, plus, Read::AsTwo), &joined);
    }
}

/// As many images and channels as make the kernels cut their work into jobs, channels of the first tensor that are no
/// multiple of a vector, and a group that lies in both.
#[test]
fn wide_stages_read_two_tensors_as_one() {
    for (n, c_a, c_b, height) in [(20, 40, 20, 16), (2, 130, 62, 8), (3, 128, 64, 3)] {
        let s = Sizes { n, c_a, c_b, c_out: 70, height, width: height + 1 };
        let stage = |read| stage::<Autodiff<Flex>>(s, 4, true, 1, read);
        assert_eq!(stage(Read::AsTwo), stage(Read::Joined));
        assert_eq!(threads(1, || stage(Read::AsTwo)), stage(Read::Joined));
        for kernel in [(1, 1, 0), (3, 1, 1), (3, 2, 1)] {
            let convolution = |read| convolution::<Autodiff<Flex>>(s, kernel, read);
            assert_eq!(convolution(Read::AsTwo), convolution(Read::Joined));
            assert_eq!(threads(1, || convolution(Read::AsTwo)), convolution(Read::Joined));
        }
    }
}

/// A gradient for one of two tensors alone, and for neither.
#[test]
fn what_is_not_tracked_gets_no_gradient() {
    type B = Autodiff<Flex>;
    let s = Sizes { n: 2, c_a: 3, c_b: 2, c_out: 4, height: 5, width: 6 };
    let [a, b] = inputs::<B>(s);
    let weight = values::<B, 4>([4, 5, 1, 1], 3);
    let run = |a: Tensor<B, 4>, b: Tensor<B, 4>, bias: Tensor<B, 1>| {
        let (x, weight) = (Joined::Two([a, b]), weight.clone());
        let y = B::convolve_2d(Convolve { x, weight, bias, stride: 1, padding: 0 });
        (y.clone() * values(y.dims(), 5)).sum().backward()
    };
    let bias = values::<B, 1>([4], 4);
    let all = run(a.clone(), b.clone(), bias.clone());
    let some = run(a.clone().detach(), b.clone(), bias.clone());
    assert!(a.grad(&some).is_none());
    assert_eq!(bytes(b.grad(&some).unwrap()), bytes(b.grad(&all).unwrap()));
    let bias = bias.require_grad();
    let none = run(a.clone().detach(), b.clone().detach(), bias.clone());
    assert!(a.grad(&none).is_none() && b.grad(&none).is_none() && bias.grad(&none).is_some());
}
