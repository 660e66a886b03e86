//! The gradients with respect to weights and bias: sums over images and pixels.
#![allow(unsafe_code)]

mod tile;
mod worker;

pub(super) use tile::{CHANNELS, GradArguments, run_beside};
pub(super) use worker::unpack_block;

use rayon::prelude::*;

use self::worker::{Geometry, Worker};
use super::{
    Activation, Conv, WeightGradient, pack,
    plan::Planes,
    winograd::{self, grad_weight as winograd_grad_weight},
};
use crate::cpu::{
    Channels,
    memory::{Shared, filled},
    simd::{InstructionSet, Lanes, with_lanes},
};

/// Jobs that a gradient is cut into, whatever the number of threads: the order of its sums must not depend on that.
const JOBS: usize = 16;

/// The gradients with respect to weight and bias.
///
/// # Shapes
/// - results: `[c_out, c_in, kernel, kernel]` and `[c_out]`
///
/// # Panics
/// If the slices do not have the sizes that [`WeightGradient`] says.
pub fn grad_weight(set: InstructionSet, conv: &Conv, gradient: WeightGradient<'_>) -> (Vec<f32>, Vec<f32>) {
    let WeightGradient { x, activation, grad } = gradient;
    activation.inspect(|activation| activation.check(conv));
    x.check("convolution", conv.input());
    assert_eq!(grad.len(), conv.images * conv.output(), "convolution: the gradient's size");
    let to = Planes { channels: conv.c_out, height: conv.out_height(), width: conv.out_width() };
    conv.keep_awake();
    if conv.images > 0 && conv.kernel == 3 && conv.stride == 1 && winograd::pays(conv.c_in, to) {
        return with_lanes!(set, winograd_grad_weight(conv, (x, activation), grad));
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
