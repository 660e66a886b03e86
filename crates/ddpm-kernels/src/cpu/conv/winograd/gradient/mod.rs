//! The gradient with respect to the weights through the transforms: with V = Bᵀ x B and M = A y Aᵀ of every tile, where
//! y is the output's gradient, that of the transformed kernels is the sum of V M over tiles, and that of the kernels
//! Gᵀ (sum) G.

mod worker;

use std::marker::PhantomData;

use rayon::prelude::*;

use self::worker::{Layout, Worker};
use super::{PLACES, Tiles};
use crate::cpu::{
    Channels,
    conv::{Activation, Conv, pack, plan::Planes},
    memory::{Shared, with_scratch, with_shared_scratch},
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

impl<V: Lanes> Worker<'_, V> {
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
}
