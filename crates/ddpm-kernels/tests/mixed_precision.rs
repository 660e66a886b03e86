//! Products in bf16 or f16 are those in f32 of factors that are rounded first; nothing else is rounded.

use burn::tensor::{Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use ddpm_kernels::{ActivateConvolve, Addend, Convolve, GroupNorm, Kernels, Norm, Precision};
use keyed_random::{Key, Purpose};

type B = Autodiff<Flex>;

/// With as many digits as bf16 has.
fn rounded<const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let data = x.into_data().convert::<burn::tensor::bf16>().convert::<f32>();
    Tensor::from_data(data, &Default::default())
}

/// A convolution with stride and padding 1.
fn convolve(x: Tensor<B, 4>, weight: Tensor<B, 4>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
    B::convolve_2d(Convolve { x: x.into(), weight, bias, stride: 1, padding: 1 })
}

fn in_bf16<T>(body: impl FnOnce() -> T) -> T {
    Precision::Bf16.within(body)
}

fn distance<const D: usize>(a: &Tensor<B, D>, b: &Tensor<B, D>) -> f32 {
    (a.clone() - b.clone()).abs().max().into_scalar() / b.clone().abs().max().into_scalar()
}

/// Normal numbers, the same for every call with a seed: Burn's generator is one for the process, and another test would take
/// numbers out of it.
fn random<const D: usize>(dims: [usize; D], seed: u64) -> Tensor<B, D> {
    let numbers =
        Key::new(seed, Purpose::named("mixed precision")).normal_values(0, 1, dims.iter().product());
    Tensor::from_data(TensorData::new(numbers, dims), &Default::default())
}

#[test]
fn factors_are_rounded_and_nothing_else() {
    let (x, weight, bias) = (random([2, 8, 6, 6], 1), random([5, 8, 3, 3], 2), random([5], 3));
    let in_f32 = convolve(x.clone(), weight.clone(), bias.clone());
    let found = in_bf16(|| convolve(x.clone(), weight.clone(), bias.clone()));
    let expected = convolve(rounded(x.clone()), rounded(weight.clone()), bias.clone());
    assert!(distance(&found, &expected) < 1e-6);
    let error = distance(&found, &in_f32);
    assert!(error > 1e-4 && error < 2e-2, "bf16 has eight bits: {error}");

    // Linear layers and attention.
    let (rows, matrix, offset) = (random([3, 4, 7], 4), random([6, 7], 5), random([6], 6));
    let found = in_bf16(|| B::affine(rows.clone(), matrix.clone(), offset.clone()));
    let expected = B::affine(rounded(rows), rounded(matrix), offset);
    assert!(distance(&found, &expected) < 1e-6);
    let [q, k, v] = [7, 8, 9].map(|seed| random([1, 2, 4, 9], seed));
    let found = in_bf16(|| B::dot_product_attention(q.clone(), k.clone(), v.clone(), 0.5));
    let expected = B::dot_product_attention(rounded(q), rounded(k), rounded(v), 0.5);
    assert!(distance(&found, &expected) < 1e-5);

    // Normalisation is not rounded; a stage of a residual block is the two, one after the other.
    let (scale, shift) = (random([8], 10), random([8], 11));
    let norm = Norm { groups: 4, eps: 1e-5, silu: true };
    let normalize = || {
        let norm = GroupNorm { weight: scale.clone(), bias: shift.clone(), groups: 4, eps: 1e-5 };
        B::group_norm_silu(x.clone(), norm)
    };
    let normalized = normalize();
    let found = in_bf16(|| {
        assert!(distance(&normalize(), &normalized) < 1e-6);
        B::activate_convolve_2d(ActivateConvolve {
            x: x.clone().into(),
            affine: [scale.clone(), shift.clone()],
            norm,
            weight: weight.clone(),
            bias: bias.clone(),
            addend: Addend::Nothing,
        })
    });
    let expected = convolve(rounded(normalized), rounded(weight.clone()), bias.clone());
    assert!(distance(&found, &expected) < 1e-6);

    // Gradients come in f32, and their factors are rounded too.
    let loss = |x: &Tensor<B, 4>, weight: &Tensor<B, 4>| {
        convolve(x.clone(), weight.clone(), bias.clone()).powi_scalar(2).sum()
    };
    let (x, weight) = (x.require_grad(), weight.require_grad());
    let gradient = |grads: &<B as burn::tensor::backend::AutodiffBackend>::Gradients| {
        Tensor::<B, 4>::from_inner(weight.grad(grads).unwrap())
    };
    let exact = gradient(&loss(&x, &weight).backward());
    let found = in_bf16(|| gradient(&loss(&x, &weight).backward()));
    let error = distance(&found, &exact);
    assert!(error > 1e-5 && error < 3e-2, "{error}");
}

