//! AdamW, the moving average and the norm that gradients are clipped by: one pass over the parameters.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{
    simd::{InstructionSet, Lanes, WithLanes, with_lanes},
    vector::{for_each_vector, load, store},
};
use crate::AdamW;

/// Parameters that one job takes.
const CHUNK: usize = 1 << 14;

/// The sum of the squares of all numbers, formed in chunks whose order no number of threads changes.
pub fn sum_of_squares(set: InstructionSet, values: &[f32]) -> f32 {
    let parts: Vec<f64> =
        values.par_chunks(CHUNK).map(|chunk| f64::from(with_lanes!(set, squares(chunk)))).collect();
    parts.iter().sum::<f64>() as f32
}

fn squares<V: Lanes>(chunk: &[f32]) -> f32 {
    // SAFETY: the instruction set was checked when `V` was chosen.
    unsafe { V::run(Squares { chunk }) }
}

struct Squares<'a> {
    chunk: &'a [f32],
}

impl WithLanes for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) -> f32 {
        // SAFETY: by the caller; places are inside the chunk.
        unsafe {
            let mut sum = V::splat(0.0);
            for_each_vector!(V, self.chunk.len(), |i, count| {
                let v = load::<V>(self.chunk.as_ptr().add(i), count);
                sum = v.mul_add(v, sum);
            });
            sum.sum()
        }
    }
}

/// The numbers that a step changes, in place.
pub struct State<'a> {
    /// The parameters.
    pub value: &'a mut [f32],
    /// The first moment.
    pub moment_1: &'a mut [f32],
    /// The second moment.
    pub moment_2: &'a mut [f32],
    /// The moving average of the parameters.
    pub average: &'a mut [f32],
}

/// One step; gradients are multiplied by `scale` first.
///
/// # Panics
/// If the slices are not of one length.
pub fn step(set: InstructionSet, adamw: AdamW, scale: f32, grad: &[f32], state: State<'_>) {
    let State { value, moment_1, moment_2, average } = state;
    let len = grad.len();
    assert!(
        [value.len(), moment_1.len(), moment_2.len(), average.len()] == [len; 4],
        "AdamW: the state's sizes"
    );
    let moments = moment_1.par_chunks_mut(CHUNK).zip(moment_2.par_chunks_mut(CHUNK));
    value
        .par_chunks_mut(CHUNK)
        .zip(average.par_chunks_mut(CHUNK))
        .zip(moments)
        .zip(grad.par_chunks(CHUNK))
        .for_each(|(((value, average), (moment_1, moment_2)), grad)| {
            let state = State { value, moment_1, moment_2, average };
            with_lanes!(set, update(Chunk { adamw, scale, grad, state }));
        });
}

fn update<V: Lanes>(chunk: Chunk<'_>) {
    // SAFETY: the instruction set was checked when `V` was chosen.
    unsafe { V::run(chunk) }
}

/// Slices of one length.
struct Chunk<'a> {
    adamw: AdamW,
    scale: f32,
    grad: &'a [f32],
    state: State<'a>,
}

impl WithLanes for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let AdamW { beta_1, beta_2, .. } = self.adamw;
        let (rate, root, epsilon, keep, weight) = self.adamw.factors();
        let State { value, moment_1, moment_2, average } = self.state;
        let [p, m, v, a] = [value, moment_1, moment_2, average].map(<[f32]>::as_mut_ptr);
        // SAFETY: by the caller; places are inside the slices, which have one length.
        unsafe {
            let scale = V::splat(self.scale);
            for_each_vector!(V, self.grad.len(), |i, count| {
                let g = load::<V>(self.grad.as_ptr().add(i), count).mul(scale);
                let first = load::<V>(m.add(i), count).mul(V::splat(beta_1));
                let first = g.mul_add(V::splat(1.0 - beta_1), first);
                let second = load::<V>(v.add(i), count).mul(V::splat(beta_2));
                let second = g.mul(g).mul_add(V::splat(1.0 - beta_2), second);
                let divisor = second.sqrt().mul_add(V::splat(root), V::splat(epsilon));
                let step = first.mul(V::splat(rate)).div(divisor);
                let value = load::<V>(p.add(i), count).mul(V::splat(keep)).sub(step);
                let average = load::<V>(a.add(i), count);
                store(first, m.add(i), count);
                store(second, v.add(i), count);
                store(value, p.add(i), count);
                store(value.sub(average).mul_add(V::splat(weight), average), a.add(i), count);
            });
        }
    }
}
