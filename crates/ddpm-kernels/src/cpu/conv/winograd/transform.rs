//! The transforms of tiles and kernels, each over one vector of channels: matrices B, G and A of Lavin & Gray
//! (equation 4) for the points 0, ±A, ±B and infinity.
#![allow(unsafe_code)]

use super::{IN, OUT, PLACES};
use crate::cpu::simd::{Lanes, WithLanes};

/// The smaller point, 1/√2; the larger is its inverse.
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
const A_2: f32 = 0.5;
const B_2: f32 = 2.0;
const A_3: f32 = A / 2.0;
const B_3: f32 = B * 2.0;
/// A² + B²
const SUM: f32 = 2.5;
/// 1 / (2 A² (A² - B²)) and 1 / (2 B² (B² - A²)): the scales of G's rows.
const G_A: f32 = -2.0 / 3.0;
const G_B: f32 = 1.0 / 6.0;

/// Bᵀ d.
#[inline(always)]
unsafe fn input<V: Lanes>(d: [V; 6]) -> [V; 6] {
    // SAFETY: by the caller, who has the instruction set.
    unsafe {
        let c = |value: f32| V::splat(value);
        let even_a = d[2].mul_add(c(-B_2), d[4]);
        let odd_a = d[1].mul_add(c(-B), d[3].mul(c(A)));
        let even_b = d[2].mul_add(c(-A_2), d[4]);
        let odd_b = d[1].mul_add(c(-A), d[3].mul(c(B)));
        [
            d[2].mul_add(c(-SUM), d[0].add(d[4])),
            even_a.add(odd_a),
            even_a.sub(odd_a),
            even_b.add(odd_b),
            even_b.sub(odd_b),
            d[3].mul_add(c(-SUM), d[1].add(d[5])),
        ]
    }
}

/// G g.
#[inline(always)]
unsafe fn kernel<V: Lanes>(g: [V; 3]) -> [V; 6] {
    // SAFETY: by the caller, who has the instruction set.
    unsafe {
        let c = |value: f32| V::splat(value);
        let even_a = g[0].mul_add(c(G_A), g[2].mul(c(G_A * A_2)));
        let odd_a = g[1].mul(c(G_A * A));
        let even_b = g[0].mul_add(c(G_B), g[2].mul(c(G_B * B_2)));
        let odd_b = g[1].mul(c(G_B * B));
        [g[0], even_a.add(odd_a), even_a.sub(odd_a), even_b.add(odd_b), even_b.sub(odd_b), g[2]]
    }
}

/// Gᵀ u.
#[inline(always)]
unsafe fn kernel_transposed<V: Lanes>(u: [V; 6]) -> [V; 3] {
    // SAFETY: by the caller, who has the instruction set.
    unsafe {
        let c = |value: f32| V::splat(value);
        let (sum_a, sum_b) = (u[1].add(u[2]).mul(c(G_A)), u[3].add(u[4]).mul(c(G_B)));
        let (odd_a, odd_b) = (u[1].sub(u[2]), u[3].sub(u[4]));
        [
            u[0].add(sum_a).add(sum_b),
            odd_a.mul_add(c(G_A * A), odd_b.mul(c(G_B * B))),
            sum_a.mul_add(c(A_2), sum_b.mul_add(c(B_2), u[5])),
        ]
    }
}

/// Aᵀ m.
#[inline(always)]
unsafe fn output<V: Lanes>(m: [V; 6]) -> [V; 4] {
    // SAFETY: by the caller, who has the instruction set.
    unsafe {
        let c = |value: f32| V::splat(value);
        let (even_a, odd_a) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(even_a).add(even_b),
            odd_a.mul_add(c(A), odd_b.mul(c(B))),
            even_a.mul_add(c(A_2), even_b.mul(c(B_2))),
            odd_a.mul_add(c(A_3), odd_b.mul_add(c(B_3), m[5])),
        ]
    }
}

