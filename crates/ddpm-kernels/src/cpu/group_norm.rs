//! Group normalisation with or without SiLU, each image by one thread; nothing is kept for the backward pass, which
//! computes statistics and activation again.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::vector::{sigmoid, sum, sum2};
use crate::Norm;

/// The output, of the shape of `x`.
///
/// # Shapes
/// - `x`: `dims` = `[n, c, length]`; `weight`, `bias`: `[c]`
pub fn forward(dims: [usize; 3], x: &[f32], weight: &[f32], bias: &[f32], norm: Norm) -> Vec<f32> {
    let [_, c, length] = dims;
    let mut y = vec![0.0; x.len()];
    let arch = Arch::new();
    y.par_chunks_exact_mut(c * length).zip(x.par_chunks_exact(c * length)).for_each(|(y, x)| {
        arch.dispatch(ForwardImage { x, y, weight, bias, length, norm });
    });
    y
}

/// The gradients with respect to `x`, weight and bias.
///
/// # Shapes
/// - `x`, `grad`: `dims` = `[n, c, length]`; `weight`, `bias`: `[c]`; results: those of `x`, `weight`, `bias`
pub fn backward(
    dims: [usize; 3],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    grad: &[f32],
    norm: Norm,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let [n, c, length] = dims;
    let image = c * length;
    let mut x_grad = vec![0.0; x.len()];
    let mut partial = vec![0.0; n * 2 * c];
    let arch = Arch::new();
    x_grad
        .par_chunks_exact_mut(image)
        .zip(partial.par_chunks_exact_mut(2 * c))
        .zip(x.par_chunks_exact(image).zip(grad.par_chunks_exact(image)))
        .for_each(|((x_grad, partial), (x, grad))| {
            x_grad.copy_from_slice(grad);
            arch.dispatch(BackwardImage { x, grad: x_grad, partial, weight, bias, length, norm });
        });
    let mut sums = vec![0.0; 2 * c];
    for part in partial.chunks_exact(2 * c) {
        sums.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    let bias_grad = sums.split_off(c);
    (x_grad, sums, bias_grad)
}

/// Mean and inverse standard deviation.
#[inline(always)]
fn statistics(group: &[f32], eps: f64) -> (f32, f32) {
    let mean = sum(group, |v| v) / group.len() as f32;
    let variance = sum(group, |v| (v - mean) * (v - mean)) / group.len() as f32;
    (mean, 1.0 / (variance + eps as f32).sqrt())
}

/// One image, forward. A struct rather than a closure: what pulp compiles for the machine's best instructions must be
/// inlined into it, and a closure's call is not.
struct ForwardImage<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    length: usize,
    norm: Norm,
}

impl WithSimd for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Self { x, y, weight, bias, length, norm } = self;
        forward_image(x, y, weight, bias, length, norm);
    }
}

/// One image, backward: `grad` holds the output's gradient and becomes that of the input; `partial` becomes this
/// image's share of the gradients of weight and bias.
struct BackwardImage<'a> {
    x: &'a [f32],
    grad: &'a mut [f32],
    partial: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    length: usize,
    norm: Norm,
}

impl WithSimd for BackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        backward_image(self);
    }
}

#[inline(always)]
fn forward_image(x: &[f32], y: &mut [f32], weight: &[f32], bias: &[f32], length: usize, norm: Norm) {
    let per_group = weight.len() / norm.groups;
    let parameters = weight.chunks_exact(per_group).zip(bias.chunks_exact(per_group));
    let groups = x.chunks_exact(per_group * length).zip(y.chunks_exact_mut(per_group * length));
    for ((x, y), (weight, bias)) in groups.zip(parameters) {
        let (mean, inverse_std) = statistics(x, norm.eps);
        let channels = x.chunks_exact(length).zip(y.chunks_exact_mut(length));
        for ((x, y), (w, b)) in channels.zip(weight.iter().zip(bias)) {
            let scale = w * inverse_std;
            let shift = b - mean * scale;
            if norm.silu {
                for (y, x) in y.iter_mut().zip(x) {
                    let z = x * scale + shift;
                    *y = z * sigmoid(z);
                }
            } else {
                y.iter_mut().zip(x).for_each(|(y, x)| *y = x * scale + shift);
            }
        }
    }
}

#[inline(always)]
fn backward_image(image: BackwardImage<'_>) {
    let BackwardImage { x, grad, partial, weight, bias, length, norm } = image;
    let channels = weight.len();
    let per_group = channels / norm.groups;
    let (weight_grad, bias_grad) = partial.split_at_mut(channels);
    for g in 0..norm.groups {
        let range = g * per_group * length..(g + 1) * per_group * length;
        let (x, grad) = (&x[range.clone()], &mut grad[range]);
        let (mean, inverse_std) = statistics(x, norm.eps);
        let (mut mean_g, mut mean_along) = (0.0, 0.0);
        for (i, (x, grad)) in x.chunks_exact(length).zip(grad.chunks_exact_mut(length)).enumerate() {
            let c = g * per_group + i;
            if norm.silu {
                let scale = weight[c] * inverse_std;
                silu_backward(x, grad, scale, bias[c] - mean * scale);
            }
            bias_grad[c] = sum(grad, |v| v);
            weight_grad[c] = sum2(x, grad, |x, g| (x - mean) * inverse_std * g);
            mean_g += weight[c] * bias_grad[c];
            mean_along += weight[c] * weight_grad[c];
        }
        let count = (per_group * length) as f32;
        let (mean_g, mean_along) = (mean_g / count, mean_along / count);
        for (i, (x, grad)) in x.chunks_exact(length).zip(grad.chunks_exact_mut(length)).enumerate() {
            let w = weight[g * per_group + i];
            for (d, x) in grad.iter_mut().zip(x) {
                let x_hat = (x - mean) * inverse_std;
                *d = (*d * w - mean_g - x_hat * mean_along) * inverse_std;
            }
        }
    }
}

/// Multiplies by the derivative of SiLU at `x scale + shift`.
#[inline(always)]
fn silu_backward(x: &[f32], grad: &mut [f32], scale: f32, shift: f32) {
    for (d, x) in grad.iter_mut().zip(x) {
        let z = x * scale + shift;
        let s = sigmoid(z);
        *d *= s * (1.0 + z * (1.0 - s));
    }
}
