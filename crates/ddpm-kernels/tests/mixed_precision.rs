//! What is multiplied in bf16: the same as in f32 on factors that are rounded first, and nothing else is rounded.

use burn::tensor::{Distribution, Tensor, backend::Backend};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use ddpm_kernels::{Addend, Kernels, Norm, Precision};

type B = Autodiff<Flex>;

/// With as many digits as bf16 has.
fn rounded<const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let data = x.into_data().convert::<burn::tensor::bf16>().convert::<f32>();
    Tensor::from_data(data, &Default::default())
}

fn in_bf16<T>(body: impl FnOnce() -> T) -> T {
    Precision::Bf16.within(body)
}

fn distance<const D: usize>(a: &Tensor<B, D>, b: &Tensor<B, D>) -> f32 {
    (a.clone() - b.clone()).abs().max().into_scalar() / b.clone().abs().max().into_scalar()
}

fn random<const D: usize>(dims: [usize; D]) -> Tensor<B, D> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Default::default())
}

#[test]
fn factors_are_rounded_and_nothing_else() {
    B::seed(&Default::default(), 7);
    let (x, weight, bias) = (random([2, 8, 6, 6]), random([5, 8, 3, 3]), random([5]));
    let in_f32 = B::convolve_2d(x.clone(), weight.clone(), bias.clone(), 1, 1);
    let found = in_bf16(|| B::convolve_2d(x.clone(), weight.clone(), bias.clone(), 1, 1));
    let expected = B::convolve_2d(rounded(x.clone()), rounded(weight.clone()), bias.clone(), 1, 1);
    assert!(distance(&found, &expected) < 1e-6);
    let error = distance(&found, &in_f32);
    assert!(error > 1e-4 && error < 2e-2, "bf16 has eight bits: {error}");

    // Linear layers and attention.
    let (rows, matrix, offset) = (random([3, 4, 7]), random([6, 7]), random([6]));
    let found = in_bf16(|| B::affine(rows.clone(), matrix.clone(), offset.clone()));
    let expected = B::affine(rounded(rows), rounded(matrix), offset);
    assert!(distance(&found, &expected) < 1e-6);
    let [q, k, v] = [0; 3].map(|_| random([1, 2, 4, 9]));
    let found = in_bf16(|| B::dot_product_attention(q.clone(), k.clone(), v.clone(), 0.5));
    let expected = B::dot_product_attention(rounded(q), rounded(k), rounded(v), 0.5);
    assert!(distance(&found, &expected) < 1e-5);

    // Normalisation is not rounded; a stage of a residual block is the two, one after the other.
    let (scale, shift) = (random([8]), random([8]));
    let norm = Norm { groups: 4, eps: 1e-5, silu: true };
    let normalized = B::group_norm_silu(x.clone(), scale.clone(), shift.clone(), 4, 1e-5);
    let found = in_bf16(|| {
        assert!(
            distance(&B::group_norm_silu(x.clone(), scale.clone(), shift.clone(), 4, 1e-5), &normalized)
                < 1e-6
        );
        let affine = [scale.clone(), shift.clone()];
        B::activate_convolve_2d(x.clone(), affine, norm, weight.clone(), bias.clone(), Addend::Nothing)
    });
    let expected = B::convolve_2d(rounded(normalized), rounded(weight.clone()), bias.clone(), 1, 1);
    assert!(distance(&found, &expected) < 1e-6);

    // Gradients come in f32, and their factors are rounded too.
    let loss = |x: &Tensor<B, 4>, weight: &Tensor<B, 4>| {
        B::convolve_2d(x.clone(), weight.clone(), bias.clone(), 1, 1).powi_scalar(2).sum()
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
