//! The gradients with respect to weights and bias: sums over images and pixels.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::{
    Activation, Conv,
    pack::{self, Pad, Transpose},
    plan::Planes,
    winograd::{self, grad_weight as winograd_grad_weight},
};
use crate::cpu::{
    Channels,
    memory::{Shared, filled, with_scratch},
    simd::{InstructionSet, Lanes, WithLanes, with_lanes},
};

/// Jobs that a gradient is cut into, whatever the number of threads: the order of its sums must not depend on that.
const JOBS: usize = 16;

/// Pixels whose gradients stay in the first-level cache while all input channels pass over them.
const PIXELS: usize = 160;

/// Numbers of padded planes that are made at once.
const PADDED: usize = 1 << 17;

/// Input channels of a convolution without neighbours that are summed at once.
pub(super) const CHANNELS: usize = 8;

/// The gradients with respect to weight and bias.
///
/// # Shapes
/// - `x`: `[images, c_in, height, width]`, `grad`: that of the output
/// - results: `[c_out, c_in, kernel, kernel]` and `[c_out]`
///
/// # Panics
/// If the slices do not have these sizes.
pub fn grad_weight(
    set: InstructionSet,
    conv: &Conv,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    activation.inspect(|activation| activation.check(conv));
    x.check("convolution", conv.input());
    assert_eq!(grad.len(), conv.images * conv.output(), "convolution: the gradient's size");
    let to = Planes { channels: conv.c_out, height: conv.out_height(), width: conv.out_width() };
    if conv.kernel == 3 && conv.stride == 1 && winograd::pays(conv.c_in, to) {
        return with_lanes!(set, winograd_grad_weight(set, conv, (x, activation), grad));
    }
    with_lanes!(set, sums(conv, x, activation, grad))
}

/// How a gradient is cut: blocks of output channels, and parts of the images with sums of their own.
struct Cut {
    blocks: Vec<(usize, usize)>,
    /// Numbers of a block's sums: `[c_in, taps, lanes]` and the bias, `[lanes]`.
    sums: usize,
    lanes: usize,
    parts: usize,
}

fn sums<V: Lanes>(
    conv: &Conv,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let blocks = pack::blocks::<V>(conv.c_out, V::GRAD_REGISTERS);
    let lanes = V::GRAD_REGISTERS * V::COUNT;
    let parts = JOBS.div_ceil(blocks.len()).min(conv.images).max(1);
    let sums = (conv.c_in * conv.taps() + 1) * lanes;
    let cut = Cut { blocks, sums, lanes, parts };
    let worker = Worker::<V> {
        conv,
        geometry: Geometry::of(conv),
        x,
        activation,
        grad,
        cut: &cut,
        lanes: std::marker::PhantomData,
    };
    let jobs = cut.blocks.len() * parts;
    let run = |partial: Shared| {
        (0..jobs).into_par_iter().for_each(|job| {
            // SAFETY: every job has sums of its own.
            let sums = unsafe { partial.slice(job * cut.sums, cut.sums) };
            sums.iter_mut().for_each(|sum| {
                sum.write(0.0);
            });
            let part = job % parts;
            let images = part * conv.images / parts..(part + 1) * conv.images / parts;
            worker.run(job / parts, images, sums.as_mut_ptr().cast());
        });
    };
    // SAFETY: every job writes all of its sums.
    let mut partial = unsafe { filled(jobs * cut.sums, run) };
    // The parts are added in their order.
    partial.par_chunks_exact_mut(parts * cut.sums).for_each(|parts| {
        let (first, others) = parts.split_at_mut(cut.sums);
        for other in others.chunks_exact(cut.sums) {
            first.iter_mut().zip(other).for_each(|(sum, part)| *sum += part);
        }
    });
    worker.unpack(&partial)
}

/// Where the numbers under a tap lie.
#[derive(Clone, Copy)]
struct Geometry {
    /// Rows and columns of an output plane; one row where pixels have no neighbours.
    out: (usize, usize),
    /// Rows and columns of an input plane.
    plane: (usize, usize),
    padded: (usize, usize),
}

