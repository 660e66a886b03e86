//! Sums over pixels, in registers, for some taps and vectors of output channels.
#![allow(unsafe_code)]

use crate::cpu::simd::{Lanes, WithLanes};

/// Input channels of a convolution without neighbours that are summed at once.
pub(in crate::cpu::conv) const CHANNELS: usize = 8;

#[derive(Clone, Copy)]
pub(in crate::cpu::conv) struct GradArguments {
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

pub(super) unsafe fn run<V: Lanes, const ROWS: usize, const COLUMNS: usize>(
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
pub(in crate::cpu::conv) unsafe fn run_beside<V: Lanes>(registers: usize, arguments: GradArguments) {
    // SAFETY: passed on to the caller.
    unsafe {
        match registers {
            1 => V::run(GradTile::<1, CHANNELS, 1, BESIDE> { arguments, step: 0 }),
            _ => V::run(GradTile::<2, CHANNELS, 1, BESIDE> { arguments, step: 0 }),
        }
    }
}

/// One tap of one channel, with any step.
pub(super) unsafe fn run_one<V: Lanes>(registers: usize, step: usize, arguments: GradArguments) {
    // SAFETY: passed on to the caller.
    unsafe {
        match registers {
            1 => V::run(GradTile::<1, 1, 1, 0> { arguments, step }),
            _ => V::run(GradTile::<2, 1, 1, 0> { arguments, step }),
        }
    }
}

/// Adds rows of `registers` vectors to `sums`.
pub(super) struct SumRows {
    pub rows: *const f32,
    pub count: usize,
    pub registers: usize,
    pub sums: *mut f32,
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
