//! One job: transforms of images and of their gradients, and sums of their products.
#![allow(unsafe_code)]

use std::{marker::PhantomData, ops::Range};

use rayon::prelude::*;

use crate::cpu::{
    Channels,
    conv::{
        Activation, Conv,
        gradient::{self, CHANNELS, GradArguments},
        plan::Planes,
        winograd::{
            Tiles,
            spread::{self, Spread, Sum},
            transform::{Input, KernelGradient, OutputGradient},
        },
    },
    memory::{Shared, apart, filled, with_scratch},
    simd::Lanes,
};

/// How the transforms of a group of images lie; numbers of a place are those from it to the next.
pub(super) struct Layout<'a> {
    /// Of output channels.
    pub(super) blocks: &'a [(usize, usize)],
    /// Vectors of input channels.
    vectors: usize,
    /// Tiles of a whole group.
    count: usize,
    /// Of transformed images, `[vectors, tiles]`.
    pub(super) input_place: usize,
    /// Of transformed gradients, `[blocks, tiles, channels of a block]`.
    pub(super) grad_place: usize,
    /// From the first tile of an image to each of them, `[vectors, tiles]` having the inputs' vectors.
    offsets: Vec<usize>,
    /// Of the sums of their products, `[blocks, c_in, channels of a block]`, with whole vectors of both.
    pub(super) sum_place: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn of<V: Lanes>(
        c_in: usize,
        blocks: &'a [(usize, usize)],
        count: usize,
        tiles: usize,
    ) -> Self {
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

pub(super) struct Worker<'a, V> {
    pub(super) conv: &'a Conv,
    pub(super) to: Planes,
    pub(super) tiles: Tiles,
    /// Images at a time.
    pub(super) group: usize,
    pub(super) layout: Layout<'a>,
    pub(super) x: Channels<'a>,
    pub(super) activation: Option<Activation<'a>>,
    pub(super) grad: Channels<'a>,
    pub(super) lanes: PhantomData<fn() -> V>,
}

impl<V: Lanes> Worker<'_, V> {
    /// Numbers of a block's channels; the last block may have fewer.
    fn width() -> usize {
        V::GRAD_REGISTERS * V::COUNT
    }

    /// The images of a range that are dealt with at a time.
    pub(super) fn groups(&self, images: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let (end, group) = (images.end, self.group);
        images.step_by(group).map(move |first| first..(first + group).min(end))
    }

    /// Numbers of a padded plane of vectors.
    pub(super) fn padded(&self) -> usize {
        let (height, width) = self.tiles.padded();
        height * width * V::COUNT
    }

    /// Vectors of an image's input and output channels.
    pub(super) fn vectors(&self) -> usize {
        self.layout.vectors + self.layout.blocks.iter().map(|(_, registers)| registers).sum::<usize>()
    }

    /// Numbers of the images' sums over pixels.
    pub(super) fn bias_sums(&self) -> usize {
        self.conv.images * (self.vectors() - self.layout.vectors) * V::COUNT
    }

    /// The `job`-th vector of the images from `first` on: transforms of their inputs and of their output gradients, and the
    /// latter's sums over pixels.
    pub(super) fn transform(
        &self,
        first: usize,
        job: usize,
        padded: &mut [f32],
        [inputs, grads, bias]: [Shared; 3],
    ) {
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
    pub(super) fn multiply(
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
    pub(super) fn finish_bias(&self, sums: &[f32]) -> Vec<f32> {
        let mut bias = vec![0.0; self.conv.c_out];
        for image in sums.chunks_exact((self.vectors() - self.layout.vectors) * V::COUNT) {
            bias.iter_mut().zip(image).for_each(|(sum, part)| *sum += part);
        }
        bias
    }

    /// From the gradients of transformed kernels to those of the weights, `[c_out, c_in, 9]`.
    pub(super) fn finish(&self, sums: &[f32]) -> Vec<f32> {
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
