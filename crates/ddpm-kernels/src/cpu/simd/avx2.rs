//! AVX2 with FMA: 8 lanes, 16 registers.
#![allow(unsafe_code)]
// SAFETY (of every block in this file): the trait's callers have checked that the machine has AVX2 and FMA, and that
// the pointers are good for the lanes that are touched; masked accesses touch no others.
#![allow(clippy::undocumented_unsafe_blocks)]

#[allow(clippy::wildcard_imports)]
use std::arch::x86_64::*;

use super::{Lanes, WithLanes};

#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx2(__m256);

/// Eight of these, from the place 8 - n, are a mask of the first n lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn mask(count: usize) -> __m256i {
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - count.min(8)).cast()) }
}

#[target_feature(enable = "avx2,fma")]
unsafe fn compiled<K: WithLanes>(kernel: K) -> K::Output {
    unsafe { kernel.call::<Avx2>() }
}

impl Lanes for Avx2 {
    const COUNT: usize = 8;
    const REGISTERS: usize = 2;
    const PIXELS: usize = 6;
    const GRAD_REGISTERS: usize = 1;

    unsafe fn run<K: WithLanes>(kernel: K) -> K::Output {
        unsafe { compiled(kernel) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn expect_store(place: *mut f32) {
        super::prefetch_for_store(place);
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        unsafe { Self(_mm256_maskload_ps(from, mask(count))) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        unsafe { _mm256_maskstore_ps(to, mask(count), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        unsafe { Self(_mm256_sqrt_ps(self.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        unsafe { Self(_mm256_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn recip(self) -> Self {
        // An estimate of 12 bits, and one step of Newton's.
        unsafe {
            let estimate = _mm256_rcp_ps(self.0);
            let error = _mm256_fnmadd_ps(self.0, estimate, _mm256_set1_ps(1.0));
            Self(_mm256_fmadd_ps(estimate, error, estimate))
        }
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Self) -> Self {
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.0));
            Self(_mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3f80_0000))))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let halves = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let pairs = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
        }
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        unsafe {
            let halves = _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let pairs = _mm_max_ps(halves, _mm_movehl_ps(halves, halves));
            _mm_cvtss_f32(_mm_max_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
        }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn columns(from: *const f32, stride: usize, mut to: impl FnMut(usize, Self)) {
        unsafe {
            // quads[g][c] holds, in its 128-bit lane l, column 4 l + c of the rows 4 g to 4 g + 3.
            let mut quads = [[_mm256_setzero_ps(); 4]; 2];
            for (g, quads) in quads.iter_mut().enumerate() {
                let row = |i: usize| _mm256_loadu_ps(from.add((4 * g + i) * stride));
                let (low, high) = (_mm256_unpacklo_ps(row(0), row(1)), _mm256_unpackhi_ps(row(0), row(1)));
                let (low_2, high_2) =
                    (_mm256_unpacklo_ps(row(2), row(3)), _mm256_unpackhi_ps(row(2), row(3)));
                quads[0] = _mm256_shuffle_ps::<0x44>(low, low_2);
                quads[1] = _mm256_shuffle_ps::<0xee>(low, low_2);
                quads[2] = _mm256_shuffle_ps::<0x44>(high, high_2);
                quads[3] = _mm256_shuffle_ps::<0xee>(high, high_2);
            }
            let [upper, lower] = quads;
            for (c, (upper, lower)) in upper.into_iter().zip(lower).enumerate() {
                to(c, Self(_mm256_permute2f128_ps::<0x20>(upper, lower)));
                to(4 + c, Self(_mm256_permute2f128_ps::<0x31>(upper, lower)));
            }
        }
    }
}
