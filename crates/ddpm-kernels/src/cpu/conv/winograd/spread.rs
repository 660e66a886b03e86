//! Images with the channels of a pixel side by side, as the transforms read them.
#![allow(unsafe_code)]

use crate::cpu::{
    conv::ActivationAt,
    simd::{Lanes, WithLanes},
    vector::sigmoid,
};

/// Spreads the planes of up to `COUNT` channels over padded pixels, a vector each; zeros around them and in the lanes
/// that have no channel.
pub(super) struct Spread {
    /// `[channels, height, width]`
    pub from: *const f32,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Zero rows above and zero columns to the left.
    pub before: usize,
    pub padded: (usize, usize),
    /// From the first of the channels on.
    pub activation: Option<ActivationAt>,
    /// `[padded, COUNT]`
    pub to: *mut f32,
}

impl WithLanes for Spread {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { from, channels, height, width, before, padded, activation, to } = self;
        let pixels = height * width;
        // SAFETY: by the caller, for all channels and all padded pixels.
        unsafe {
            let zero = V::splat(0.0);
            for row in 0..padded.0 {
                let inside = (before..before + height).contains(&row);
                let line = to.add(row * padded.1 * V::COUNT);
                for column in 0..padded.1 {
                    if !inside || column < before || column >= before + width {
                        zero.store(line.add(column * V::COUNT));
                    }
                }
            }
            let first = to.add((before * padded.1 + before) * V::COUNT);
            if channels < V::COUNT || pixels < V::COUNT {
                for y in 0..height {
                    for x in 0..width {
                        let to = first.add((y * padded.1 + x) * V::COUNT);
                        for lane in 0..V::COUNT {
                            *to.add(lane) =
                                if lane < channels { *from.add(lane * pixels + y * width + x) } else { 0.0 };
                        }
                    }
                }
                activate::<V>(activation, channels, (height, width), first, padded.1);
                return;
            }
            // Blocks of as many pixels as lanes, whatever rows they belong to; the last overlaps the one before it.
            let mut places = [0; 16];
            let mut p = 0;
            while p < pixels {
                let start = p.min(pixels - V::COUNT);
                for (i, place) in places.iter_mut().enumerate().take(V::COUNT) {
                    *place = ((start + i) / width * padded.1 + (start + i) % width) * V::COUNT;
                }
                V::columns(from.add(start), pixels, |i, lanes| lanes.store(first.add(places[i])));
                p += V::COUNT;
            }
            activate::<V>(activation, channels, (height, width), first, padded.1);
        }
    }
}

/// Activates the pixels inside a padded plane of vectors. In a pass of its own: these are in the cache, and the
/// transposition before it has no registers to spare.
#[inline(always)]
unsafe fn activate<V: Lanes>(
    activation: Option<ActivationAt>,
    channels: usize,
    (height, width): (usize, usize),
    first: *mut f32,
    padded_width: usize,
) {
    let Some(ActivationAt { scale, shift, silu }) = activation else { return };
    // SAFETY: by the caller, a scale and a shift for each channel, and the plane's pixels. Lanes beyond stay zero.
    unsafe {
        let (scale, shift) = (V::load_first(scale, channels), V::load_first(shift, channels));
        for y in 0..height {
            let row = first.add(y * padded_width * V::COUNT);
            for x in 0..width {
                let pixel = row.add(x * V::COUNT);
                let z = V::load(pixel).mul_add(scale, shift);
                (if silu { z.mul(sigmoid(z)) } else { z }).store(pixel);
            }
        }
    }
}
