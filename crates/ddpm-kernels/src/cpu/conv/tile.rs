//! Tiles of pixels times channels, summed up in registers.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{
    Activation, Addends,
    pack::{self, Pad},
    plan::{Phase, Plan},
    winograd,
};
use crate::cpu::{
    Channels,
    memory::{Shared, filled, with_scratch},
    simd::{Lanes, WithLanes},
};

/// Numbers of padded images that are made at once, so that they stay in the second-level cache while each block of
/// channels passes over them.
const GROUP: usize = 1 << 17;

/// The step of pixels each of which is a vector of channels.
pub(super) const BESIDE: usize = 0;

/// A tile: `ROWS x COLUMNS` pixels, `REGISTERS` vectors of channels; pixels of the input lie `STEP` apart, or as many
/// numbers as a vector has if it is [`BESIDE`].
#[derive(Clone, Copy)]
struct Tile<const REGISTERS: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize> {
    arguments: TileArguments,
}

#[derive(Clone, Copy)]
pub(super) struct TileArguments {
    /// The padded pixel under the first tap of the tile's first pixel.
    pub x: *const f32,
    /// From one row of the tile to the next, in `x`.
    pub row: usize,
    /// From one channel to the next, in `x`.
    pub plane: usize,
    pub channels: usize,
    pub offsets: *const usize,
    pub taps: usize,
    /// `[channels, taps, vectors]`
    pub weights: *const f32,
    /// What the sums start from, `[vectors]`.
    pub start: *const f32,
    /// `[pixels, vectors]`
    pub out: *mut f32,
    /// From one row of the tile to the next, and from one pixel to the next, in `out`.
    pub out_row: usize,
    pub out_step: usize,
}

impl<const REGISTERS: usize, const ROWS: usize, const COLUMNS: usize, const STEP: usize> WithLanes
    for Tile<REGISTERS, ROWS, COLUMNS, STEP>
{
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let TileArguments { mut x, row, plane, channels, offsets, taps, mut weights, start, .. } =
            self.arguments;
        let step = if STEP == BESIDE { V::COUNT } else { STEP };
        // SAFETY: the caller's pointers reach over the tile under every tap, `channels * taps` vectors of weights, and
        // the tile's places in `out`.
        unsafe {
            let mut sums = [[[V::splat(0.0); REGISTERS]; COLUMNS]; ROWS];
            for r in 0..REGISTERS {
                let start = V::load(start.add(r * V::COUNT));
                for line in &mut sums {
                    for pixel in line {
                        pixel[r] = start;
                    }
                }
            }
            for _ in 0..channels {
                for tap in 0..taps {
                    // The offset comes from memory: with one that the compiler knows, it would keep the pixels that two
                    // taps share in registers, and the sums would be spilled.
                    let under = x.add(*offsets.add(tap));
                    let mut w = [V::splat(0.0); REGISTERS];
                    for (r, w) in w.iter_mut().enumerate() {
                        *w = V::load(weights.add(r * V::COUNT));
                    }
                    for (i, line) in sums.iter_mut().enumerate() {
                        for (j, pixel) in line.iter_mut().enumerate() {
                            let value = V::splat(*under.add(i * row + j * step));
                            for (sum, w) in pixel.iter_mut().zip(w) {
                                *sum = value.mul_add(w, *sum);
                            }
                        }
                    }
                    weights = weights.add(REGISTERS * V::COUNT);
                }
                // Behind the last channel it may be outside of the allocation, where it is not read.
                x = x.wrapping_add(plane);
            }
            for (i, line) in sums.into_iter().enumerate() {
                for (j, pixel) in line.into_iter().enumerate() {
                    let to = self.arguments.out.add(i * self.arguments.out_row + j * self.arguments.out_step);
                    for (r, sum) in pixel.into_iter().enumerate() {
                        sum.store(to.add(r * V::COUNT));
                    }
                }
            }
        }
    }
}

