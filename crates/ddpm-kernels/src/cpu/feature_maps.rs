//! Operations that move feature maps: concatenation of channels, upsampling, sums over pixels; an image by one thread.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    memory::{Shared, filled},
    simd::{InstructionSet, Lanes, WithLanes, with_lanes},
    vector::{for_each_vector, load},
};

/// The channels of `a`, then those of `b`.
///
/// # Shapes
/// - `a`: `[n, numbers of an image]`, `b`: likewise with other numbers; result: both side by side
pub fn concat(n: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    let (of_a, of_b) = (a.len() / n, b.len() / n);
    let fill = |to: Shared| {
        (0..n).into_par_iter().for_each(|i| {
            // SAFETY: each image is written by one job.
            let to = unsafe { to.slice(i * (of_a + of_b), of_a + of_b) };
            let (to_a, to_b) = to.split_at_mut(of_a);
            to_a.write_copy_of_slice(&a[i * of_a..][..of_a]);
            to_b.write_copy_of_slice(&b[i * of_b..][..of_b]);
        });
    };
    // SAFETY: the jobs write all images.
    unsafe { filled(a.len() + b.len(), fill) }
}

/// Takes apart what [`concat()`] has put together; `of_a` numbers of each image were the first's.
pub fn split(n: usize, of_a: usize, both: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let image = both.len() / n;
    let part = |from: usize, len: usize| {
        let fill = |to: Shared| {
            (0..n).into_par_iter().for_each(|i| {
                // SAFETY: each image is written by one job.
                let to = unsafe { to.slice(i * len, len) };
                to.write_copy_of_slice(&both[i * image + from..][..len]);
            });
        };
        // SAFETY: the jobs write all images.
        unsafe { filled(n * len, fill) }
    };
    (part(0, of_a), part(of_a, image - of_a))
}

/// Every pixel four times.
///
/// # Shapes
/// - `x`: `[planes, h, width]`; result: `[planes, 2 h, 2 width]`
pub fn upsample_2x(planes: usize, width: usize, x: &[f32]) -> Vec<f32> {
    let plane = x.len() / planes;
    let fill = |to: Shared| {
        (0..planes).into_par_iter().with_min_len(MIN_PLANES).for_each(|i| {
            // SAFETY: each plane is written by one job.
            let to = unsafe { to.slice(i * 4 * plane, 4 * plane) };
            let rows = x[i * plane..][..plane].chunks_exact(width);
            for (row, to) in rows.zip(to.chunks_exact_mut(4 * width)) {
                let (first, second) = to.split_at_mut(2 * width);
                for ((value, a), b) in
                    row.iter().zip(first.chunks_exact_mut(2)).zip(second.chunks_exact_mut(2))
                {
                    a.fill(MaybeUninit::new(*value));
                    b.fill(MaybeUninit::new(*value));
                }
            }
        });
    };
    // SAFETY: the jobs write all planes.
    unsafe { filled(4 * x.len(), fill) }
}

/// The gradient of [`upsample_2x`]: sums of four pixels.
///
/// # Shapes
/// - `grad`: `[planes, 2 h, 2 width]`; result: `[planes, h, width]`
pub fn upsample_2x_backward(planes: usize, width: usize, grad: &[f32]) -> Vec<f32> {
    let plane = grad.len() / 4 / planes;
    let fill = |to: Shared| {
        (0..planes).into_par_iter().with_min_len(MIN_PLANES).for_each(|i| {
            // SAFETY: each plane is written by one job.
            let to = unsafe { to.slice(i * plane, plane) };
            let rows = grad[i * 4 * plane..][..4 * plane].chunks_exact(4 * width);
            for (rows, to) in rows.zip(to.chunks_exact_mut(width)) {
                let (first, second) = rows.split_at(2 * width);
                for ((to, a), b) in to.iter_mut().zip(first.chunks_exact(2)).zip(second.chunks_exact(2)) {
                    to.write((a[0] + a[1]) + (b[0] + b[1]));
                }
            }
        });
    };
    // SAFETY: the jobs write all planes.
    unsafe { filled(grad.len() / 4, fill) }
}

/// The sum of each plane of `length` pixels.
///
/// # Shapes
/// - `x`: `[planes, length]`; result: `[planes]`
pub fn sum_pixels(set: InstructionSet, length: usize, x: &[f32]) -> Vec<f32> {
    x.par_chunks_exact(length).with_min_len(MIN_PLANES).map(|plane| with_lanes!(set, total(plane))).collect()
}

/// The sum of all numbers.
pub(super) fn total<V: Lanes>(values: &[f32]) -> f32 {
    // SAFETY: the instruction set was checked when `V` was chosen.
    unsafe { V::run(Sum { values }) }
}

struct Sum<'a> {
    values: &'a [f32],
}

impl WithLanes for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) -> f32 {
        // SAFETY: by the caller; places are inside the slice.
        unsafe {
            let mut sum = V::splat(0.0);
            for_each_vector!(V, self.values.len(), |i, count| {
                sum = sum.add(load::<V>(self.values.as_ptr().add(i), count));
            });
            sum.sum()
        }
    }
}

/// Planes are small: fewer are not worth a job.
const MIN_PLANES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_takes_apart_what_concat_puts_together() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0]);
        let both = concat(2, &a, &b);
        assert_eq!(both, [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
        assert_eq!(split(2, 2, &both), (a.to_vec(), b.to_vec()));
    }

    #[test]
    fn upsampling_repeats_and_its_gradient_sums() {
        let up = upsample_2x(1, 2, &[1.0, 2.0]);
        assert_eq!(up, [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(upsample_2x_backward(1, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), [14.0, 22.0]);
    }
}
