//! The starting values of a convolution's sums, and the way of the sums to the planes of its output.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{Addends, plan::Plan};
use crate::cpu::{
    memory::Shared,
    simd::{Lanes, WithLanes},
};

/// Writes the starting values of an image's channels from `first` on: bias and shift, and zeros beyond the last channel.
pub(super) fn start(plan: &Plan, add: Addends<'_>, first: usize, image: usize, start: &mut [f32]) {
    let channels = plan.to.channels;
    for (lane, start) in start.iter_mut().enumerate() {
        let c = first + lane;
        let inside = c < channels;
        let bias = add.bias.filter(|_| inside).map_or(0.0, |bias| bias[c]);
        *start = bias + add.shift.filter(|_| inside).map_or(0.0, |shift| shift[image * channels + c]);
    }
}

/// From `[pixels, channels of the block]` to these pixels of the output's planes, with the residual added. Nobody else may
/// write this block of this image.
pub(super) fn unpack<V: Lanes>(
    plan: &Plan,
    (first, registers): (usize, usize),
    (image, pixels): (usize, Range<usize>),
    sums: &[f32],
    residual: Option<&[f32]>,
    out: Shared,
) {
    let plane = plan.to.pixels();
    let place = (image * plan.to.channels + first) * plane + pixels.start;
    let width = registers * V::COUNT;
    let unpack = Unpack {
        sums: sums[..pixels.len() * width].as_ptr(),
        width,
        channels: (plan.to.channels - first).min(width),
        pixels: pixels.len(),
        plane,
        residual: residual.map(|residual| residual[place..].as_ptr()),
        out: out.at(place),
    };
    // SAFETY: the instruction set was checked when `V` was chosen; by the caller nobody else writes these planes.
    unsafe { V::run(unpack) };
}

/// How far ahead of the store, in numbers of a plane, a cache is told of it: there are as many streams as lanes, too many
/// and too short for a processor to foresee.
const AHEAD: usize = 48;

/// `[pixels, width]` transposed to the first `channels` planes, plus a residual.
struct Unpack {
    sums: *const f32,
    width: usize,
    channels: usize,
    pixels: usize,
    /// Numbers from one plane to the next.
    plane: usize,
    residual: Option<*const f32>,
    out: *mut f32,
}

impl WithLanes for Unpack {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { sums, width, channels, pixels, plane, residual, out } = self;
        // SAFETY: by the caller, for all pixels and channels; the last block of pixels overlaps the one before it, and
        // writes the same numbers there.
        unsafe {
            if pixels < V::COUNT {
                for c in 0..channels {
                    for p in 0..pixels {
                        let place = c * plane + p;
                        let sum = *sums.add(p * width + c);
                        *out.add(place) = sum + residual.map_or(0.0, |residual| *residual.add(place));
                    }
                }
                return;
            }
            for c in (0..channels).step_by(V::COUNT) {
                let mut p = 0;
                while p < pixels {
                    let from = p.min(pixels - V::COUNT);
                    let planes = c * plane + from;
                    let (sums, out) = (sums.add(from * width + c), out.wrapping_add(planes));
                    let all = c + V::COUNT <= channels;
                    match residual {
                        // Nearly every block goes this way, free of branches.
                        None if all => V::columns(sums, width, |i, lanes| {
                            V::expect_store(out.wrapping_add(i * plane + AHEAD));
                            lanes.store(out.add(i * plane));
                        }),
                        Some(residual) if all => V::columns(sums, width, |i, lanes| {
                            V::expect_store(out.wrapping_add(i * plane + AHEAD));
                            let residual = V::load(residual.add(planes + i * plane));
                            lanes.add(residual).store(out.add(i * plane));
                        }),
                        _ => V::columns(sums, width, |i, lanes| {
                            if c + i < channels {
                                let add = match residual {
                                    Some(residual) => V::load(residual.add(planes + i * plane)),
                                    None => V::splat(0.0),
                                };
                                lanes.add(add).store(out.add(i * plane));
                            }
                        }),
                    }
                    p += V::COUNT;
                }
            }
        }
    }
}
