//! A convolution through the transforms; also the gradient with respect to the input, which is one.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use rayon::prelude::*;

use super::{
    OUT, PLACES, Tiles,
    spread::{self, Spread},
    transform::{Input, Kernel, Output},
};
use crate::cpu::{
    Channels,
    conv::{
        Activation, Addends,
        pack::{self, PackedWeights},
        plan::{Plan, even_parts},
        tile::{self, TileArguments},
        unpack,
    },
    memory::{Shared, apart, filled, with_scratch, with_shared_scratch},
    simd::Lanes,
};

/// Tiles that share a pass over the weights.
const TILES: usize = 64;

/// Runs a plan whose only phase has the taps `order`.
pub(in crate::cpu::conv) fn convolve<V: Lanes>(
    plan: &Plan,
    order: [usize; 9],
    (x, activation): (Channels<'_>, Option<Activation<'_>>),
    weight: &[f32],
    add: Addends<'_>,
) -> Vec<f32> {
    let blocks = pack::blocks::<V>(plan.to.channels, V::REGISTERS);
    let packed = pack::weights::<V>(plan, &blocks, weight);
    let tiles = Tiles::of(plan.to);
    let group = (TILES / tiles.count()).clamp(1, plan.images.max(1));
    let groups = plan.images.div_ceil(group);
    let enough = 4 * rayon::current_num_threads();
    // Where there are few groups, their blocks of channels are jobs of their own, which share the transformed images.
    let parts = if groups >= enough { 1 } else { blocks.len().min(enough.div_ceil(groups.max(1))) };
    let layout = Layout::of::<V>(plan, &blocks, group * tiles.count());
    let shared = if parts > 1 { groups * layout.inputs } else { 0 };
    with_shared_scratch([layout.kernels, shared], |[kernels, inputs]| {
        transform_kernels::<V>(&layout, plan.from.channels, &packed, order, kernels);
        let offsets: Vec<usize> = (0..V::COUNT).collect();
        let worker = Worker::<V> {
            plan,
            tiles,
            layout: &layout,
            kernels,
            offsets: &offsets,
            x,
            activation,
            add,
            lanes: PhantomData,
        };
        let images = |index: usize| index * group..((index + 1) * group).min(plan.images);
        if parts > 1 {
            let inputs = Shared::of(inputs);
            (0..groups * layout.vectors).into_par_iter().for_each(|job| {
                let (index, vector) = (job / layout.vectors, job % layout.vectors);
                worker.transform(images(index), vector, inputs.at(index * layout.inputs));
            });
        }
        let fill = |out: Shared| {
            (0..groups * parts).into_par_iter().for_each(|job| {
                let (index, part) = (job / parts, job % parts);
                let blocks = part * blocks.len() / parts..(part + 1) * blocks.len() / parts;
                let shared = (parts > 1).then(|| &inputs[index * layout.inputs..][..layout.inputs]);
                worker.run(images(index), blocks, shared, out);
            });
        };
        // SAFETY: the jobs cover all images and all blocks, and a job writes all pixels of its blocks' channels.
        unsafe { filled(plan.images * plan.to.size(), fill) }
    })
}

/// How the transforms of a group of images lie.
struct Layout<'a> {
    blocks: &'a [(usize, usize)],
    /// Vectors of the channels that are summed over.
    vectors: usize,
    /// Numbers from one place of the transformed images to the next, and of all of them. A place has the tiles in chunks
    /// of so many as a product takes at once, each `[vectors, tiles]`: it is read from its beginning to its end.
    input_place: usize,
    inputs: usize,
    /// Where each block's transformed kernels begin, `[places, channels, channels of the block]`; numbers of them all.
    starts: Vec<usize>,
    kernels: usize,
}