/// Gradients that f16 has no numbers for, or only the last few: every operation with a product, as if they were larger.
#[test]
fn gradients_are_scaled_into_the_range_of_f16() {
    let inputs =
        [random([2, 8, 6, 6], 1), random([8, 8, 3, 3], 2), random([1, 2, 4, 9], 3)].map(Tensor::require_grad);
    let (bias, scale, shift) = (random([8], 4).require_grad(), random([8], 5).require_grad(), random([8], 6));
    let (matrix, offset) = (random([6, 6], 7).require_grad(), random([6], 8));
    let gradients = |size: f32| {
        let [x, weight, q] = inputs.clone();
        let norm = Norm { groups: 4, eps: 1e-5, silu: true };
        let y = convolve(x.clone(), weight.clone(), bias.clone());
        let y = B::activate_convolve_2d(ActivateConvolve {
            x: y.into(),
            affine: [scale.clone(), shift.clone()],
            norm,
            weight: weight.clone(),
            bias: bias.clone(),
            addend: Addend::Residual(x),
        });
        let y = B::affine(y, matrix.clone(), offset.clone()).sum();
        let attended = B::dot_product_attention(q.clone(), q.clone(), q, 0.5).powi_scalar(2).sum();
        let grads = ((y + attended) * size).backward();
        let of = |tensor: Tensor<Flex, 1>| (tensor / size).into_data().to_vec::<f32>().unwrap();
        let maps = inputs.each_ref().map(|tensor| of(tensor.grad(&grads).unwrap().flatten(0, 3)));
        let vectors = [&bias, &scale].map(|tensor| of(tensor.grad(&grads).unwrap()));
        [maps.to_vec(), vectors.to_vec(), vec![of(matrix.grad(&grads).unwrap().flatten(0, 1))]].concat()
    };
    let exact = gradients(1.0);
    for size in [1.0, 1e-9, 1e9] {
        let found = Precision::F16.within(|| gradients(size));
        for (found, exact) in found.iter().zip(&exact) {
            let largest = exact.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            let error = found.iter().zip(exact).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(error <= 5e-3 * largest, "at {size}: {error} of {largest}");
        }
    }
    // A gradient of nothing stays one, and one that is not finite is seen.
    let zero = Precision::F16.within(|| gradients_of_product(&inputs[0], 0.0));
    assert!(zero.iter().all(|v| *v == 0.0));
    let infinite = Precision::F16.within(|| gradients_of_product(&inputs[0], f32::INFINITY));
    assert!(infinite.iter().any(|v| !v.is_finite()));
}

/// The gradient of a convolution's weight for a loss of this size.
fn gradients_of_product(x: &Tensor<B, 4>, size: f32) -> Vec<f32> {
    let weight = random([8, 8, 3, 3], 9).require_grad();
    let grads = (convolve(x.clone(), weight.clone(), random([8], 10)).sum() * size).backward();
    weight.grad(&grads).unwrap().into_data().to_vec().unwrap()
}
