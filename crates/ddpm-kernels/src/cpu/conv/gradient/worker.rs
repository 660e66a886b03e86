//! The sums of a part of the images, a group of them at a time.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Cut,
    tile::{CHANNELS, GradArguments, SumRows, run, run_one},
};
use crate::cpu::{
    Channels,
    conv::{
        Activation, Conv, few,
        pack::{Pad, Transpose},
    },
    feature_maps::total,
    memory::{Shared, filled, with_scratch},
    simd::Lanes,
};

/// Pixels whose gradients stay in the first-level cache while all input channels pass over them.
const PIXELS: usize = 160;

/// Numbers of padded planes that are made at once.
const PADDED: usize = 1 << 17;

/// Where the numbers under a tap lie.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    /// Rows and columns of an output plane; one row where pixels have no neighbours.
    out: (usize, usize),
    /// Rows and columns of an input plane.
    plane: (usize, usize),
    padded: (usize, usize),
}

impl Geometry {
    pub(super) fn of(conv: &Conv) -> Self {
        if conv.is_pointwise() {
            let plane = (1, conv.height * conv.width);
            return Self { out: plane, plane, padded: plane };
        }
        Self {
            out: (conv.out_height(), conv.out_width()),
            plane: (conv.height, conv.width),
            padded: (conv.height + 2 * conv.padding, conv.width + 2 * conv.padding),
        }
    }
}

