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
        unsafe {
            let mut pairs = [_mm512_setzero_ps(); 16];
            for i in 0..8 {
                let (a, b) = (
                    _mm512_loadu_ps(from.add(2 * i * stride)),
                    _mm512_loadu_ps(from.add((2 * i + 1) * stride)),
                );
                pairs[2 * i] = _mm512_unpacklo_ps(a, b);
                pairs[2 * i + 1] = _mm512_unpackhi_ps(a, b);
            }
            // quads[4 g + c] holds, in its 128-bit lane l, column 4 l + c of the rows 4 g to 4 g + 3.
            let mut quads = [_mm512_setzero_ps(); 16];
            for g in 0..4 {
                for c in 0..2 {
                    let a = _mm512_castps_pd(pairs[4 * g + c]);
                    let b = _mm512_castps_pd(pairs[4 * g + c + 2]);
                    quads[4 * g + 2 * c] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
                    quads[4 * g + 2 * c + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
                }
            }
            for c in 0..4 {
                let even_low = _mm512_shuffle_f32x4::<0x88>(quads[c], quads[4 + c]);
                let odd_low = _mm512_shuffle_f32x4::<0xdd>(quads[c], quads[4 + c]);
                let even_high = _mm512_shuffle_f32x4::<0x88>(quads[8 + c], quads[12 + c]);
                let odd_high = _mm512_shuffle_f32x4::<0xdd>(quads[8 + c], quads[12 + c]);
                to(c, Self(_mm512_shuffle_f32x4::<0x88>(even_low, even_high)));
                to(4 + c, Self(_mm512_shuffle_f32x4::<0x88>(odd_low, odd_high)));
                to(8 + c, Self(_mm512_shuffle_f32x4::<0xdd>(even_low, even_high)));
                to(12 + c, Self(_mm512_shuffle_f32x4::<0xdd>(odd_low, odd_high)));
            }
        }
    }
}
