//! Convolutions to so few channels that a vector of them would be mostly empty, as that to the noise of an image's one or
//! three is: here a vector holds pixels that lie side by side.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{
    Activation, Addends, Conv, pack,
    plan::{Plan, even_parts},
    unpack,
};
use crate::cpu::{
    Channels,
    memory::{Shared, filled, with_scratch},
    simd::{Lanes, WithLanes},
    vector::{for_each_vector, load, store},
};

/// Output channels at most.
const CHANNELS: usize = 4;

/// Whether a plan is computed here.
pub(super) fn takes(plan: &Plan) -> bool {
    plan.to.channels <= CHANNELS && plan.step == 1 && plan.phases.len() == 1
}

/// Whether a gradient with respect to weights is.
pub(super) fn takes_gradient(conv: &Conv) -> bool {
    conv.c_out <= CHANNELS && conv.kernel == 3 && conv.stride == 1
}

/// Runs a plan. Every number is summed in the order that other plans have, so that it is the same whether it is computed
/// among few channels or many.
pub(super) fn convolve<V: Lanes>(
    plan: &Plan,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    weight: &[f32],
    add: Addends<'_>,
) -> Vec<f32> {
    let (phase, count, pixels) = (&plan.phases[0], plan.to.channels, plan.to.pixels());
    let (to_stride, from_stride) = plan.weight_strides;
    let weights: Vec<f32> = (0..plan.from.channels)
        .flat_map(|c| phase.taps.iter().map(move |tap| c * from_stride + tap))
        .flat_map(|from| (0..count).map(move |to| weight[to * to_stride + from]))
        .collect();
    let most_rows = if count <= 2 { 4 } else { 2 };
    let fill = |out: Shared| {
        (0..plan.images).into_par_iter().for_each(|image| {
            with_scratch([plan.padded_size(), CHANNELS], |[padded, start]| {
                pack::padded_image::<V>(plan, x, activation, image, padded);
                unpack::start(plan, add, 0, image, start);
                for (row, rows) in even_parts(phase.rows, most_rows) {
                    let place = image * plan.to.size() + row * plan.to.width;
                    let arguments = RowArguments {
                        x: padded[row * plan.padded.1..].as_ptr(),
                        row: plan.padded.1,
                        plane: plan.padded.0 * plan.padded.1,
                        channels: plan.from.channels,
                        offsets: &phase.offsets,
                        weights: &weights,
                        start: start.as_ptr(),
                        residual: add.residual.map(|residual| residual[place..].as_ptr()),
                        out: out.at(place),
                        width: plan.to.width,
                        out_plane: pixels,
                    };
                    // SAFETY: the instruction set was checked when `V` was chosen. The plan pads planes so that every tap
                    // of every pixel falls inside; each image is written by one job.
                    unsafe { run::<V>(count, rows, arguments) };
                }
            });
        });
    };
    // SAFETY: the jobs write all rows of all channels of all images.
    unsafe { filled(plan.images * plan.to.size(), fill) }
}

/// Some rows of pixels.
#[derive(Clone, Copy)]
struct RowArguments<'a> {
    /// The padded pixel under the first tap of the first pixel.
    x: *const f32,
    /// From one row to the next, and from one channel to the next, in `x`.
    row: usize,
    plane: usize,
    channels: usize,
    offsets: &'a [usize],
    /// `[channels, taps, CHANNELS]`
    weights: &'a [f32],
    /// The starting values of the sums, `[CHANNELS]`.
    start: *const f32,
    /// An addition to the sums, laid out as `out`.
    residual: Option<*const f32>,
    /// `[CHANNELS, ROWS, width]`, planes `out_plane` numbers apart.
    out: *mut f32,
    width: usize,
    out_plane: usize,
}

struct Rows<'a, const CHANNELS: usize, const ROWS: usize> {
    arguments: RowArguments<'a>,
}

impl<const CHANNELS: usize, const ROWS: usize> WithLanes for Rows<'_, CHANNELS, ROWS> {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let RowArguments { x, row, plane, channels, offsets, weights, start, .. } = self.arguments;
        let RowArguments { residual, out, width, out_plane, .. } = self.arguments;
        // SAFETY: by the caller, for the pixels under every tap, `CHANNELS` weights for each channel and tap, and the
        // pixels of the result.
        unsafe {
            for_each_vector!(V, width, |column, count| {
                let mut sums = [[V::splat(0.0); ROWS]; CHANNELS];
                for (c, sums) in sums.iter_mut().enumerate() {
                    *sums = [V::splat(*start.add(c)); ROWS];
                }
                let (mut x, mut weights) = (x.add(column), weights.as_ptr());
                for _ in 0..channels {
                    for offset in offsets {
                        let mut values = [V::splat(0.0); ROWS];
                        for (i, value) in values.iter_mut().enumerate() {
                            *value = load::<V>(x.add(offset + i * row), count);
                        }
                        for (c, sums) in sums.iter_mut().enumerate() {
                            let weight = V::splat(*weights.add(c));
                            for (sum, value) in sums.iter_mut().zip(values) {
                                *sum = value.mul_add(weight, *sum);
                            }
                        }
                        weights = weights.add(CHANNELS);
                    }
                    // Behind the last channel it may be outside of the allocation, where it is not read.
                    x = x.wrapping_add(plane);
                }
                for (c, sums) in sums.into_iter().enumerate() {
                    for (i, mut sum) in sums.into_iter().enumerate() {
                        let place = c * out_plane + i * width + column;
                        if let Some(residual) = residual {
                            sum = sum.add(load::<V>(residual.add(place), count));
                        }
                        store(sum, out.add(place), count);
                    }
                }
            });
        }
    }
}

unsafe fn run<V: Lanes>(channels: usize, rows: usize, arguments: RowArguments<'_>) {
    macro_rules! choose {
        ($($channels:literal: $($rows:literal)*;)*) => {
            match (channels, rows) {
                $($(($channels, $rows) => {
                    // SAFETY: passed on to the caller.
                    unsafe { V::run(Rows::<$channels, $rows> { arguments }) }
                })*)*
                _ => unreachable!("{rows} rows of {channels} channels were not planned"),
            }
        };
    }
    // As many sums as fit the registers of AVX2.
    choose! {
        1: 1 2 3 4;
        2: 1 2 3 4;
        3: 1 2;
        4: 1 2;
    }
}

/// The sums over an image of the products of an output channel's gradient with what lies under each of nine taps.
pub(super) struct Taps {
    /// A padded plane of the input.
    pub x: *const f32,
    /// Pixels of a padded row.
    pub row: usize,
    /// A plane of the gradient.
    pub grad: *const f32,
    pub height: usize,
    pub width: usize,
    /// Where the first tap's sum is added, and how far it is from one to the next.
    pub sums: *mut f32,
    pub step: usize,
}

impl WithLanes for Taps {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { x, row, grad, height, width, sums, step } = self;
        // SAFETY: by the caller, for all pixels, what is under them, and nine sums.
        unsafe {
            let mut totals = [[V::splat(0.0); 3]; 3];
            for y in 0..height {
                for_each_vector!(V, width, |column, count| {
                    let g = load::<V>(grad.add(y * width + column), count);
                    for (i, totals) in totals.iter_mut().enumerate() {
                        for (j, total) in totals.iter_mut().enumerate() {
                            let value = load::<V>(x.add((y + i) * row + column + j), count);
                            *total = value.mul_add(g, *total);
                        }
                    }
                });
            }
            for (tap, total) in totals.into_iter().flatten().enumerate() {
                *sums.add(tap * step) += total.sum();
            }
        }
    }
}
