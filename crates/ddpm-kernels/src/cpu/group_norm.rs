//! Group normalisation with or without SiLU, a group of an image at a time, so that it stays in the first-level cache;
//! nothing is kept for the backward pass, which computes statistics and activation again.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Channels,
    channels::{SharedChannels, filled_channels},
    memory::{Shared, filled, with_scratch},
    simd::{InstructionSet, Lanes, WithLanes, with_lanes},
    vector::{for_each_vector, load, sigmoid, store},
};
use crate::Norm;

/// Numbers that make a job worth a thread.
const JOB: usize = 1 << 14;

/// The inputs and the options of a normalisation.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `[n, c, length]`
    pub dims: [usize; 3],
    /// The feature maps, of the size of `dims`.
    pub x: Channels<'a>,
    /// `[c]`
    pub weight: &'a [f32],
    /// `[c]`
    pub bias: &'a [f32],
    /// The groups, and what follows.
    pub norm: Norm,
}

/// The output, of the size of `x`.
///
/// # Panics
/// If slices do not have the sizes that [`Inputs`] says.
pub fn forward(set: InstructionSet, inputs: Inputs<'_>) -> Vec<f32> {
    with_lanes!(set, forward_with(&Layout::of(inputs)))
}

/// The normalisation as an affine map of each channel of each image, `scale x + shift`, for a convolution that applies
/// it to its input.
///
/// # Shapes
/// - results: `[n, c]`
///
/// # Panics
/// As [`forward`].
pub fn scale_and_shift(set: InstructionSet, inputs: Inputs<'_>) -> (Vec<f32>, Vec<f32>) {
    with_lanes!(set, scale_and_shift_with(&Layout::of(inputs)))
}

/// The gradients with respect to `x`, weight and bias.
///
/// # Shapes
/// - `grad`: `[n, c, length]`
/// - results: those of the slices of `x` (the second empty where there is one), of `weight` and of `bias`
///
/// # Panics
/// If the slices do not have these sizes.
pub fn backward(
    set: InstructionSet,
    inputs: Inputs<'_>,
    grad: &[f32],
) -> ([Vec<f32>; 2], Vec<f32>, Vec<f32>) {
    assert_eq!(grad.len(), inputs.dims.iter().product::<usize>(), "group norm: the gradient's size");
    with_lanes!(set, backward_with(&Layout::of(inputs), grad))
}

/// The input of a normalisation, cut into groups: `[n, groups, per_group, length]`.
struct Layout<'a> {
    images: usize,
    channels: usize,
    length: usize,
    per_group: usize,
    norm: Norm,
    x: Channels<'a>,
    weight: &'a [f32],
    bias: &'a [f32],
}

impl<'a> Layout<'a> {
    fn of(inputs: Inputs<'a>) -> Self {
        let Inputs { dims: [images, channels, length], x, weight, bias, norm } = inputs;
        let groups = norm.groups;
        assert!(
            groups > 0 && channels % groups == 0,
            "group norm: {groups} groups do not divide {channels} channels"
        );
        x.check("group norm", [images, channels, length]);
        assert!(weight.len() == channels && bias.len() == channels, "group norm: the parameters' sizes");
        Self { images, channels, length, per_group: channels / groups, norm, x, weight, bias }
    }

    /// Numbers of a group.
    fn size(&self) -> usize {
        self.per_group * self.length
    }

    /// Calls `body` with the index of every group of every image, in jobs of several.
    fn for_each_group(&self, body: impl Fn(usize) + Sync + Send) {
        let at_least = (JOB / self.size().max(1)).max(1);
        (0..self.images * self.norm.groups).into_par_iter().with_min_len(at_least).for_each(body);
    }

    /// The image of a group, and its channels.
    fn place(&self, index: usize) -> (usize, Range<usize>) {
        let first = index % self.norm.groups * self.per_group;
        (index / self.norm.groups, first..first + self.per_group)
    }

    /// A group in memory of its own, if its channels lie in two slices.
    fn gather(&self, index: usize, to: &mut [f32]) {
        let (image, channels) = self.place(index);
        for run in self.x.runs(image, channels.clone()) {
            to[(run.first - channels.start) * self.length..][..run.planes.len()].copy_from_slice(run.planes);
        }
    }