/// Runs the tile of these sizes, its arguments as [`Tile`] asks. A step beyond 2 is possible for single pixels only, where it has no effect.
pub(super) unsafe fn run<V: Lanes>(
    registers: usize,
    (rows, columns): (usize, usize),
    step: usize,
    arguments: TileArguments,
) {
    macro_rules! choose {
        ($(($r:literal, $rows:literal, $step:literal): $($columns:literal)*;)*) => {
            match (registers, rows, if step > 2 { 1 } else { step }, columns) {
                $($(($r, $rows, $step, $columns) => {
                    // SAFETY: passed on to the caller.
                    unsafe { V::run(Tile::<$r, $rows, $columns, $step> { arguments }) }
                })*)*
                _ => unreachable!("no tile of {rows} x {columns} pixels with step {step} was planned"),
            }
        };
    }
    choose! {
        (1, 1, 1): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (2, 1, 1): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (1, 1, 0): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (2, 1, 0): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (1, 1, 2): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (2, 1, 2): 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        (1, 2, 1): 1 2 3 4 5 6 7;
        (2, 2, 1): 1 2 3 4 5 6 7;
        (1, 2, 2): 1 2 3 4 5 6 7;
        (2, 2, 2): 1 2 3 4 5 6 7;
        (1, 3, 1): 1 2 3 4;
        (2, 3, 1): 1 2 3 4;
    }
}

/// A tile of a phase: its first pixel and its size.
struct Place {
    first: (usize, usize),
    size: (usize, usize),
}

/// Cuts a phase into tiles of at most so many pixels, of sizes as even as can be.
fn places(phase: &Phase, step: usize, pixels: usize) -> Vec<Place> {
    let (most_rows, most_columns) = match step {
        1 => ((pixels / phase.columns.max(1)).clamp(1, 3), pixels),
        2 => ((pixels / phase.columns.max(1)).clamp(1, 2), pixels),
        _ => (1, 1),
    };
    let mut places = Vec::new();
    for (y, rows) in even_parts(phase.rows, most_rows) {
        for (x, columns) in even_parts(phase.columns, most_columns) {
            places.push(Place { first: (y, x), size: (rows, columns) });
        }
    }
    places
}

/// (start, length) of the fewest parts of at most `most`.
pub(super) fn even_parts(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = len.div_ceil(most);
    (0..parts).map(move |i| {
        let (start, end) = (i * len / parts, (i + 1) * len / parts);
        (start, end - start)
    })
}

/// Runs a plan, through Winograd's transforms where that is faster.
pub(super) fn convolve<V: Lanes>(
    plan: &Plan,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    weight: &[f32],
    add: Addends<'_>,
) -> Vec<f32> {
    if plan.transforms
        && let [phase] = &plan.phases[..]
        && let Some(order) = winograd::neighbours(phase, plan.padded.1)
    {
        return winograd::convolve::<V>(plan, order, (x, activation), weight, add);
    }
    directly::<V>(plan, x, activation, weight, add)
}

/// Runs a plan as sums of products.
fn directly<V: Lanes>(
    plan: &Plan,
    x: Channels<'_>,
    activation: Option<Activation<'_>>,
    weight: &[f32],
    add: Addends<'_>,
) -> Vec<f32> {
    let blocks = pack::blocks::<V>(plan.to.channels, V::REGISTERS);
    let packed = pack::weights::<V>(plan, &blocks, weight);
    let places: Vec<Vec<Place>> =
        plan.phases.iter().map(|phase| places(phase, plan.step, V::PIXELS)).collect();
    // Images that share a pass over the weights, and blocks of channels that share padded images.
    let threads = rayon::current_num_threads();
    let group = (GROUP / plan.padded_size().max(1)).min(plan.images.div_ceil(4 * threads)).max(1);
    let groups = plan.images.div_ceil(group);
    let parts =
        if groups >= 4 * threads { 1 } else { blocks.len().min((4 * threads).div_ceil(groups.max(1))) };
    let worker = Worker::<V> {
        plan,
        blocks: &blocks,
        packed: &packed,
        places: &places,
        x,
        activation,
        add,
        lanes: std::marker::PhantomData,
    };
    let fill = |out: Shared| {
        (0..groups * parts).into_par_iter().for_each(|job| {
            let (first, part) = (job / parts * group, job % parts);
            let images = first..(first + group).min(plan.images);
            let blocks = part * blocks.len() / parts..(part + 1) * blocks.len() / parts;
            worker.run(images, blocks, out);
        });
    };
    // SAFETY: the jobs cover all images and all blocks, and a job writes all pixels of its blocks' channels.
    unsafe { filled(plan.images * plan.to.size(), fill) }
}

