//! The gradient with respect to the weights through the transforms: with V = Bᵀ x B and M = A y Aᵀ of every tile, where
//! y is the output's gradient, that of the transformed kernels is the sum of V M over tiles, and that of the kernels
//! Gᵀ (sum) G.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use rayon::prelude::*;

use super::{
    PLACES, Tiles,
    spread::{self, Spread, Sum},
    transform::{Input, KernelGradient, OutputGradient},
};
use crate::cpu::{
    Channels,
    conv::{
        Activation, Conv,
        gradient::{self, CHANNELS, GradArguments},
        pack,
        plan::Planes,
    },
    memory::{Shared, apart, filled, with_scratch, with_shared_scratch},
    simd::Lanes,
};

// Nothing below may depend on the number of threads, because the order of the sums depends on it.

/// Tiles whose products are summed in one pass over the gradients, by all threads together.
const TILES: usize = 256;

/// Tiles that a job of its own sums at a time: with the sums they should fit its own cache.
const OWN_TILES: usize = 32;

/// Jobs with sums of their own, and the tiles that each should have at least.
const PARTS: usize = 16;
const PART_TILES: usize = 64;

/// Numbers that the parts' sums are added by.
const SUMS_AT_ONCE: usize = 4096;

/// Sums of a job, in numbers, that are small enough to be had several times.
const OWN_SUMS: usize = PLACES * 3200;

/// The gradients with respect to weight and bias, of one image or more.
pub(in crate::cpu::conv) fn grad_weight<V: Lanes>(
    conv: &Conv,
    (x, activation): (Channels<'_>, Option<Activation<'_>>),
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let to = Planes { channels: conv.c_out, height: conv.out_height(), width: conv.out_width() };
    let tiles = Tiles::of(to);
    let blocks = pack::blocks::<V>(conv.c_out, V::GRAD_REGISTERS);
    let worker = |parts: usize, tiles_at_once: usize| {
        let group = (tiles_at_once / tiles.count()).clamp(1, conv.images.div_ceil(parts).max(1));
        Worker::<V> {
            conv,
            to,
            tiles,
            group,
            layout: Layout::of::<V>(conv.c_in, &blocks, group * tiles.count(), tiles.count()),
            x,
            activation,
            grad: Channels::one(grad, conv.c_out, conv.pixels()),
            lanes: PhantomData,
        }
    };
    // Whatever is handed from one core to another goes through the slowest cache: with many tiles and few channels each job
    // keeps to itself, and has sums of its own.
    let alone = worker(PARTS, OWN_TILES);
    let is_enough = conv.images >= PARTS && conv.images * tiles.count() >= PARTS * PART_TILES;
    if is_enough && PLACES * alone.layout.sum_place <= OWN_SUMS {
        alone.run_alone()
    } else {
        worker(1, TILES).run_together()
    }
}

/// How the transforms of a group of images lie; numbers of a place are those from it to the next.
struct Layout<'a> {
    /// Of output channels.
    blocks: &'a [(usize, usize)],
    /// Vectors of input channels.
    vectors: usize,
    /// Tiles of a whole group.
    count: usize,
    /// Of transformed images, `[vectors, tiles]`.
    input_place: usize,
    /// Of transformed gradients, `[blocks, tiles, channels of a block]`.
    grad_place: usize,
    /// From the first tile of an image to each of them, `[vectors, tiles]` having the inputs' vectors.
    offsets: Vec<usize>,
    /// Of the sums of their products, `[blocks, c_in, channels of a block]`, with whole vectors of both.
    sum_place: usize,
}

impl<'a> Layout<'a> {
    fn of<V: Lanes>(c_in: usize, blocks: &'a [(usize, usize)], count: usize, tiles: usize) -> Self {
        let vectors = c_in.div_ceil(V::COUNT);
        let width = V::GRAD_REGISTERS * V::COUNT;
        Self {
            blocks,
            vectors,
            count,
            offsets: (0..tiles).map(|tile| tile * V::COUNT).collect(),
            input_place: apart(vectors * count * V::COUNT),
            grad_place: apart(blocks.len() * count * width),
            sum_place: apart(blocks.len() * vectors * V::COUNT * width),
        }
    }
}