impl<'a> Layout<'a> {
    fn of<V: Lanes>(plan: &Plan, blocks: &'a [(usize, usize)], count: usize) -> Self {
        let vectors = plan.from.channels.div_ceil(V::COUNT);
        let input_place = apart(vectors * count * V::COUNT);
        let (mut starts, mut kernels) = (Vec::with_capacity(blocks.len()), 0);
        for (_, registers) in blocks {
            starts.push(kernels);
            kernels += PLACES * Self::kernel_place::<V>(vectors, *registers);
        }
        Self { blocks, vectors, input_place, inputs: PLACES * input_place, starts, kernels }
    }

    /// Numbers from one place of a block's transformed kernels to the next.
    fn kernel_place<V: Lanes>(vectors: usize, registers: usize) -> usize {
        apart(vectors * V::COUNT * registers * V::COUNT)
    }
}

fn transform_kernels<V: Lanes>(
    layout: &Layout<'_>,
    c_from: usize,
    packed: &PackedWeights,
    order: [usize; 9],
    kernels: &mut [f32],
) {
    let padded = layout.vectors * V::COUNT;
    let kernels = Shared::of(kernels);
    (0..layout.blocks.len() * padded).into_par_iter().with_min_len(16).for_each(|job| {
        let (block, c) = (job / padded, job % padded);
        let registers = layout.blocks[block].1;
        let width = registers * V::COUNT;
        let place = Layout::kernel_place::<V>(layout.vectors, registers);
        let to = kernels.at(layout.starts[block] + c * width);
        if c >= c_from {
            for i in 0..PLACES {
                // SAFETY: each channel's kernels are written by one job.
                unsafe { to.add(i * place).write_bytes(0, width) };
            }
            return;
        }
        let taps = packed.values[packed.starts[0][block] + c * 9 * width..][..9 * width].as_ptr();
        let kernel = Kernel { taps, order, registers, to, place };
        // SAFETY: the instruction set was checked when `V` was chosen; each channel's kernels are written by one job.
        unsafe { V::run(kernel) };
    });
}