struct Worker<'a, V> {
    plan: &'a Plan,
    blocks: &'a [(usize, usize)],
    packed: &'a pack::PackedWeights,
    places: &'a [Vec<Place>],
    x: Channels<'a>,
    activation: Option<Activation<'a>>,
    add: Addends<'a>,
    lanes: std::marker::PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// Some channels of some images.
    fn run(&self, images: std::ops::Range<usize>, blocks: std::ops::Range<usize>, out: Shared) {
        let plan = self.plan;
        // Sums run over channels that lie side by side; those of two slices are brought together as well.
        let is_copied = plan.is_padded() || self.x.is_split();
        let padded_size = if is_copied { plan.padded_size() } else { 0 };
        let tile_width = V::REGISTERS * V::COUNT;
        let lens = [images.len() * padded_size, plan.to.pixels() * tile_width, tile_width];
        with_scratch(lens, |[padded, sums, start]| {
            if is_copied {
                for (i, to) in images.clone().zip(padded.chunks_exact_mut(padded_size)) {
                    for run in self.x.runs(i, 0..plan.from.channels) {
                        let pad = Pad {
                            from: run.planes.as_ptr(),
                            channels: run.count,
                            height: plan.from.height,
                            width: plan.from.width,
                            before: plan.before,
                            padded: plan.padded,
                            activation: self.activation.map(|a| a.at(i * plan.from.channels + run.first)),
                            to: to[run.first * plan.padded.0 * plan.padded.1..].as_mut_ptr(),
                        };
                        // SAFETY: the instruction set was checked when `V` was chosen; the slices have the planes' sizes.
                        unsafe { V::run(pad) };
                    }
                }
            }
            for block in blocks {
                for (i, image) in images.clone().enumerate() {
                    let x = match self.x.slice(image, 0..plan.from.channels) {
                        Some(x) if !is_copied => x,
                        _ => &padded[i * padded_size..][..padded_size],
                    };
                    self.block(block, image, x, sums, start);
                    unpack::<V>(plan, self.blocks[block], image, sums, self.add.residual, out);
                }
            }
        });
    }

    /// One block of channels of one image, into `[pixels, channels of the block]`.
    fn block(&self, block: usize, image: usize, x: &[f32], sums: &mut [f32], start: &mut [f32]) {
        let plan = self.plan;
        let (first, registers) = self.blocks[block];
        let width = registers * V::COUNT;
        self::start(plan, self.add, first, image, start);
        for ((phase, places), starts) in plan.phases.iter().zip(self.places).zip(&self.packed.starts) {
            let weights = &self.packed.values[starts[block]..];
            for Place { first: (y, column), size } in places {
                let pixel = (phase.first.0 + y * phase.spread) * plan.to.width
                    + phase.first.1
                    + column * phase.spread;
                let arguments = TileArguments {
                    x: x[plan.step * (y * plan.padded.1 + column)..].as_ptr(),
                    row: plan.step * plan.padded.1,
                    plane: plan.padded.0 * plan.padded.1,
                    channels: plan.from.channels,
                    offsets: phase.offsets.as_ptr(),
                    taps: phase.taps.len(),
                    weights: weights.as_ptr(),
                    start: start.as_ptr(),
                    out: sums[pixel * width..].as_mut_ptr(),
                    out_row: phase.spread * plan.to.width * width,
                    out_step: phase.spread * width,
                };
                // SAFETY: the instruction set was checked when `V` was chosen. The plan pads planes so that every tap
                // of every pixel falls inside; packed weights have a vector for each channel and tap; `sums` has all
                // pixels of the image.
                unsafe { run::<V>(registers, *size, plan.step, arguments) };
            }
        }
    }
}

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
