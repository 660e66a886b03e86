//! Convolutions as sums of products: tiles over padded images and packed weights.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::{
    Activation, Addends, pack,
    plan::{Phase, Plan, even_parts},
    tile::{self, TileArguments},
    unpack,
};
use crate::cpu::{
    Channels,
    memory::{Shared, filled, with_scratch},
    simd::Lanes,
};

/// Numbers of padded images that are made at once, so that they stay in the second-level cache while each block of
/// channels passes over them.
const GROUP: usize = 1 << 17;

/// A tile of a phase: its first pixel and its size.
struct Place {
    first: (usize, usize),
    size: (usize, usize),
}

/// Cuts a phase into tiles of at most `pixels` pixels, as equal in size as possible.
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

/// Runs a plan as sums of products.
pub(super) fn directly<V: Lanes>(
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
                for (image, to) in images.clone().zip(padded.chunks_exact_mut(padded_size)) {
                    pack::padded_image::<V>(plan, self.x, self.activation, image, to);
                }
            }
            for block in blocks {
                for (i, image) in images.clone().enumerate() {
                    let x = match self.x.slice(image, 0..plan.from.channels) {
                        Some(x) if !is_copied => x,
                        _ => &padded[i * padded_size..][..padded_size],
                    };
                    self.block(block, image, x, sums, start);
                    let pixels = (image, 0..plan.to.pixels());
                    unpack::unpack::<V>(plan, self.blocks[block], pixels, sums, self.add.residual, out);
                }
            }
        });
    }

    /// One block of channels of one image, into `[pixels, channels of the block]`.
    fn block(&self, block: usize, image: usize, x: &[f32], sums: &mut [f32], start: &mut [f32]) {
        let plan = self.plan;
        let (first, registers) = self.blocks[block];
        let width = registers * V::COUNT;
        unpack::start(plan, self.add, first, image, start);
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
                unsafe { tile::run::<V>(registers, *size, plan.step, arguments) };
            }
        }
    }
}
