//! Numbers to compute with, and how results are compared.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use ddpm_kernels::floats_on;
use proptest::prelude::*;

/// Numbers that depend on the position in a way that no layout mistake survives.
pub fn values<B: Backend, const D: usize>(dims: [usize; D], seed: u32) -> Tensor<B, D> {
    let n = dims.iter().product::<usize>();
    let value = |i: usize| {
        let mixed =
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)).rotate_left(13);
        (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let data = TensorData::new((0..n).map(value).collect::<Vec<f32>>(), dims);
    Tensor::from_data(data, floats_on::<B>(&B::Device::default()))
}

pub fn numbers(data: TensorData) -> Vec<f64> {
    data.convert::<f64>().to_vec().unwrap()
}

pub fn close<B: Backend, const D: usize>(a: Tensor<B, D>, b: Tensor<B, D>) -> Result<(), TestCaseError> {
    let scale: f32 = b.clone().abs().max().into_data().iter::<f32>().next().unwrap_or(0.0);
    let difference: f32 = (a - b).abs().max().into_data().iter::<f32>().next().unwrap_or(0.0);
    prop_assert!(difference <= 1e-4 * scale + 1e-5, "they differ by {} of {}", difference, scale);
    Ok(())
}

/// Output and gradients of x, weight and bias under a random cotangent.
pub type Pass<I> = (Tensor<I, 4>, [Tensor<I, 4>; 2], Tensor<I, 1>);

pub fn same<I: Backend>(a: Pass<I>, b: Pass<I>) -> Result<(), TestCaseError> {
    close(a.0, b.0)?;
    for (x, y) in a.1.into_iter().zip(b.1) {
        close(x, y)?;
    }
    close(a.2, b.2)
}

/// Every array is within a share of its largest number.
pub fn all_close(found: &[Vec<f64>], expected: &[Vec<f64>], share: f64) -> Result<(), TestCaseError> {
    close_but_for(found, expected, share, |_| 0.0)
}

/// Every array is within a share of its largest number, and of what its index allows it besides.
pub fn close_but_for(
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