struct Worker<'a, V> {
    plan: &'a Plan,
    tiles: Tiles,
    layout: &'a Layout<'a>,
    kernels: &'a [f32],
    /// 0, 1, .. up to the lanes.
    offsets: &'a [usize],
    x: Channels<'a>,
    activation: Option<Activation<'a>>,
    add: Addends<'a>,
    lanes: PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// Some channels of some images, whose transforms may be there already.
    fn run(&self, images: Range<usize>, blocks: Range<usize>, shared: Option<&[f32]>, out: Shared) {
        let Self { plan, tiles, layout, .. } = *self;
        let count = images.len() * tiles.count();
        let padded = tiles.padded().0 * tiles.padded().1 * V::COUNT;
        let width = V::REGISTERS * V::COUNT;
        let own = if shared.is_some() { 0 } else { layout.inputs };
        let lens = [padded, own, PLACES * apart(count * width), OUT * plan.to.width * width, width];
        with_scratch(lens, |[padded, inputs, products, sums, start]| {
            if shared.is_none() {
                for vector in 0..layout.vectors {
                    self.transform_into(images.clone(), vector, padded, inputs.as_mut_ptr());
                }
            }
            let inputs = shared.unwrap_or(inputs);
            for block in blocks {
                self.multiply(block, count, inputs, products);
                for (i, image) in images.clone().enumerate() {
                    unpack::start(plan, self.add, layout.blocks[block].0, image, start);
                    for row in 0..tiles.rows {
                        // The pixels of a row of tiles are in the nearest cache.
                        let tile = i * tiles.count() + row * tiles.columns;
                        let rows = row * OUT..((row + 1) * OUT).min(plan.to.height);
                        self.finish(block, rows.len(), (tile, count), products, sums, start);
                        let pixels = (image, rows.start * plan.to.width..rows.end * plan.to.width);
                        unpack::unpack::<V>(plan, layout.blocks[block], pixels, sums, self.add.residual, out);
                    }
                }
            }
        });
    }

    /// One vector of channels of some images.
    fn transform(&self, images: Range<usize>, vector: usize, to: *mut f32) {
        let padded = self.tiles.padded().0 * self.tiles.padded().1 * V::COUNT;
        with_scratch([padded], |[padded]| self.transform_into(images, vector, padded, to));
    }

    fn transform_into(&self, images: Range<usize>, vector: usize, padded: &mut [f32], to: *mut f32) {
        let Self { plan, tiles, layout, .. } = *self;
        let count = images.len() * tiles.count();
        let mut offsets = vec![0; count];
        for (start, len) in even_parts(count, V::PIXELS) {
            for (i, offset) in offsets[start..start + len].iter_mut().enumerate() {
                *offset = (start * layout.vectors + vector * len + i) * V::COUNT;
            }
        }
        let first = vector * V::COUNT;
        // One pointer for writing and for reading: a second one, made of the slice, loses its right to read with each write.
        let padded = padded.as_mut_ptr();
        for (image, offsets) in images.zip(offsets.chunks_exact(tiles.count())) {
            let channels = first..(first + V::COUNT).min(plan.from.channels);
            let spread = Spread {
                from: spread::places(self.x, image, channels),
                height: plan.from.height,
                width: plan.from.width,
                before: plan.before,
                padded: tiles.padded(),
                activation: self.activation.map(|a| a.at(image * plan.from.channels + first)),
                to: padded,
            };
            let input = Input {
                x: padded,
                width: tiles.padded().1,
                tiles,
                to,
                offsets: offsets.as_ptr(),
                place: layout.input_place,
            };
            // SAFETY: the instruction set was checked when `V` was chosen; the arrays have these sizes, and nobody else
            // writes this vector of these images.
            unsafe {
                V::run(spread);
                V::run(input);
            }
        }
    }

    /// The products with a block's kernels, `[places, count, channels of the block]`.
    fn multiply(&self, block: usize, count: usize, inputs: &[f32], products: &mut [f32]) {
        let Layout { vectors, input_place, .. } = *self.layout;
        let registers = self.layout.blocks[block].1;
        let width = registers * V::COUNT;
        let kernels = &self.kernels[self.layout.starts[block]..];
        let kernel_place = Layout::kernel_place::<V>(vectors, registers);
        // Sums start from nothing.
        let zeros = [0.0_f32; 64];
        for place in 0..PLACES {
            for (from, len) in even_parts(count, V::PIXELS) {
                let arguments = TileArguments {
                    x: inputs[place * input_place + from * vectors * V::COUNT..].as_ptr(),
                    row: 0,
                    plane: len * V::COUNT,
                    channels: vectors,
                    offsets: self.offsets.as_ptr(),
                    taps: V::COUNT,
                    weights: kernels[place * kernel_place..].as_ptr(),
                    start: zeros.as_ptr(),
                    out: products[place * apart(count * width) + from * width..].as_mut_ptr(),
                    out_row: 0,
                    out_step: width,
                };
                // SAFETY: the instruction set was checked when `V` was chosen; a vector of each tile for every vector of
                // channels, and a vector of weights for each of their lanes.
                unsafe { tile::run::<V>(registers, (1, len), tile::BESIDE, arguments) };
            }
        }
    }

    /// Some rows of an image, `[rows, width, channels of the block]`, from a row of tiles, the `from`-th of `count` on.
    fn finish(
        &self,
        block: usize,
        rows: usize,
        (from, count): (usize, usize),
        products: &[f32],
        sums: &mut [f32],
        start: &[f32],
    ) {
        let registers = self.layout.blocks[block].1;
        let width = registers * V::COUNT;
        let output = Output {
            products: products[from * width..].as_ptr(),
            place: apart(count * width),
            tiles: self.tiles.columns,
            registers,
            start: start.as_ptr(),
            to: sums.as_mut_ptr(),
            height: rows,
            width: self.plan.to.width,
        };
        // SAFETY: the instruction set was checked when `V` was chosen; the arrays have these sizes.
        unsafe { V::run(output) };
    }
}
