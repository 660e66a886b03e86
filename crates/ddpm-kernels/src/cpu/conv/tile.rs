//! Tiles of pixels times channels, summed up in registers.
#![allow(unsafe_code)]

use crate::cpu::simd::{Lanes, WithLanes};

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
    /// The starting values of the sums, `[vectors]`.
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