pub(super) struct Worker<'a, V> {
    pub(super) conv: &'a Conv,
    pub(super) geometry: Geometry,
    pub(super) x: Channels<'a>,
    pub(super) activation: Option<Activation<'a>>,
    pub(super) grad: &'a [f32],
    pub(super) cut: &'a Cut,
    pub(super) lanes: std::marker::PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// The sums of one block of output channels over some images.
    pub(super) fn run(&self, block: usize, images: Range<usize>, sums: *mut f32) {
        let Self { conv, geometry, cut, .. } = self;
        let pixels = geometry.out.0 * geometry.out.1;
        let group = (PIXELS / pixels.max(1)).clamp(1, images.len().max(1));
        let plane = geometry.padded.0 * geometry.padded.1;
        let is_padded = geometry.padded != geometry.plane || self.activation.is_some();
        let channels = (PADDED / (group * plane)).clamp(1, conv.c_in);
        let padded_len = if is_padded { group * channels * plane } else { 0 };
        let is_few = few::takes_gradient(conv);
        let grads_len = if is_few { 0 } else { group * pixels * cut.lanes };
        let sum = |channels: &Range<usize>, images: Range<usize>, x: (&[f32], usize), grads: &[f32]| {
            if is_few {
                self.sum_few(channels, images, x, sums);
            } else {
                self.sum(block, channels, images.len(), x, grads, sums);
            }
        };
        with_scratch([grads_len, padded_len], |[grads, padded]| {
            let mut image = images.start;
            while image < images.end {
                let count = group.min(images.end - image);
                let some_images = image..image + count;
                if is_few {
                    self.sum_grads(some_images.clone(), sums);
                } else {
                    self.pack_grads(block, some_images.clone(), grads, sums);
                }
                if is_padded {
                    for first in (0..conv.c_in).step_by(channels) {
                        let some = first..(first + channels).min(conv.c_in);
                        for (i, to) in padded.chunks_exact_mut(channels * plane).take(count).enumerate() {
                            self.pad(image + i, some.clone(), to);
                        }
                        sum(&some, some_images.clone(), (padded, channels * plane), grads);
                    }
                } else {
                    for some in self.x.ranges() {
                        sum(&some, some_images.clone(), self.x.rest(image, &some), grads);
                    }
                }
                image += count;
            }
        });
    }

    /// The output's gradients as `[images, pixels, lanes]`, their sums added to the bias'.
    fn pack_grads(&self, block: usize, images: Range<usize>, grads: &mut [f32], sums: *mut f32) {
        let Self { conv, geometry, cut, .. } = self;
        let pixels = geometry.out.0 * geometry.out.1;
        let (first, registers) = cut.blocks[block];
        let width = registers * V::COUNT;
        let channels = (conv.c_out - first).min(width);
        for (image, to) in images.zip(grads.chunks_exact_mut(pixels * width)) {
            let from = &self.grad[(image * conv.c_out + first) * pixels..][..channels * pixels];
            if channels == width {
                let transpose =
                    Transpose { from: from.as_ptr(), rows: width, columns: pixels, to: to.as_mut_ptr() };
                // SAFETY: the instruction set was checked when `V` was chosen; the slices have the matrix' size.
                unsafe { V::run(transpose) };
            } else {
                for (p, to) in to.chunks_exact_mut(width).enumerate() {
                    for (lane, to) in to.iter_mut().enumerate() {
                        *to = if lane < channels { from[lane * pixels + p] } else { 0.0 };
                    }
                }
            }
            // SAFETY: the sums end with those of the bias, one for each lane of the block.
            unsafe {
                let bias = sums.add(conv.c_in * conv.taps() * width);
                V::run(SumRows { rows: to.as_ptr(), count: pixels, registers, sums: bias });
            }
        }
    }

    /// The sums of the output's gradients of few channels, added to the bias'.
    fn sum_grads(&self, images: Range<usize>, sums: *mut f32) {
        let Self { conv, geometry, .. } = self;
        let pixels = geometry.out.0 * geometry.out.1;
        for image in images {
            let planes = &self.grad[image * conv.c_out * pixels..][..conv.c_out * pixels];
            for (c, plane) in planes.chunks_exact(pixels).enumerate() {
                // SAFETY: the sums end with those of the bias, a vector in which each output channel has a lane.
                unsafe { *sums.add(conv.c_in * conv.taps() * V::COUNT + c) += total::<V>(plane) };
            }
        }
    }

    fn pad(&self, image: usize, channels: Range<usize>, to: &mut [f32]) {
        let Geometry { plane: (height, width), padded, .. } = self.geometry;
        for run in self.x.runs(image, channels.clone()) {
            let pad = Pad {
                from: run.planes.as_ptr(),
                channels: run.count,
                height,
                width,
                before: self.conv.padding,
                padded,
                activation: self.activation.map(|a| a.at(image * self.conv.c_in + run.first)),
                to: to[(run.first - channels.start) * padded.0 * padded.1..].as_mut_ptr(),
            };
            // SAFETY: the instruction set was checked when `V` was chosen; the slices hold these channels.
            unsafe { V::run(pad) };
        }
    }

    /// Adds the products of some input channels, `(numbers from the first on, numbers of an image)`, and the packed
    /// gradients.
    fn sum(
        &self,
        block: usize,
        channels: &Range<usize>,
        images: usize,
        (x, image): (&[f32], usize),
        grads: &[f32],
        sums: *mut f32,
    ) {
        let Self { conv, geometry, cut, .. } = self;
        let registers = cut.blocks[block].1;
        let width = registers * V::COUNT;
        let plane = geometry.padded.0 * geometry.padded.1;
        let line = geometry.padded.1 * conv.stride;
        let taps = conv.taps();
        let rows_at_once = (PIXELS / geometry.out.1.max(1)).max(1);
        for y in (0..geometry.out.0).step_by(rows_at_once) {
            let rows = rows_at_once.min(geometry.out.0 - y);
            let mut c = channels.start;
            while c < channels.end {
                let place = c - channels.start;
                let mut arguments = GradArguments {
                    x: x[place * plane + y * line..].as_ptr(),
                    row: 0,
                    line,
                    image,
                    images,
                    grads: grads[y * geometry.out.1 * width..].as_ptr(),
                    grads_image: geometry.out.0 * geometry.out.1 * width,
                    rows,
                    columns: geometry.out.1,
                    // SAFETY: sums of all channels and taps.
                    sums: unsafe { sums.add(c * taps * width) },
                };
                let left = channels.end - c;
                // SAFETY: the instruction set was checked when `V` was chosen. Planes are padded so that every tap of
                // every output pixel falls inside them, `grads` has a row of lanes for each pixel, and `sums` one for
                // each channel and tap.
                unsafe {
                    match (conv.kernel, conv.stride) {
                        (3, 1 | 2) => {
                            arguments.row = geometry.padded.1;
                            run::<V, 3, 3>(registers, conv.stride, arguments);
                            c += 1;
                        }
                        (1, 1) if left >= CHANNELS => {
                            arguments.row = plane;
                            run::<V, CHANNELS, 1>(registers, 1, arguments);
                            c += CHANNELS;
                        }
                        _ => {
                            for tap in 0..taps {
                                let offset = tap / conv.kernel * geometry.padded.1 + tap % conv.kernel;
                                let one = GradArguments {
                                    x: arguments.x.add(offset),
                                    sums: arguments.sums.add(tap * width),
                                    ..arguments
                                };
                                run_one::<V>(registers, conv.stride, one);
                            }
                            c += 1;
                        }
                    }
                }
            }
        }
    }

    /// [`sum`](Self::sum) for few output channels, whose gradients are read where they are.
    fn sum_few(
        &self,
        channels: &Range<usize>,
        images: Range<usize>,
        (x, image): (&[f32], usize),
        sums: *mut f32,
    ) {
        let Self { conv, geometry, .. } = self;
        let (height, width) = geometry.out;
        for (i, grads) in images.map(|image| image * conv.c_out).enumerate() {
            for c in channels.clone() {
                for to in 0..conv.c_out {
                    let taps = few::Taps {
                        x: x[i * image + (c - channels.start) * geometry.padded.0 * geometry.padded.1..]
                            .as_ptr(),
                        row: geometry.padded.1,
                        grad: self.grad[(grads + to) * height * width..].as_ptr(),
                        height,
                        width,
                        // SAFETY: sums of all channels and taps, a vector each, in which each output channel has a lane.
                        sums: unsafe { sums.add(c * conv.taps() * V::COUNT + to) },
                        step: V::COUNT,
                    };
                    // SAFETY: the instruction set was checked when `V` was chosen. Planes are padded so that every tap of
                    // every output pixel falls inside them.
                    unsafe { V::run(taps) };
                }
            }
        }
    }

    /// From the blocks' sums to weights `[c_out, c_in * taps]` and bias.
    pub(super) fn unpack(&self, partial: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let Self { conv, cut, .. } = self;
        let patch = conv.c_in * conv.taps();
        let mut bias = Vec::with_capacity(conv.c_out);
        for (block, (first, registers)) in cut.blocks.iter().enumerate() {
            let width = registers * V::COUNT;
            let from = &partial[block * cut.parts * cut.sums + patch * width..];
            bias.extend_from_slice(&from[..(conv.c_out - first).min(width)]);
        }
        let fill = |weight: Shared| {
            cut.blocks.par_iter().enumerate().for_each(|(block, (first, registers))| {
                let width = registers * V::COUNT;
                let from = &partial[block * cut.parts * cut.sums..][..patch * width];
                unpack_block::<V>(from, patch, (*first, width), conv.c_out, weight);
            });
        };
        // SAFETY: the blocks cover all output channels.
        let weight = unsafe { filled(conv.c_out * patch, fill) };
        (weight, bias)
    }
}

/// From a block's sums, `[patch, width]`, to its channels of the weights `[c_out, patch]`. Nobody else may write them.
pub(in crate::cpu::conv) fn unpack_block<V: Lanes>(
    from: &[f32],
    patch: usize,
    (first, width): (usize, usize),
    c_out: usize,
    weight: Shared,
) {
    let channels = (c_out - first).min(width);
    // SAFETY: by the caller, nobody else writes the channels of this block.
    let to = unsafe { weight.slice(first * patch, channels * patch) };
    if channels == width && patch.is_multiple_of(V::COUNT) {
        let to = to.as_mut_ptr().cast();
        let transpose = Transpose { from: from.as_ptr(), rows: patch, columns: width, to };
        // SAFETY: the instruction set was checked when `V` was chosen; a matrix and its transpose.
        unsafe { V::run(transpose) };
        return;
    }
    for (lane, to) in to.chunks_exact_mut(patch).enumerate() {
        for (i, to) in to.iter_mut().enumerate() {
            to.write(from[i * width + lane]);
        }
    }
}
