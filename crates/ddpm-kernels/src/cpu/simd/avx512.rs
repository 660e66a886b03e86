//! AVX-512: 16 lanes, 32 registers.
#![allow(unsafe_code)]
// SAFETY (of every block in this file): the trait's callers have checked that the machine has AVX-512F and AVX2, and
// that the pointers are good for the lanes that are touched; masked accesses touch no others.
#![allow(clippy::undocumented_unsafe_blocks)]

#[allow(clippy::wildcard_imports)]
use std::arch::x86_64::*;

use super::{Lanes, WithLanes};

#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx512(__m512);

fn mask(count: usize) -> __mmask16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn compiled<K: WithLanes>(kernel: K) -> K::Output {
    unsafe { kernel.call::<Avx512>() }
}

impl Lanes for Avx512 {
    const COUNT: usize = 16;
    const REGISTERS: usize = 2;
    const PIXELS: usize = 14;
    const GRAD_REGISTERS: usize = 2;

    unsafe fn run<K: WithLanes>(kernel: K) -> K::Output {
        unsafe { compiled(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn expect_store(place: *mut f32) {
        super::prefetch_for_store(place);
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        unsafe { Self(_mm512_maskz_loadu_ps(mask(count), from)) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm512_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe { Self(_mm512_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn recip(self) -> Self {
        // An estimate of 14 bits, and one step of Newton's.
        unsafe {
            let estimate = _mm512_rcp14_ps(self.0);
            let error = _mm512_fnmadd_ps(self.0, estimate, _mm512_set1_ps(1.0));
            Self(_mm512_fmadd_ps(estimate, error, estimate))
        }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Self) -> Self {
        unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3f80_0000))))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        unsafe { _mm512_reduce_max_ps(self.0) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn columns(from: *const f32, stride: usize, mut to: impl FnMut(usize, Self)) {
        // Four numbers at a time are put into their 128-bit lanes by the loads, so that shuffles are needed within lanes
        // only: a processor has more ports for the former. No closures in here, since they would not be compiled for the
        // instruction set.
        unsafe {
            for first in (0..16).step_by(4) {
                // quads[i] holds, in its lane l, four columns of row 4 l + i.
                let row = from.add(first);
                let quads = [
                    quad(row, stride),
                    quad(row.add(stride), stride),
                    quad(row.add(2 * stride), stride),
                    quad(row.add(3 * stride), stride),
                ];
                let low = [
                    _mm512_castps_pd(_mm512_unpacklo_ps(quads[0], quads[1])),
                    _mm512_castps_pd(_mm512_unpacklo_ps(quads[2], quads[3])),
                ];
                let high = [
                    _mm512_castps_pd(_mm512_unpackhi_ps(quads[0], quads[1])),
                    _mm512_castps_pd(_mm512_unpackhi_ps(quads[2], quads[3])),
                ];
                to(first, Self(_mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]))));
                to(first + 1, Self(_mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]))));
                to(first + 2, Self(_mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]))));
                to(first + 3, Self(_mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]))));
            }
        }
    }
}

/// Four numbers from each of the rows 0, 4, 8 and 12 from `row` on. By hand, because of intrinsics the compiler makes shuffles
/// between lanes, and scores of spills.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn quad(row: *const f32, stride: usize) -> __m512 {
    let four = 4 * stride * size_of::<f32>();
    let lanes;
    unsafe {
        std::arch::asm!(
            "vmovups {lanes:x}, xmmword ptr [{row}]",
            "vinsertf32x4 {lanes}, {lanes}, xmmword ptr [{row} + {four}], 1",
            "vinsertf32x4 {lanes}, {lanes}, xmmword ptr [{row} + 2 * {four}], 2",
            "vinsertf32x4 {lanes}, {lanes}, xmmword ptr [{row} + {twelve}], 3",
            lanes = out(zmm_reg) lanes,
            row = in(reg) row,
            four = in(reg) four,
            twelve = in(reg) 3 * four,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    lanes
}
