//! Attention over short sequences, one head of one image at a time; the backward pass computes the weights again.
#![allow(unsafe_code)]

use std::cell::RefCell;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{
    simd::{InstructionSet, Lanes, WithLanes, with_lanes},
    vector::{exp, for_each_vector, load, store},
};

/// The sizes of an attention: `[heads, width, length]`, with the heads of all images counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Heads of all images.
    pub heads: usize,
    /// Positions that attend to each other.
    pub length: usize,
    /// Numbers of a query, key or value.
    pub width: usize,
}

/// Queries, keys and values of an attention, `[heads, width, length]` each.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The queries.
    pub q: &'a [f32],
    /// The keys.
    pub k: &'a [f32],
    /// The values.
    pub v: &'a [f32],
    /// The factor of the products of queries and keys.
    pub scale: f32,
}

thread_local! {
    static WEIGHTS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Heads {
    fn size(self) -> usize {
        self.length * self.width
    }

    /// A matrix with a column for each position.
    fn columns(self, values: &[f32]) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(values, values.len() / self.length, self.length)
    }

    fn columns_mut(self, values: &mut [f32]) -> MatMut<'_, f32> {
        let rows = values.len() / self.length;
        MatMut::from_row_major_slice_mut(values, rows, self.length)
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

    /// softmax(scale q^T k), row by row.
    fn weigh(self, set: InstructionSet, q: &[f32], k: &[f32], scale: f32, weights: &mut [f32]) {
        let (q, k) = (self.columns(q), self.columns(k));
        matmul(self.columns_mut(weights), Accum::Replace, q.transpose(), k, scale, Par::Seq);
        with_lanes!(set, softmax(weights, self.length));
    }
}

/// `v softmax(scale q^T k)^T`
///
/// # Shapes
/// - output: `[heads, width, length]`
pub fn forward(set: InstructionSet, heads: Heads, inputs: Inputs<'_>) -> Vec<f32> {
    let Inputs { q, k, v, scale } = inputs;
    let mut output = vec![0.0; q.len()];
    let size = heads.size();
    output.par_chunks_exact_mut(size).enumerate().for_each(|(i, output)| {
        let head = i * size..(i + 1) * size;
        heads.with_weights(1, |weights| {
            heads.weigh(set, &q[head.clone()], &k[head.clone()], scale, weights);
            let (p, v) = (heads.columns(weights), heads.columns(&v[head]));
            matmul(heads.columns_mut(output), Accum::Replace, v, p.transpose(), 1.0, Par::Seq);
        });
    });
    output
}

/// The gradients with respect to `q`, `k` and `v`.
///
/// # Shapes
/// - `grad` and results: `[heads, width, length]`
pub fn backward(
    set: InstructionSet,
    heads: Heads,
    inputs: Inputs<'_>,
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let Inputs { q, k, v, scale } = inputs;
    let (mut q_grad, mut k_grad, mut v_grad) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let size = heads.size();
    let outputs = q_grad
        .par_chunks_exact_mut(size)
        .zip(k_grad.par_chunks_exact_mut(size).zip(v_grad.par_chunks_exact_mut(size)));
    outputs.enumerate().for_each(|(i, (q_grad, (k_grad, v_grad)))| {
        let head = i * size..(i + 1) * size;
        let (q, k, v, grad) = (&q[head.clone()], &k[head.clone()], &v[head.clone()], &grad[head]);
        heads.with_weights(2, |scratch| {
            let (p, dp) = scratch.split_at_mut(heads.length * heads.length);
            heads.weigh(set, q, k, scale, p);
            let g = heads.columns(grad);
            matmul(heads.columns_mut(v_grad), Accum::Replace, g, heads.columns(p), 1.0, Par::Seq);
            matmul(heads.columns_mut(dp), Accum::Replace, g.transpose(), heads.columns(v), 1.0, Par::Seq);
            with_lanes!(set, softmax_backward(p, dp, heads.length));
            let (q, k, ds) = (heads.columns(q), heads.columns(k), heads.columns(dp));
            matmul(heads.columns_mut(q_grad), Accum::Replace, k, ds.transpose(), scale, Par::Seq);
            matmul(heads.columns_mut(k_grad), Accum::Replace, q, ds, scale, Par::Seq);
        });
    });
    (q_grad, k_grad, v_grad)
}

