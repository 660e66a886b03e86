//! What a convolution's sums start from, and their way to the planes of its output.
#![allow(unsafe_code)]

use super::{Addends, plan::Plan};
use crate::cpu::{
    memory::Shared,
    simd::{Lanes, WithLanes},
};

/// What the sums of an image's channels from `first` on start from: bias and shift, and zeros beyond the last channel.
pub(super) fn start(plan: &Plan, add: Addends<'_>, first: usize, image: usize, start: &mut [f32]) {
    let channels = plan.to.channels;
    for (lane, start) in start.iter_mut().enumerate() {
        let c = first + lane;
        let inside = c < channels;
        let bias = add.bias.filter(|_| inside).map_or(0.0, |bias| bias[c]);
        *start = bias + add.shift.filter(|_| inside).map_or(0.0, |shift| shift[image * channels + c]);
    }
}

/// From `[pixels, channels of the block]` to planes of the output, with the residual added. Nobody else may write this
/// block of this image.
pub(super) fn unpack<V: Lanes>(
    plan: &Plan,
    (first, registers): (usize, usize),
    image: usize,
    sums: &[f32],
    residual: Option<&[f32]>,
    out: Shared,
) {
    let pixels = plan.to.pixels();
    let place = (image * plan.to.channels + first) * pixels;
    let width = registers * V::COUNT;
    let unpack = Unpack {
        sums: sums[..pixels * width].as_ptr(),
        width,
        channels: (plan.to.channels - first).min(width),
        pixels,
        residual: residual.map(|residual| residual[place..].as_ptr()),
        out: out.at(place),
    };
    // SAFETY: the instruction set was checked when `V` was chosen; by the caller nobody else writes these planes.
    unsafe { V::run(unpack) };
}

/// `[pixels, width]` transposed to the first `channels` planes of `[.., pixels]`, plus a residual.
struct Unpack {
    sums: *const f32,
    width: usize,
    channels: usize,
    pixels: usize,
    residual: Option<*const f32>,
    out: *mut f32,
}

impl WithLanes for Unpack {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { sums, width, channels, pixels, residual, out } = self;
        // SAFETY: by the caller, for all pixels and channels; the last block of pixels overlaps the one before it, and
        // writes the same numbers there.
        unsafe {
            if pixels < V::COUNT {
                for c in 0..channels {
                    for p in 0..pixels {
                        let place = c * pixels + p;
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
                    let planes = c * pixels + from;
                    V::columns(sums.add(from * width + c), width, |i, lanes| {
                        if c + i < channels {
                            let place = planes + i * pixels;
                            let lanes = match residual {
                                Some(residual) => lanes.add(V::load(residual.add(place))),
                                None => lanes,
                            };
                            lanes.store(out.add(place));
                        }
                    });
                    p += V::COUNT;
                }
            }
        }
    }
}
