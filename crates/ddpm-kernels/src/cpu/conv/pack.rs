//! Images padded with zeros, and weights with the channels of the result side by side.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{Activation, ActivationAt, plan::Plan};
use crate::cpu::{
    Channels,
    memory::{Shared, filled},
    simd::{Lanes, WithLanes},
    vector::{for_each_vector, load, sigmoid, store},
};

/// The channels of a result in blocks of so many vectors: (first channel, vectors).
pub(super) fn blocks<V: Lanes>(channels: usize, registers: usize) -> Vec<(usize, usize)> {
    let width = registers * V::COUNT;
    (0..channels)
        .step_by(width)
        .map(|first| (first, (channels - first).min(width).div_ceil(V::COUNT)))
        .collect()
}

/// Packed weights: for each phase and each block of channels, `[c_from, taps, channels of the block]`.
pub(super) struct PackedWeights {
    pub values: Vec<f32>,
    /// Where a phase and block begin.
    pub starts: Vec<Vec<usize>>,
}

/// Packs `weight`; what a block has beyond the last channel is zero.
pub(super) fn weights<V: Lanes>(plan: &Plan, blocks: &[(usize, usize)], weight: &[f32]) -> PackedWeights {
    let c_from = plan.from.channels;
    let mut total = 0;
    let mut starts = vec![Vec::new(); plan.phases.len()];
    for (phase, starts) in plan.phases.iter().zip(&mut starts) {
        for (_, vectors) in blocks {
            starts.push(total);
            total += c_from * phase.taps.len() * vectors * V::COUNT;
        }
    }
    let jobs: Vec<(usize, usize)> =
        (0..plan.phases.len()).flat_map(|phase| (0..blocks.len()).map(move |block| (phase, block))).collect();
    let (to_stride, from_stride) = plan.weight_strides;
    let fill = |values: Shared| {
        jobs.par_iter().for_each(|&(phase, block)| {
            let (first, vectors) = blocks[block];
            let taps = &plan.phases[phase].taps;
            let width = vectors * V::COUNT;
            let channels = (plan.to.channels - first).min(width);
            // SAFETY: blocks lie side by side in `values`, and each is written by one job, wholly.
            let to = unsafe { values.slice(starts[phase][block], c_from * taps.len() * width) };
            // All taps of a channel in their order, and channels one after another: a transposed matrix.
            let is_matrix = from_stride == taps.len() && taps.iter().enumerate().all(|(i, tap)| i == *tap);
            if is_matrix && channels == width {
                let columns = c_from * taps.len();
                let from = &weight[first * to_stride..][..width * columns];
                // SAFETY: the instruction set was checked when `V` was chosen; `from` has `width` rows of `columns`
                // numbers, and `to` as many columns.
                unsafe {
                    V::run(Transpose {
                        from: from.as_ptr(),
                        rows: width,
                        columns,
                        to: to.as_mut_ptr().cast(),
                    });
                }
                return;
            }
            let mut rows = to.chunks_exact_mut(width);
            for c in 0..c_from {
                for tap in taps {
                    let row = rows.next().expect("a row for each channel and tap");
                    for (lane, value) in row.iter_mut().enumerate() {
                        value.write(if lane < channels {
                            weight[(first + lane) * to_stride + c * from_stride + tap]
                        } else {
                            0.0
                        });
                    }
                }
            }
        });
    };
    // SAFETY: the jobs write every block of every phase.
    let values = unsafe { filled(total, fill) };
    PackedWeights { values, starts }
}

/// Transposes a dense matrix whose number of rows is a multiple of the lanes.
pub(super) struct Transpose {
    pub from: *const f32,
    pub rows: usize,
    pub columns: usize,
    pub to: *mut f32,
}

impl WithLanes for Transpose {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { from, rows, columns, to } = self;
        let whole = columns - columns % V::COUNT;
        for row in (0..rows).step_by(V::COUNT) {
            for column in (0..whole).step_by(V::COUNT) {
                // SAFETY: a block of as many rows and columns as there are lanes lies within the matrix.
                unsafe {
                    let place = to.add(column * rows + row);
                    V::columns(from.add(row * columns + column), columns, |i, lanes| {
                        lanes.store(place.add(i * rows));
                    });
                }
            }
            for column in whole..columns {
                for i in row..row + V::COUNT {
                    // SAFETY: within the matrix.
                    unsafe { *to.add(column * rows + i) = *from.add(i * columns + column) };
                }
            }
        }
    }
}

/// Pads all channels of an image, activated.
pub(super) fn padded_image<V: Lanes>(
    plan: &Plan,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    image: usize,
    to: &mut [f32],
) {
    for run in x.runs(image, 0..plan.from.channels) {
        let pad = Pad {
            from: run.planes.as_ptr(),
            channels: run.count,
            height: plan.from.height,
            width: plan.from.width,
            before: plan.before,
            padded: plan.padded,
            activation: activation.map(|a| a.at(image * plan.from.channels + run.first)),
            to: to[run.first * plan.padded.0 * plan.padded.1..].as_mut_ptr(),
        };
        // SAFETY: the instruction set was checked when `V` was chosen; the slices have the planes' sizes.
        unsafe { V::run(pad) };
    }
}

/// Copies planes into padded ones, zeros around them included.
pub(super) struct Pad {
    pub from: *const f32,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub before: usize,
    pub padded: (usize, usize),
    /// From the first of the channels on.
    pub activation: Option<ActivationAt>,
    pub to: *mut f32,
}

impl WithLanes for Pad {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { from, channels, height, width, before, padded, activation, to } = self;
        let (padded_height, padded_width) = padded;
        // SAFETY: the caller's planes are as large as it says.
        unsafe {
            for c in 0..channels {
                let plane = to.add(c * padded_height * padded_width);
                clear::<V>(plane, before * padded_width);
                for y in 0..height {
                    let row = plane.add((before + y) * padded_width);
                    let line = from.add((c * height + y) * width);
                    for i in 0..before {
                        *row.add(i) = 0.0;
                    }
                    let mut x = 0;
                    while x + V::COUNT <= width {
                        V::load(line.add(x)).store(row.add(before + x));
                        x += V::COUNT;
                    }
                    if x < width {
                        V::load_first(line.add(x), width - x).store_first(row.add(before + x), width - x);
                    }
                    for i in before + width..padded_width {
                        *row.add(i) = 0.0;
                    }
                    if let Some(ActivationAt { scale, shift, silu }) = activation {
                        let (scale, shift) = (V::splat(*scale.add(c)), V::splat(*shift.add(c)));
                        let row = row.add(before);
                        for_each_vector!(V, width, |i, count| {
                            let z = load::<V>(row.add(i), count).mul_add(scale, shift);
                            let y = if silu { z.mul(sigmoid(z)) } else { z };
                            store(y, row.add(i), count);
                        });
                    }
                }
                let done = (before + height) * padded_width;
                clear::<V>(plane.add(done), padded_height * padded_width - done);
            }
        }
    }
}

#[inline(always)]
unsafe fn clear<V: Lanes>(to: *mut f32, len: usize) {
    let mut i = 0;
    // SAFETY: the caller's `len` numbers.
    unsafe {
        while i < len {
            V::splat(0.0).store_first(to.add(i), len - i);
            i += V::COUNT;
        }
    }
}