/// A y.
#[inline(always)]
unsafe fn output_transposed<V: Lanes>(y: [V; 4]) -> [V; 6] {
    // SAFETY: by the caller, who has the instruction set.
    unsafe {
        let c = |value: f32| V::splat(value);
        let even_a = y[2].mul_add(c(A_2), y[0]);
        let odd_a = y[3].mul_add(c(A_3), y[1].mul(c(A)));
        let even_b = y[2].mul_add(c(B_2), y[0]);
        let odd_b = y[3].mul_add(c(B_3), y[1].mul(c(B)));
        [y[0], even_a.add(odd_a), even_a.sub(odd_a), even_b.add(odd_b), even_b.sub(odd_b), y[3]]
    }
}

/// Repeats a block for each index below a literal: a loop that the compiler does not unroll would keep the tile in memory
/// rather than in registers.
macro_rules! unrolled {
    ($i:ident, 3, $body:block) => { unrolled!(@ $i, [0 1 2], $body) };
    ($i:ident, 4, $body:block) => { unrolled!(@ $i, [0 1 2 3], $body) };
    ($i:ident, 6, $body:block) => { unrolled!(@ $i, [0 1 2 3 4 5], $body) };
    (@ $i:ident, [$($index:literal)*], $body:block) => { $({ let $i: usize = $index; $body })* };
}

/// Applies a transform of `$from` numbers to `$to` to the columns and the rows of a tile: `$load` is asked for the
/// number at a row and column, `$store` gets the results. A macro, because a closure is not compiled for the
/// instruction set of the function around it, and might not be inlined.
macro_rules! on_both_sides {
    (
        $lanes:ty, $transform:ident, $from:tt, $to:tt,
        |$r:ident, $c:ident| $load:expr,
        |$i:ident, $j:ident, $v:ident| $store:expr
    ) => {
        let mut half = [[<$lanes>::splat(0.0); $from]; $to];
        unrolled!($c, $from, {
            let mut column = [<$lanes>::splat(0.0); $from];
            unrolled!($r, $from, {
                column[$r] = $load;
            });
            let column = $transform(column);
            unrolled!($i, $to, {
                half[$i][$c] = column[$i];
            });
        });
        unrolled!($i, $to, {
            let row = $transform(half[$i]);
            unrolled!($j, $to, {
                let $v = row[$j];
                $store;
            });
        });
    };
}

/// Bᵀ d B of every tile of an image, for one vector of channels.
pub(super) struct Input {
    /// A padded plane of vectors.
    pub x: *const f32,
    /// Pixels of a padded row.
    pub width: usize,
    pub tiles: super::Tiles,
    /// Where, at the first place, the vector of each tile goes.
    pub to: *mut f32,
    pub offsets: *const usize,
    /// Numbers from one place to the next.
    pub place: usize,
}

impl WithLanes for Input {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { x, width, tiles, to, offsets, place } = self;
        for tile in 0..tiles.count() {
            let (y, column) = tiles.first(tile);
            // SAFETY: by the caller, the padded plane reaches over all tiles, and `to` has a vector for each place and
            // tile.
            unsafe {
                let x = x.add((y * width + column) * V::COUNT);
                let to = to.add(*offsets.add(tile));
                on_both_sides!(
                    V,
                    input,
                    6,
                    6,
                    |r, c| V::load(x.add((r * width + c) * V::COUNT)),
                    |i, j, v| v.store(to.add((i * IN + j) * place))
                );
            }
        }
    }
}

/// A y Aᵀ of every tile of an image, for one vector of channels: how the loss changes with the products.
pub(super) struct OutputGradient {
    /// A plane of vectors, padded with zeros to whole tiles.
    pub grad: *const f32,
    /// Pixels of a padded row.
    pub width: usize,
    pub tiles: super::Tiles,
    /// For each place, a vector a tile, `step` numbers from one tile to the next.
    pub to: *mut f32,
    pub step: usize,
    /// Numbers from one place to the next.
    pub place: usize,
}

