//! Images with the channels of a pixel side by side, as the transforms read them.
#![allow(unsafe_code)]

use std::ops::Range;

use crate::cpu::{
    Channels,
    conv::ActivationAt,
    simd::{Lanes, WithLanes},
    vector::sigmoid,
};

/// Spreads the planes of up to `COUNT` channels over padded pixels, a vector each; zeros around them and in the lanes
/// that have no channel.
pub(super) struct Spread {
    /// Where the planes of the channels lie, `[channels, height, width]`, and how many: in one place or, one after
    /// another, in two.
    pub from: [(*const f32, usize); 2],
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

/// Where some channels of an image lie, as [`Spread`] reads them.
pub(super) fn places(x: Channels<'_>, image: usize, channels: Range<usize>) -> [(*const f32, usize); 2] {
    let mut runs = x.runs(image, channels).map(|run| (run.planes.as_ptr(), run.count));
    std::array::from_fn(|_| runs.next().unwrap_or((std::ptr::null(), 0)))
}

impl WithLanes for Spread {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { from: [(from, count), (others, more)], height, width, before, padded, activation, to } =
            self;
        let (channels, pixels) = (count + more, height * width);
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
            if count < V::COUNT || pixels < V::COUNT {
                let mut planes = [from; 16];
                for (lane, plane) in planes.iter_mut().enumerate().take(channels) {
                    *plane = if lane < count {
                        from.add(lane * pixels)
                    } else {
                        others.add((lane - count) * pixels)
                    };
                }
                for y in 0..height {
                    for x in 0..width {
                        let to = first.add((y * padded.1 + x) * V::COUNT);
                        for (lane, plane) in planes.iter().enumerate().take(V::COUNT) {
                            *to.add(lane) = if lane < channels { *plane.add(y * width + x) } else { 0.0 };
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