/// From the gradient of the weights `p` to that of the logits, in place: `p (dp - sum(p dp))`.
///
/// A logit's gradient is what is left after its row's mean has been taken away. That mean is computed twice, the second
/// time of what the first left, so that it is as good as one formed in f64.
struct SoftmaxBackward<'a> {
    p: &'a [f32],
    dp: &'a mut [f32],
    length: usize,
}

fn softmax_backward<V: Lanes>(p: &[f32], dp: &mut [f32], length: usize) {
    // SAFETY: the instruction set was checked when `V` was chosen.
    unsafe { V::run(SoftmaxBackward { p, dp, length }) }
}

impl WithLanes for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { p, dp, length } = self;
        for (p, dp) in p.chunks_exact(length).zip(dp.chunks_exact_mut(length)) {
            let (p, dp) = (p.as_ptr(), dp.as_mut_ptr());
            // SAFETY: by the caller; places are inside the rows, which have one length. Lanes beyond have p = 0.
            unsafe {
                let (mut along, mut total) = (V::splat(0.0), V::splat(0.0));
                for_each_vector!(V, length, |i, count| {
                    let p = load::<V>(p.add(i), count);
                    along = p.mul_add(load::<V>(dp.add(i), count), along);
                    total = total.add(p);
                });
                // The weights' rounded sum is not quite 1; dividing by it keeps the row's gradients summing to zero.
                let total = total.sum();
                let mean = along.sum() / total;
                let mut rest = V::splat(0.0);
                for_each_vector!(V, length, |i, count| {
                    let d = load::<V>(dp.add(i), count).sub(V::splat(mean));
                    rest = load::<V>(p.add(i), count).mul_add(d, rest);
                    store(d, dp.add(i), count);
                });
                let correction = V::splat(rest.sum() / total);
                for_each_vector!(V, length, |i, count| {
                    let d = load::<V>(dp.add(i), count).sub(correction);
                    store(load::<V>(p.add(i), count).mul(d), dp.add(i), count);
                });
            }
        }
    }
}

/// Exponentials over their sum, for every row.
struct Softmax<'a> {
    weights: &'a mut [f32],
    length: usize,
}

fn softmax<V: Lanes>(weights: &mut [f32], length: usize) {
    // SAFETY: the instruction set was checked when `V` was chosen.
    unsafe { V::run(Softmax { weights, length }) }
}

impl WithLanes for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for row in self.weights.chunks_exact_mut(self.length) {
            let (row, length) = (row.as_mut_ptr(), self.length);
            // SAFETY: by the caller; places are inside the row.
            unsafe {
                let mut largest = f32::NEG_INFINITY;
                let whole = length - length % V::COUNT;
                if whole > 0 {
                    let mut most = V::load(row);
                    for i in (0..whole).step_by(V::COUNT) {
                        most = most.max(V::load(row.add(i)));
                    }
                    largest = most.largest();
                }
                for i in whole..length {
                    largest = largest.max(*row.add(i));
                }
                let mut total = V::splat(0.0);
                for_each_vector!(V, length, |i, count| {
                    let e = exp(load::<V>(row.add(i), count).sub(V::splat(largest)));
                    store(e, row.add(i), count);
                    // Read again where only some lanes are inside: those beyond are not zero in `e`.
                    total = total.add(if count == V::COUNT { e } else { V::load_first(row.add(i), count) });
                });
                let inverse = V::splat(1.0 / total.sum());
                for_each_vector!(V, length, |i, count| {
                    store(load::<V>(row.add(i), count).mul(inverse), row.add(i), count);
                });
            }
        }
    }
}
