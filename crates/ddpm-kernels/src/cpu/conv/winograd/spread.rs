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
            for row in 0..padded.0 {
                let line = to.add(row * padded.1 * V::COUNT);
                if (before..before + height).contains(&row) {
                    clear::<V>(line, before);
                    clear::<V>(line.add((before + width) * V::COUNT), padded.1 - before - width);
                } else {
                    clear::<V>(line, padded.1);
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
                // One division for a block: it takes longer than to move a pixel.
                let mut column = start % width;
                let mut place = (start / width * padded.1 + column) * V::COUNT;
                for at in places.iter_mut().take(V::COUNT) {
                    *at = place;
                    (column, place) = (column + 1, place + V::COUNT);
                    if column == width {
                        (column, place) = (0, place + (padded.1 - width) * V::COUNT);
                    }
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
            // One loop for each, without a branch in it.
            if silu {
                for x in 0..width {
                    let pixel = row.add(x * V::COUNT);
                    let z = V::load(pixel).mul_add(scale, shift);
                    z.mul(sigmoid(z)).store(pixel);
                }
            } else {
                for x in 0..width {
                    let pixel = row.add(x * V::COUNT);
                    V::load(pixel).mul_add(scale, shift).store(pixel);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn clear<V: Lanes>(to: *mut f32, vectors: usize) {
    for i in 0..vectors {
        // SAFETY: by the caller, for so many vectors.
        unsafe { V::splat(0.0).store(to.add(i * V::COUNT)) };
    }
}

/// The sum of some vectors, lane by lane.
pub(super) struct Sum {
    pub vectors: *const f32,
    pub count: usize,
    pub to: *mut f32,
}

impl WithLanes for Sum {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        // SAFETY: by the caller, for all vectors.
        unsafe {
            // Sums that do not wait for one another.
            let mut sums = [V::splat(0.0); 4];
            let whole = self.count - self.count % sums.len();
            for first in (0..whole).step_by(sums.len()) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(self.vectors.add((first + i) * V::COUNT)));
                }
            }
            for i in whole..self.count {
                sums[0] = sums[0].add(V::load(self.vectors.add(i * V::COUNT)));
            }
            sums[0].add(sums[1]).add(sums[2].add(sums[3])).store(self.to);
        }
    }
}
