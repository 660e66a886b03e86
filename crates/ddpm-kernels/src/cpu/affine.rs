//! The affine map of a linear layer and its gradients, by faer's matrix products. Forward goes a sample at a time: a
//! product of another number of rows may add in another order, and a sample must not depend on the batch that it is
//! computed in.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

/// `x weight^T + bias`
///
/// # Shapes
/// - `x`: `[n, rows, d_in]`, `weight`: `[d_out, d_in]`, `bias`: `[d_out]`; output: `[n, rows, d_out]`
pub fn forward(rows: usize, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let d_out = bias.len();
    let d_in = weight.len() / d_out;
    let samples = x.len() / (rows * d_in);
    let mut y = vec![0.0; samples * rows * d_out];
    let weight = MatRef::from_row_major_slice(weight, d_out, d_in).transpose();
    y.par_chunks_exact_mut(rows * d_out).zip(x.par_chunks_exact(rows * d_in)).for_each(|(y, x)| {
        y.chunks_exact_mut(d_out).for_each(|row| row.copy_from_slice(bias));
        let x = MatRef::from_row_major_slice(x, rows, d_in);
        let y = MatMut::from_row_major_slice_mut(y, rows, d_out);
        matmul(y, Accum::Add, x, weight, 1.0, Par::Seq);
    });
    y
}

/// Rows that one job multiplies in [`backward`]; fixed, so that sums do not depend on the number of threads.
const BLOCK: usize = 32;

/// The gradients with respect to `x`, weight and bias.
///
/// # Shapes
/// - `x`: `[rows, d_in]`, `weight`: `[d_out, d_in]`, `grad`: `[rows, d_out]`; results: those of `x`, `weight` and bias
///
/// # Panics
/// If the slices do not have these sizes.
pub fn backward(
    [d_out, d_in]: [usize; 2],
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let rows = x.len() / d_in;
    assert_eq!(grad.len(), rows * d_out, "affine: the gradient's size");
    let mut x_grad = vec![0.0; x.len()];
    let of_weight = MatRef::from_row_major_slice(weight, d_out, d_in);
    x_grad.par_chunks_mut(BLOCK * d_in).zip(grad.par_chunks(BLOCK * d_out)).for_each(|(x_grad, grad)| {
        let rows = x_grad.len() / d_in;
        let grad = MatRef::from_row_major_slice(grad, rows, d_out);
        let x_grad = MatMut::from_row_major_slice_mut(x_grad, rows, d_in);
        matmul(x_grad, Accum::Replace, grad, of_weight, 1.0, Par::Seq);
    });
    let (x, of_grad) =
        (MatRef::from_row_major_slice(x, rows, d_in), MatRef::from_row_major_slice(grad, rows, d_out));
    let mut weight_grad = vec![0.0; weight.len()];
    weight_grad.par_chunks_mut(BLOCK * d_in).enumerate().for_each(|(i, weight_grad)| {
        let outputs = weight_grad.len() / d_in;
        let grad = of_grad.subcols(i * BLOCK, outputs).transpose();
        let weight_grad = MatMut::from_row_major_slice_mut(weight_grad, outputs, d_in);
        matmul(weight_grad, Accum::Replace, grad, x, 1.0, Par::Seq);
    });
    let mut bias_grad = vec![0.0; d_out];
    for row in grad.chunks_exact(d_out) {
        bias_grad.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    (x_grad, weight_grad, bias_grad)
}
