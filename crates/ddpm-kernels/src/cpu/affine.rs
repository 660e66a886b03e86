//! The affine map of a linear layer, a sample at a time: a matrix product of another number of rows may add in another
//! order, and a sample must not depend on the batch that it is computed in.

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