    /// Calls `body` with a group.
    fn with_group<R>(&self, index: usize, body: impl FnOnce(Group<'_>) -> R) -> R {
        let (image, channels) = self.place(index);
        if let Some(x) = self.x.slice(image, channels) {
            return body(self.group(index, x));
        }
        with_scratch([self.size()], |[x]| {
            self.gather(index, x);
            body(self.group(index, x))
        })
    }

    fn group<'b>(&'b self, index: usize, x: &'b [f32]) -> Group<'b> {
        let (_, channels) = self.place(index);
        Group {
            x,
            weight: &self.weight[channels.clone()],
            bias: &self.bias[channels],
            length: self.length,
            norm: self.norm,
        }
    }
}

fn forward_with<V: Lanes>(layout: &Layout<'_>) -> Vec<f32> {
    let size = layout.size();
    let fill = |y: Shared| {
        layout.for_each_group(|index| {
            layout.with_group(index, |group| {
                // SAFETY: the instruction set was checked when `V` was chosen; each group is written by one job.
                unsafe { V::run(Forward { group, y: y.at(index * size) }) };
            });
        });
    };
    // SAFETY: the groups make up the tensor.
    unsafe { filled(layout.images * layout.channels * layout.length, fill) }
}

fn scale_and_shift_with<V: Lanes>(layout: &Layout<'_>) -> (Vec<f32>, Vec<f32>) {
    let mut scale = vec![0.0; layout.images * layout.channels];
    let mut shift = scale.clone();
    let (scales, shifts) = (Shared::of(&mut scale), Shared::of(&mut shift));
    layout.for_each_group(|index| {
        layout.with_group(index, |group| {
            // SAFETY: the instruction set was checked when `V` was chosen.
            let (mean, inverse_std) = unsafe { V::run(Statistics { group }) };
            for (c, (w, b)) in group.weight.iter().zip(group.bias).enumerate() {
                let place = index * layout.per_group + c;
                // SAFETY: the channels of each group are written by one job.
                unsafe {
                    *scales.at(place) = w * inverse_std;
                    *shifts.at(place) = b - mean * w * inverse_std;
                }
            }
        });
    });
    (scale, shift)
}

struct Statistics<'a> {
    group: Group<'a>,
}

impl WithLanes for Statistics<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) -> (f32, f32) {
        // SAFETY: by the caller.
        unsafe { self.group.statistics::<V>() }
    }
}

fn backward_with<V: Lanes>(layout: &Layout<'_>, grad: &[f32]) -> ([Vec<f32>; 2], Vec<f32>, Vec<f32>) {
    let (size, channels) = (layout.size(), layout.channels);
    // Of each image, the share of the gradients of weight and bias.
    let mut partial = vec![0.0; 2 * layout.images * channels];
    let shares = Shared::of(&mut partial);
    let fill = |x_grad: SharedChannels| {
        layout.for_each_group(|index| {
            let share = index * layout.per_group;
            let run = |x: &[f32], to: *mut f32| {
                let backward = Backward {
                    group: layout.group(index, x),
                    grad: &grad[index * size..][..size],
                    x_grad: to,
                    weight_grad: shares.at(share),
                    bias_grad: shares.at(layout.images * channels + share),
                };
                // SAFETY: the instruction set was checked when `V` was chosen; each group, and its share of the other
                // gradients, is written by one job.
                unsafe { V::run(backward) };
            };
            let (image, group) = layout.place(index);
            if let Some(x) = layout.x.slice(image, group.clone()) {
                return run(x, x_grad.at(image, group.start));
            }
            with_scratch([size, size], |[x, to]| {
                layout.gather(index, x);
                run(x, to.as_mut_ptr());
                // SAFETY: each group is written by one job.
                unsafe { x_grad.write(image, group, to) };
            });
        });
    };
    // SAFETY: the groups make up the feature maps.
    let x_grad = unsafe { filled_channels(layout.x, fill) };
    // The images are added in their order.
    let total = |shares: &[f32]| {
        shares.chunks_exact(channels).fold(vec![0.0; channels], |mut sums, share| {
            sums.iter_mut().zip(share).for_each(|(sum, share)| *sum += share);
            sums
        })
    };
    let (weight_shares, bias_shares) = partial.split_at(layout.images * channels);
    (x_grad, total(weight_shares), total(bias_shares))
}

/// A group of an image.
#[derive(Clone, Copy)]
struct Group<'a> {
    /// `[per_group, length]`
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    length: usize,
    norm: Norm,
}

impl Group<'_> {
    /// Mean and inverse standard deviation, in one pass: sums of the differences, and of their squares, from a number
    /// near the mean, so that nothing is lost when the one is taken from the other.
    #[inline(always)]
    unsafe fn statistics<V: Lanes>(&self) -> (f32, f32) {
        let (from, len) = (self.x.as_ptr(), self.x.len());
        // SAFETY: by the caller, who has the instruction set; places are inside the group.
        unsafe {
            let count = len.min(V::COUNT);
            let near = V::load_first(from, count).sum() / count as f32;
            let zero = V::splat(0.0);
            let (mut sums, mut squares) = ([zero; 2], [zero; 2]);
            let pair = 2 * V::COUNT;
            let whole = len - len % pair;
            let mut i = 0;
            while i < whole {
                for half in 0..2 {
                    let d = V::load(from.add(i + half * V::COUNT)).sub(V::splat(near));
                    sums[half] = sums[half].add(d);
                    squares[half] = d.mul_add(d, squares[half]);
                }
                i += pair;
            }
            let mut sum = sums[0].add(sums[1]).sum();
            let mut square = squares[0].add(squares[1]).sum();
            for value in &self.x[whole..] {
                let d = value - near;
                sum += d;
                square += d * d;
            }
            let mean = sum / len as f32;
            let variance = (square / len as f32 - mean * mean).max(0.0);
            (near + mean, 1.0 / (variance + self.norm.eps as f32).sqrt())
        }
    }
}