impl Geometry {
    fn of(conv: &Conv) -> Self {
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

struct Worker<'a, V> {
    conv: &'a Conv,
    geometry: Geometry,
    x: Channels<'a>,
    activation: Option<Activation<'a>>,
    grad: &'a [f32],
    cut: &'a Cut,
    lanes: std::marker::PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// The sums of one block of output channels over some images.
    fn run(&self, block: usize, images: Range<usize>, sums: *mut f32) {
        let Self { conv, geometry, cut, .. } = self;
        let pixels = geometry.out.0 * geometry.out.1;
        let group = (PIXELS / pixels.max(1)).clamp(1, images.len().max(1));
        let plane = geometry.padded.0 * geometry.padded.1;
        let is_padded = geometry.padded != geometry.plane || self.activation.is_some();
        let channels = (PADDED / (group * plane)).clamp(1, conv.c_in);
        let padded_len = if is_padded { group * channels * plane } else { 0 };
        with_scratch([group * pixels * cut.lanes, padded_len], |[grads, padded]| {
            let mut image = images.start;
            while image < images.end {
                let count = group.min(images.end - image);
                self.pack_grads(block, image..image + count, grads, sums);
                if is_padded {
                    for first in (0..conv.c_in).step_by(channels) {
                        let some = first..(first + channels).min(conv.c_in);
                        for (i, to) in padded.chunks_exact_mut(channels * plane).take(count).enumerate() {
                            self.pad(image + i, some.clone(), to);
                        }
                        self.sum(block, &some, count, (padded, channels * plane), grads, sums);
                    }
                } else {
                    for some in self.x.ranges() {
                        self.sum(block, &some, count, self.x.rest(image, &some), grads, sums);
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

    /// From the blocks' sums to weights `[c_out, c_in * taps]` and bias.
    fn unpack(&self, partial: &[f32]) -> (Vec<f32>, Vec<f32>) {
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
pub(super) fn unpack_block<V: Lanes>(
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

#[derive(Clone, Copy)]
pub(super) struct GradArguments {
    /// The padded pixel under the first tap of the first pixel.
    pub x: *const f32,
    /// From one row of taps (or, without neighbours, from one channel) to the next.
    pub row: usize,
    /// From one output row to the next, in `x`.
    pub line: usize,
    /// From one image to the next, in `x`.
    pub image: usize,
    pub images: usize,
    /// `[images, pixels, vectors]`
    pub grads: *const f32,
    pub grads_image: usize,
    pub rows: usize,
    pub columns: usize,
    /// `[ROWS, COLUMNS, vectors]`, added to.
    pub sums: *mut f32,
}

/// The step of pixels each of which is a vector of channels.
const BESIDE: usize = usize::MAX;

/// Sums for `ROWS x COLUMNS` taps and `REGISTERS` vectors of channels; pixels of the input lie `STEP` apart, or as many
/// numbers as a vector has if it is [`BESIDE`].
struct GradTile<const REGISTERS: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize> {
    arguments: GradArguments,
    /// Where `STEP` is 0, the step.
    step: usize,
}

impl<const REGISTERS: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize> WithLanes
    for GradTile<REGISTERS, ROWS, COLUMNS, STEP>
{
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let GradArguments { x, row, line, image, images, grads, grads_image, rows, columns, sums } =
            self.arguments;
        let step = match STEP {
            0 => self.step,
            BESIDE => V::COUNT,
            step => step,
        };
        // SAFETY: by the caller, for every tap of every pixel of the images.
        unsafe {
            let place =
                |i: usize, j: usize, r: usize| sums.add(((i * COLUMNS + j) * REGISTERS + r) * V::COUNT);
            let mut totals = [[[V::splat(0.0); REGISTERS]; COLUMNS]; ROWS];
            for (i, totals) in totals.iter_mut().enumerate() {
                for (j, totals) in totals.iter_mut().enumerate() {
                    for (r, total) in totals.iter_mut().enumerate() {
                        *total = V::load(place(i, j, r));
                    }
                }
            }
            for n in 0..images {
                let mut under = x.add(n * image);
                let mut grad = grads.add(n * grads_image);
                for _ in 0..rows {
                    for p in 0..columns {
                        let mut g = [V::splat(0.0); REGISTERS];
                        for (r, g) in g.iter_mut().enumerate() {
                            *g = V::load(grad.add(r * V::COUNT));
                        }
                        grad = grad.add(REGISTERS * V::COUNT);
                        for (i, totals) in totals.iter_mut().enumerate() {
                            for (j, totals) in totals.iter_mut().enumerate() {
                                let value = V::splat(*under.add(i * row + p * step + j));
                                for (total, g) in totals.iter_mut().zip(g) {
                                    *total = value.mul_add(g, *total);
                                }
                            }
                        }
                    }
                    // Behind the last line it may be outside of the allocation, where it is not read.
                    under = under.wrapping_add(line);
                }
            }
            for (i, totals) in totals.into_iter().enumerate() {
                for (j, totals) in totals.into_iter().enumerate() {
                    for (r, total) in totals.into_iter().enumerate() {
                        total.store(place(i, j, r));
                    }
                }
            }
        }
    }
}

unsafe fn run<V: Lanes, const ROWS: usize, const COLUMNS: usize>(
    registers: usize,
    step: usize,
    arguments: GradArguments,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        match (registers, step) {
            (1, 1) => V::run(GradTile::<1, ROWS, COLUMNS, 1> { arguments, step }),
            (1, 2) => V::run(GradTile::<1, ROWS, COLUMNS, 2> { arguments, step }),
            (2, 1) => V::run(GradTile::<2, ROWS, COLUMNS, 1> { arguments, step }),
            (2, 2) => V::run(GradTile::<2, ROWS, COLUMNS, 2> { arguments, step }),
            _ => unreachable!("no sums of {registers} vectors with step {step} were planned"),
        }
    }
}

/// [`CHANNELS`] of the channels that lie side by side in each pixel.
pub(super) unsafe fn run_beside<V: Lanes>(registers: usize, arguments: GradArguments) {
    // SAFETY: passed on to the caller.
    unsafe {
        match registers {
            1 => V::run(GradTile::<1, CHANNELS, 1, BESIDE> { arguments, step: 0 }),
            _ => V::run(GradTile::<2, CHANNELS, 1, BESIDE> { arguments, step: 0 }),
        }
    }
}

/// One tap of one channel, with any step.
unsafe fn run_one<V: Lanes>(registers: usize, step: usize, arguments: GradArguments) {
    // SAFETY: passed on to the caller.
    unsafe {
        match registers {
            1 => V::run(GradTile::<1, 1, 1, 0> { arguments, step }),
            _ => V::run(GradTile::<2, 1, 1, 0> { arguments, step }),
        }
    }
}

/// Adds rows of `registers` vectors to `sums`.
struct SumRows {
    rows: *const f32,
    count: usize,
    registers: usize,
    sums: *mut f32,
}

impl WithLanes for SumRows {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        for r in 0..self.registers {
            // SAFETY: by the caller, `count` rows and one row of sums.
            unsafe {
                let place = self.sums.add(r * V::COUNT);
                let mut sum = V::load(place);
                for row in 0..self.count {
                    sum = sum.add(V::load(self.rows.add((row * self.registers + r) * V::COUNT)));
                }
                sum.store(place);
            }
        }
    }
}