impl WithLanes for OutputGradient {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { grad, width, tiles, to, step, place } = self;
        for tile in 0..tiles.count() {
            let (y, column) = tiles.first(tile);
            // SAFETY: as for `Input`.
            unsafe {
                let grad = grad.add((y * width + column) * V::COUNT);
                let to = to.add(tile * step);
                on_both_sides!(
                    V,
                    output_transposed,
                    4,
                    6,
                    |r, c| V::load(grad.add((r * width + c) * V::COUNT)),
                    |i, j, v| v.store(to.add((i * IN + j) * place))
                );
            }
        }
    }
}

/// Aᵀ m A of a row of tiles, for the channels of a block, into pixels.
pub(super) struct Output {
    /// For each place, the vectors of each tile.
    pub products: *const f32,
    /// Numbers from one place to the next.
    pub place: usize,
    /// Tiles beside one another.
    pub tiles: usize,
    /// Vectors of a tile and of a pixel.
    pub registers: usize,
    /// The starting values of the sums, `[vectors]`.
    pub start: *const f32,
    /// `[height, width, vectors]`, at most as high as a tile.
    pub to: *mut f32,
    pub height: usize,
    pub width: usize,
}

impl WithLanes for Output {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { products, place, tiles, registers, start, to, height, width } = self;
        let step = registers * V::COUNT;
        for tile in 0..tiles {
            let x = tile * OUT;
            for r in 0..registers {
                // SAFETY: by the caller, for all places and tiles, and the pixels of the image.
                unsafe {
                    let from = products.add(tile * step + r * V::COUNT);
                    let start = V::load(start.add(r * V::COUNT));
                    let to = to.add(x * step + r * V::COUNT);
                    on_both_sides!(
                        V,
                        output,
                        6,
                        4,
                        |r, c| V::load(from.add((r * IN + c) * place)),
                        |i, j, v| if i < height && x + j < width {
                            v.add(start).store(to.add((i * width + j) * step));
                        }
                    );
                }
            }
        }
    }
}

/// G g Gᵀ of the kernels between one channel and a block of others.
pub(super) struct Kernel {
    /// `[taps, vectors]`
    pub taps: *const f32,
    /// The tap at each of the nine places.
    pub order: [usize; 9],
    pub registers: usize,
    /// For each place, the vectors.
    pub to: *mut f32,
    /// Numbers from one place to the next.
    pub place: usize,
}

impl WithLanes for Kernel {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { taps, order, registers, to, place } = self;
        for r in 0..registers {
            // SAFETY: by the caller, for nine taps and all places.
            unsafe {
                let to = to.add(r * V::COUNT);
                on_both_sides!(
                    V,
                    kernel,
                    3,
                    6,
                    |row, c| V::load(taps.add((order[row * 3 + c] * registers + r) * V::COUNT)),
                    |i, j, v| v.store(to.add((i * IN + j) * place))
                );
            }
        }
    }
}

/// Gᵀ u G: from the gradients of transformed kernels to those of the kernels.
pub(super) struct KernelGradient {
    /// For each place, the vectors.
    pub from: *const f32,
    /// Numbers from one place to the next.
    pub place: usize,
    pub registers: usize,
    /// `[9, vectors]`
    pub to: *mut f32,
}

impl WithLanes for KernelGradient {
    type Output = ();

    #[inline(always)]
    unsafe fn call<V: Lanes>(self) {
        let Self { from, place, registers, to } = self;
        for r in 0..registers {
            // SAFETY: by the caller, for all places and nine taps.
            unsafe {
                let from = from.add(r * V::COUNT);
                on_both_sides!(
                    V,
                    kernel_transposed,
                    6,
                    3,
                    |row, c| V::load(from.add((row * IN + c) * place)),
                    |i, j, v| v.store(to.add(((i * 3 + j) * registers + r) * V::COUNT))
                );
            }
        }
    }
}

const _: () = assert!(PLACES == IN * IN && IN == OUT + 2, "the transforms above are those of F(4x4, 3x3)");
