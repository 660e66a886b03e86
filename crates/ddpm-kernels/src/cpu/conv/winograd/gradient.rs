//! The gradient with respect to the weights through the transforms: with V = Bᵀ x B and M = A y Aᵀ of every tile, where
//! y is the output's gradient, that of the transformed kernels is the sum of V M over tiles, and that of the kernels
//! Gᵀ (sum) G.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use rayon::prelude::*;

use super::{
    PLACES, Tiles,
    spread::{self, Spread},
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
    feature_maps,
    memory::{Shared, apart, filled, with_scratch, with_shared_scratch},
    simd::{InstructionSet, Lanes},
};

/// Tiles whose products are summed in one pass over the gradients. It must not depend on the number of threads, because
/// the order of the sums depends on it.
const TILES: usize = 256;

/// The gradients with respect to weight and bias.
pub(in crate::cpu::conv) fn grad_weight<V: Lanes>(
    set: InstructionSet,
    conv: &Conv,
    (x, activation): (Channels<'_>, Option<Activation<'_>>),
    grad: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let to = Planes { channels: conv.c_out, height: conv.out_height(), width: conv.out_width() };
    let tiles = Tiles::of(to);
    let blocks = pack::blocks::<V>(conv.c_out, V::GRAD_REGISTERS);
    let group = (TILES / tiles.count()).clamp(1, conv.images.max(1));
    let layout = Layout::of::<V>(conv.c_in, &blocks, group * tiles.count());
    let worker = Worker::<V> {
        conv,
        to,
        tiles,
        layout: &layout,
        x,
        activation,
        grad: Channels::one(grad, conv.c_out, conv.pixels()),
        lanes: PhantomData,
    };
    let lens = [layout.input_place, layout.grad_place, layout.sum_place].map(|place| PLACES * place);
    let weight = with_shared_scratch(lens, |[inputs, grads, sums]| {
        for first in (0..conv.images).step_by(group) {
            let images = first..(first + group).min(conv.images);
            worker.transform(images.clone(), inputs, grads);
            worker.multiply(images.len() * tiles.count(), first == 0, inputs, grads, sums);
        }
        worker.finish(sums)
    });
    let bias = feature_maps::sum_pixels(set, conv.pixels(), grad);
    let bias = bias.chunks_exact(conv.c_out).fold(vec![0.0; conv.c_out], |mut sums, image| {
        sums.iter_mut().zip(image).for_each(|(sum, part)| *sum += part);
        sums
    });
    (weight, bias)
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
    /// Of the sums of their products, `[blocks, c_in, channels of a block]`, with whole vectors of both.
    sum_place: usize,
}

impl<'a> Layout<'a> {
    fn of<V: Lanes>(c_in: usize, blocks: &'a [(usize, usize)], count: usize) -> Self {
        let vectors = c_in.div_ceil(V::COUNT);
        let width = V::GRAD_REGISTERS * V::COUNT;
        Self {
            blocks,
            vectors,
            count,
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
    layout: &'a Layout<'a>,
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

    /// The transforms of some images' inputs and of their output gradients.
    fn transform(&self, images: Range<usize>, inputs: &mut [f32], grads: &mut [f32]) {
        let Self { conv, to, tiles, layout, .. } = *self;
        let from = Planes { channels: conv.c_in, height: conv.height, width: conv.width };
        let (inputs, grads) = (Shared::of(inputs), Shared::of(grads));
        let padded_len = tiles.padded().0 * tiles.padded().1 * V::COUNT;
        let grad_vectors = layout.blocks.iter().map(|(_, registers)| registers).sum::<usize>();
        let per_image = layout.vectors + grad_vectors;
        let offsets: Vec<usize> = (0..tiles.count()).map(|tile| tile * V::COUNT).collect();
        (0..images.len() * per_image).into_par_iter().for_each(|job| {
            let (i, vector) = (job / per_image, job % per_image);
            let (image, tile) = (images.start + i, i * tiles.count());
            with_scratch([padded_len], |[padded]| {
                if vector < layout.vectors {
                    self.spread((self.x, from, self.activation), image, vector, conv.padding, padded);
                    let input = Input {
                        x: padded.as_ptr(),
                        width: tiles.padded().1,
                        tiles,
                        to: inputs.at((vector * layout.count + tile) * V::COUNT),
                        offsets: offsets.as_ptr(),
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
                // SAFETY: as above.
                unsafe { V::run(output) };
            });
        });
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

    /// Adds the products of `count` tiles, to nothing if they are the `first`.
    fn multiply(&self, count: usize, first: bool, inputs: &[f32], grads: &[f32], sums: &mut [f32]) {
        let Layout { vectors, blocks, input_place, grad_place, sum_place, .. } = *self.layout;
        let block_sums = vectors * V::COUNT * Self::width();
        let sums = Shared::of(sums);
        (0..PLACES * blocks.len()).into_par_iter().for_each(|job| {
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
        });
    }

    /// From the gradients of transformed kernels to those of the weights, `[c_out, c_in, 9]`.
    fn finish(&self, sums: &[f32]) -> Vec<f32> {
        let Layout { vectors, blocks, sum_place, .. } = *self.layout;
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