/// One group, forward. A struct rather than a closure: what is compiled for the machine's best instructions must be
/// inlined into the function that has them, and a closure's call is not.
struct Forward<'a> {
    group: Group<'a>,
    y: *mut f32,
}

impl WithLanes for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { group, y } = self;
        // SAFETY: by the caller, `y` has the size of the group.
        unsafe {
            let (mean, inverse_std) = group.statistics::<V>();
            for (c, (w, b)) in group.weight.iter().zip(group.bias).enumerate() {
                let (scale, shift) = (V::splat(w * inverse_std), V::splat(b - mean * w * inverse_std));
                let (x, y) = (group.x.as_ptr().add(c * group.length), y.add(c * group.length));
                if group.norm.silu {
                    for_each_vector!(V, group.length, |i, count| {
                        let z = load::<V>(x.add(i), count).mul_add(scale, shift);
                        store(z.mul(sigmoid(z)), y.add(i), count);
                    });
                } else {
                    for_each_vector!(V, group.length, |i, count| {
                        store(load::<V>(x.add(i), count).mul_add(scale, shift), y.add(i), count);
                    });
                }
            }
        }
    }
}

/// One group, backward: with g the gradient of the normalised numbers before the affine map,
/// `x_grad = (w g - mean(w g) - x_hat mean(w g x_hat)) / std`.
struct Backward<'a> {
    group: Group<'a>,
    grad: &'a [f32],
    x_grad: *mut f32,
    weight_grad: *mut f32,
    bias_grad: *mut f32,
}

impl WithLanes for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { group, grad, x_grad, weight_grad, bias_grad } = self;
        let (length, zero) = (group.length, 0.0);
        // SAFETY: by the caller, `x_grad` has the size of the group, and the others one number for each of its channels.
        unsafe {
            let (mean, inverse_std) = group.statistics::<V>();
            let (inverse, centre) = (V::splat(inverse_std), V::splat(-mean * inverse_std));
            let (mut mean_g, mut mean_along) = (zero, zero);
            for (c, (w, b)) in group.weight.iter().zip(group.bias).enumerate() {
                let (scale, shift) = (V::splat(w * inverse_std), V::splat(b - mean * w * inverse_std));
                let place = c * length;
                let (x, from, to) =
                    (group.x.as_ptr().add(place), grad.as_ptr().add(place), x_grad.add(place));
                let (mut sum, mut along) = (V::splat(zero), V::splat(zero));
                for_each_vector!(V, length, |i, count| {
                    let (x, mut g) = (load::<V>(x.add(i), count), load::<V>(from.add(i), count));
                    if group.norm.silu {
                        let z = x.mul_add(scale, shift);
                        let s = sigmoid(z);
                        // s (1 + z (1 - s))
                        g = g.mul(s.mul(z.sub(z.mul(s)).add(V::splat(1.0))));
                    }
                    // Lanes beyond the end have g = 0.
                    sum = sum.add(g);
                    along = g.mul_add(x.mul_add(inverse, centre), along);
                    store(g, to.add(i), count);
                });
                let (sum, along) = (sum.sum(), along.sum());
                *weight_grad.add(c) = along;
                *bias_grad.add(c) = sum;
                mean_g += w * sum;
                mean_along += w * along;
            }
            let size = group.x.len() as f32;
            let (mean_g, mean_along) = (mean_g / size, mean_along / size);
            // (w g - mean_g - x_hat mean_along) / std, with x_hat = x / std - mean / std.
            let slope = V::splat(-mean_along * inverse_std * inverse_std);
            let offset = V::splat((mean * inverse_std * mean_along - mean_g) * inverse_std);
            for (c, w) in group.weight.iter().enumerate() {
                let (x, to) = (group.x.as_ptr().add(c * length), x_grad.add(c * length));
                let factor = V::splat(w * inverse_std);
                for_each_vector!(V, length, |i, count| {
                    let (x, g) = (load::<V>(x.add(i), count), load::<V>(to.add(i), count));
                    store(g.mul_add(factor, x.mul_add(slope, offset)), to.add(i), count);
                });
            }
        }
    }
}
