//! Attention over short sequences, one head of one image at a time; the backward pass computes the weights again.

use std::cell::RefCell;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::vector::exp;

/// The sizes of an attention: `[heads, length, width]`, with the heads of all images counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Heads of all images.
    pub heads: usize,
    /// Positions that attend to each other.
    pub length: usize,
    /// Numbers of a query, key or value.
    pub width: usize,
}

thread_local! {
    static WEIGHTS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Heads {
    fn size(self) -> usize {
        self.length * self.width
    }

    fn rows(self, values: &[f32]) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(values, self.length, values.len() / self.length)
    }

    fn rows_mut(self, values: &mut [f32]) -> MatMut<'_, f32> {
        let columns = values.len() / self.length;
        MatMut::from_row_major_slice_mut(values, self.length, columns)
    }

    /// Calls `body` with scratch space for `matrices` matrices of weights.
    fn with_weights<R>(self, matrices: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
        let len = matrices * self.length * self.length;
        WEIGHTS.with_borrow_mut(|scratch| {
            if scratch.len() < len {
                scratch.resize(len, 0.0);
            }
            body(&mut scratch[..len])
        })
    }

    /// softmax(q k^T scale), row by row.
    fn weigh(self, arch: Arch, q: &[f32], k: &[f32], scale: f32, weights: &mut [f32]) {
        let (q, k) = (self.rows(q), self.rows(k).transpose());
        matmul(self.rows_mut(weights), Accum::Replace, q, k, scale, Par::Seq);
        arch.dispatch(Softmax { weights, length: self.length });
    }
}

/// `softmax(q k^T scale) v`
///
/// # Shapes
/// - `q`, `k`, `v` and output: `[heads, length, width]`
pub fn forward(heads: Heads, q: &[f32], k: &[f32], v: &[f32], scale: f32) -> Vec<f32> {
    let mut output = vec![0.0; q.len()];
    let (size, arch) = (heads.size(), Arch::new());
    output.par_chunks_exact_mut(size).enumerate().for_each(|(i, output)| {
        let head = i * size..(i + 1) * size;
        heads.with_weights(1, |weights| {
            heads.weigh(arch, &q[head.clone()], &k[head.clone()], scale, weights);
            let (p, v) = (heads.rows(weights), heads.rows(&v[head]));
            matmul(heads.rows_mut(output), Accum::Replace, p, v, 1.0, Par::Seq);
        });
    });
    output
}

/// The gradients with respect to `q`, `k` and `v`.
///
/// # Shapes
/// - `q`, `k`, `v`, `grad` and results: `[heads, length, width]`
pub fn backward(
    heads: Heads,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    grad: &[f32],
    scale: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (mut q_grad, mut k_grad, mut v_grad) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let (size, arch) = (heads.size(), Arch::new());
    let outputs = q_grad
        .par_chunks_exact_mut(size)
        .zip(k_grad.par_chunks_exact_mut(size).zip(v_grad.par_chunks_exact_mut(size)));
    outputs.enumerate().for_each(|(i, (q_grad, (k_grad, v_grad)))| {
        let head = i * size..(i + 1) * size;
        let (q, k, v, grad) = (&q[head.clone()], &k[head.clone()], &v[head.clone()], &grad[head]);
        heads.with_weights(2, |scratch| {
            let (p, dp) = scratch.split_at_mut(heads.length * heads.length);
            heads.weigh(arch, q, k, scale, p);
            let g = heads.rows(grad);
            matmul(heads.rows_mut(v_grad), Accum::Replace, heads.rows(p).transpose(), g, 1.0, Par::Seq);
            matmul(heads.rows_mut(dp), Accum::Replace, g, heads.rows(v).transpose(), 1.0, Par::Seq);
            softmax_backward(p, dp, heads.length);
            let ds = heads.rows(dp);
            matmul(heads.rows_mut(q_grad), Accum::Replace, ds, heads.rows(k), scale, Par::Seq);
            matmul(heads.rows_mut(k_grad), Accum::Replace, ds.transpose(), heads.rows(q), scale, Par::Seq);
        });
    });
    (q_grad, k_grad, v_grad)
}

/// From the gradient of the weights `p` to that of the logits, in place: `p (dp - sum(p dp))`. The sum is formed in
/// f64, because a logit's gradient is what is left after its row's mean has been taken away.
fn softmax_backward(p: &[f32], dp: &mut [f32], length: usize) {
    for (p, dp) in p.chunks_exact(length).zip(dp.chunks_exact_mut(length)) {
        let (mut mean, mut total) = (0.0, 0.0);
        for (&p, &d) in p.iter().zip(&*dp) {
            mean += f64::from(p) * f64::from(d);
            total += f64::from(p);
        }
        // The weights' rounded sum is not quite 1; dividing by it keeps the row's gradients summing to zero.
        let mean = mean / total;
        dp.iter_mut().zip(p).for_each(|(d, &p)| *d = (f64::from(p) * (f64::from(*d) - mean)) as f32);
    }
}

/// Exponentials over their sum, for every row. A struct, because what pulp compiles for the machine's best
/// instructions must be inlined into it.
struct Softmax<'a> {
    weights: &'a mut [f32],
    length: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for row in self.weights.chunks_exact_mut(self.length) {
            let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            for v in row.iter_mut() {
                *v = exp(*v - largest);
            }
            let inverse = 1.0 / row.iter().sum::<f32>();
            for v in row.iter_mut() {
                *v *= inverse;
            }
        }
    }
}
