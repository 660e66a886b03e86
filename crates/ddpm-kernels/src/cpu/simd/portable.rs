//! Arrays of 8 lanes, for every machine; also what Miri interprets.
#![allow(unsafe_code)]
// SAFETY (of every block in this file): the trait's callers have checked that the pointers are good for the lanes
// that are touched.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::{Lanes, WithLanes};

const COUNT: usize = 8;

#[derive(Clone, Copy)]
pub(in crate::cpu) struct Portable([f32; COUNT]);

impl Lanes for Portable {
    const COUNT: usize = COUNT;
    const REGISTERS: usize = 1;
    const PIXELS: usize = 4;
    const GRAD_REGISTERS: usize = 1;

    unsafe fn run<K: WithLanes>(kernel: K) -> K::Output {
        unsafe { kernel.call::<Self>() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; COUNT])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(from.cast::<[f32; COUNT]>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; COUNT]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; COUNT];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            *lane = unsafe { *from.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        for (i, lane) in self.0.iter().enumerate().take(count) {
            unsafe { *to.add(i) = *lane };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].min(other.0[i])))
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
    }

    #[inline(always)]
    unsafe fn recip(self) -> Self {
        Self(self.0.map(f32::recip))
    }

    #[inline(always)]
    unsafe fn power_of_two(shifted: Self) -> Self {
        Self(shifted.0.map(|n| f32::from_bits((n.to_bits() << 23).wrapping_add(0x3f80_0000))))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self.0.iter().sum()
    }

    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self.0.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // Not `f32::mul_add`, which is a slow library call on a machine without the instruction.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }

    #[inline(always)]
    unsafe fn columns(from: *const f32, stride: usize, mut to: impl FnMut(usize, Self)) {
        for column in 0..COUNT {
            to(column, Self(std::array::from_fn(|row| unsafe { *from.add(row * stride + column) })));
        }
    }
}