struct Worker<'a, V> {
    conv: &'a Conv,
    to: Planes,
    tiles: Tiles,
    /// Images at a time.
    group: usize,
    layout: Layout<'a>,
    x: Channels<'a>,
    activation: Option<Activation<'a>>,
    grad: Channels<'a>,
    lanes: PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// Numbers of a block's channels; the last block may have fewer.
    fn width() -> usize {
        V::GRAD_REGISTERS * V::COUNT
    }

    /// All jobs on the same images, each with a part of the channels or places.
    fn run_together(&self) -> (Vec<f32>, Vec<f32>) {
        let Layout { input_place, grad_place, sum_place, .. } = self.layout;
        let [inputs, grads, sums] = [input_place, grad_place, sum_place].map(|place| PLACES * place);
        with_shared_scratch([inputs, grads, sums, self.bias_sums()], |[inputs, grads, sums, bias]| {
            for images in self.groups(0..self.conv.images) {
                let (count, first) = (images.len() * self.tiles.count(), images.start == 0);
                let to = [&mut *inputs, &mut *grads, &mut *bias].map(Shared::of);
                (0..images.len() * self.vectors()).into_par_iter().for_each(|job| {
                    with_scratch([self.padded()], |[padded]| {
                        self.transform(images.start, job, padded, to);
                    });
                });
                let sums = Shared::of(sums);
                (0..PLACES * self.layout.blocks.len())
                    .into_par_iter()
                    .for_each(|job| self.multiply(count, first, job, (inputs, grads), sums));
            }
            (self.finish(sums), self.finish_bias(bias))
        })
    }

    /// Each job on images and with sums of its own, which are added in the end.
    fn run_alone(&self) -> (Vec<f32>, Vec<f32>) {
        let Layout { input_place, grad_place, sum_place, .. } = self.layout;
        let [inputs, grads, len] = [input_place, grad_place, sum_place].map(|place| PLACES * place);
        with_shared_scratch([PARTS * len, self.bias_sums()], |[sums, bias]| {
            let to_bias = Shared::of(bias);
            sums.par_chunks_exact_mut(len).enumerate().for_each(|(part, sums)| {
                let images = part * self.conv.images / PARTS..(part + 1) * self.conv.images / PARTS;
                let start = images.start;
                with_scratch([self.padded(), inputs, grads], |[padded, inputs, grads]| {
                    for images in self.groups(images) {
                        let (count, first) = (images.len() * self.tiles.count(), images.start == start);
                        let to = [Shared::of(inputs), Shared::of(grads), to_bias];
                        for job in 0..images.len() * self.vectors() {
                            self.transform(images.start, job, padded, to);
                        }
                        let sums = Shared::of(sums);
                        for job in 0..PLACES * self.layout.blocks.len() {
                            self.multiply(count, first, job, (inputs, grads), sums);
                        }
                    }
                });
            });
            let (first, others) = sums.split_at_mut(len);
            first.par_chunks_mut(SUMS_AT_ONCE).enumerate().for_each(|(chunk, to)| {
                for other in others.chunks_exact(len) {
                    let from = &other[chunk * SUMS_AT_ONCE..];
                    to.iter_mut().zip(from).for_each(|(sum, part)| *sum += part);
                }
            });
            (self.finish(first), self.finish_bias(bias))
        })
    }

    /// The images of a range that are dealt with at a time.
    fn groups(&self, images: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (end, group) = (images.end, self.group);
        images.step_by(group).map(move |first| first..(first + group).min(end))
    }

    /// Numbers of a padded plane of vectors.
    fn padded(&self) -> usize {
        let (height, width) = self.tiles.padded();
        height * width * V::COUNT
    }

    /// Vectors of an image's input and output channels.
    fn vectors(&self) -> usize {
        self.layout.vectors + self.layout.blocks.iter().map(|(_, registers)| registers).sum::<usize>()
    }

    /// Numbers of the images' sums over pixels.
    fn bias_sums(&self) -> usize {
        self.conv.images * (self.vectors() - self.layout.vectors) * V::COUNT
    }

    /// The `job`-th vector of the images from `first` on: transforms of their inputs and of their output gradients, and the
    /// latter's sums over pixels.
    fn transform(&self, first: usize, job: usize, padded: &mut [f32], [inputs, grads, bias]: [Shared; 3]) {
        let Self { conv, to, tiles, ref layout, .. } = *self;
        let from = Planes { channels: conv.c_in, height: conv.height, width: conv.width };
        let (i, vector) = (job / self.vectors(), job % self.vectors());
        let (image, tile) = (first + i, i * tiles.count());
        if vector < layout.vectors {
            self.spread((self.x, from, self.activation), image, vector, conv.padding, padded);
            let input = Input {
                x: padded.as_ptr(),
                width: tiles.padded().1,
                tiles,
                to: inputs.at((vector * layout.count + tile) * V::COUNT),
                offsets: layout.offsets.as_ptr(),
                place: layout.input_place,
            };
            // SAFETY: the instruction set was checked when `V` was chosen; each job writes its own vectors.
            unsafe { V::run(input) };
            return;
        }
        let vector = vector - layout.vectors;
        self.spread((self.grad, to, None), image, vector, 0, padded);
        let (block, register) = (vector / V::GRAD_REGISTERS, vector % V::GRAD_REGISTERS);
        let width = layout.blocks[block].1 * V::COUNT;
        let to = block * layout.count * Self::width() + tile * width + register * V::COUNT;
        let output = OutputGradient {
            grad: padded.as_ptr(),
            width: tiles.padded().1,
            tiles,
            to: grads.at(to),
            step: width,
            place: layout.grad_place,
        };
        let to = bias.at((image * (self.vectors() - layout.vectors) + vector) * V::COUNT);
        let sum = Sum { vectors: padded.as_ptr(), count: padded.len() / V::COUNT, to };
        // SAFETY: as above.
        unsafe {
            V::run(output);
            V::run(sum);
        }
    }

    /// One vector of an image's channels over padded pixels.
    fn spread(
        &self,
        (values, planes, activation): (Channels<'_>, Planes, Option<Activation<'_>>),
        image: usize,
        vector: usize,
        before: usize,
        padded: &mut [f32],
    ) {
        let first = vector * V::COUNT;
        let spread = Spread {
            from: spread::places(values, image, first..(first + V::COUNT).min(planes.channels)),
            height: planes.height,
            width: planes.width,
            before,
            padded: self.tiles.padded(),
            activation: activation.map(|a| a.at(image * planes.channels + first)),
            to: padded.as_mut_ptr(),
        };
        // SAFETY: the instruction set was checked when `V` was chosen; the arrays have these sizes.
        unsafe { V::run(spread) };
    }

    /// Adds the products of `count` tiles at the `job`-th place and block, to nothing if they are the `first`.
    fn multiply(
        &self,
        count: usize,
        first: bool,
        job: usize,
        (inputs, grads): (&[f32], &[f32]),
        sums: Shared,
    ) {
        let Layout { vectors, blocks, input_place, grad_place, sum_place, .. } = self.layout;
        let block_sums = vectors * V::COUNT * Self::width();
        let (place, block) = (job / blocks.len(), job % blocks.len());
        let registers = blocks[block].1;
        let width = registers * V::COUNT;
        let grads = &grads[place * grad_place + block * self.layout.count * Self::width()..];
        let sums = sums.at(place * sum_place + block * block_sums);
        for vector in 0..vectors {
            let x = &inputs[place * input_place + vector * self.layout.count * V::COUNT..];
            for lane in (0..V::COUNT).step_by(CHANNELS) {
                // SAFETY: each place and block of the sums belongs to one job.
                let sums = unsafe { sums.add((vector * V::COUNT + lane) * width) };
                if first {
                    // SAFETY: as above.
                    unsafe { sums.write_bytes(0, CHANNELS * width) };
                }
                let arguments = GradArguments {
                    x: x[lane..].as_ptr(),
                    row: 1,
                    line: 0,
                    image: 0,
                    images: 1,
                    grads: grads[..count * width].as_ptr(),
                    grads_image: 0,
                    rows: 1,
                    columns: count,
                    sums,
                };
                // SAFETY: the instruction set was checked when `V` was chosen; a vector of inputs and of gradients
                // for each tile, and of sums for each channel.
                unsafe { gradient::run_beside::<V>(registers, arguments) };
            }
        }
    }

    /// The images' sums, added in their order.
    fn finish_bias(&self, sums: &[f32]) -> Vec<f32> {
        let mut bias = vec![0.0; self.conv.c_out];
        for image in sums.chunks_exact((self.vectors() - self.layout.vectors) * V::COUNT) {
            bias.iter_mut().zip(image).for_each(|(sum, part)| *sum += part);
        }
        bias
    }

    /// From the gradients of transformed kernels to those of the weights, `[c_out, c_in, 9]`.
    fn finish(&self, sums: &[f32]) -> Vec<f32> {
        let Layout { vectors, blocks, sum_place, .. } = self.layout;
        let block_sums = vectors * V::COUNT * Self::width();
        let patch = self.conv.c_in * 9;
        let fill = |weight: Shared| {
            blocks.par_iter().enumerate().for_each(|(block, &(first, registers))| {
                let width = registers * V::COUNT;
                with_scratch([patch * width], |[taps]| {
                    for (c, taps) in taps.chunks_exact_mut(9 * width).enumerate() {
                        let kernel = KernelGradient {
                            from: sums[block * block_sums + c * width..].as_ptr(),
                            place: sum_place,
                            registers,
                            to: taps.as_mut_ptr(),
                        };
                        // SAFETY: the instruction set was checked when `V` was chosen; the arrays have these sizes.
                        unsafe { V::run(kernel) };
                    }
                    gradient::unpack_block::<V>(taps, patch, (first, width), self.conv.c_out, weight);
                });
            });
        };
        // SAFETY: the blocks cover all output channels.
        unsafe { filled(self.conv.c_out * patch, fill) }
    }
}
