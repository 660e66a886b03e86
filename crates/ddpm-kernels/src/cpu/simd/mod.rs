//! Vectors of f32 as wide as the machine has them: AVX-512, AVX2 with FMA, or arrays that any machine has, chosen when
//! the program runs.
//!
//! A kernel is a struct of its arguments that implements [`WithLanes`]; [`Lanes::run`] calls it in a function that is
//! compiled for the instruction set. All of its helpers must be inlined into that function, or they would be compiled
//! for the oldest machine.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use self::{avx2::Avx2, avx512::Avx512};
pub(super) use portable::Portable;

use std::sync::LazyLock;

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 8 lanes in arrays, which the compiler maps to what every machine of this architecture has.
    Portable,
}

impl InstructionSet {
    /// All that this machine has, best first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") {
                sets.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Self::Avx2);
            }
        }
        sets.push(Self::Portable);
        sets
    }

    /// The best that this machine has.
    pub fn best() -> Self {
        static BEST: LazyLock<InstructionSet> = LazyLock::new(|| InstructionSet::available()[0]);
        *BEST
    }
}

/// Calls a function that is generic over [`Lanes`] with those of an instruction set.
macro_rules! with_lanes {
    ($set:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $set {
            #[cfg(target_arch = "x86_64")]
            $crate::cpu::simd::InstructionSet::Avx512 => $function::<$crate::cpu::simd::Avx512>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            $crate::cpu::simd::InstructionSet::Avx2 => $function::<$crate::cpu::simd::Avx2>($($argument),*),
            $crate::cpu::simd::InstructionSet::Portable => {
                $function::<$crate::cpu::simd::Portable>($($argument),*)
            }
        }
    };
}
pub(super) use with_lanes;

/// A vector of [`COUNT`](Self::COUNT) numbers.
///
/// # Safety
/// Every function asks that the machine has the instruction set, and that the numbers behind a pointer are there to
/// be read or written; no alignment is asked for.
pub(super) trait Lanes: Copy {
    /// Numbers in a vector.
    const COUNT: usize;
    /// Vectors of output channels in a tile of a convolution.
    const REGISTERS: usize;
    /// Pixels of such a tile at most; `REGISTERS * PIXELS` accumulators, the channels and one pixel must fit the
    /// machine's registers.
    const PIXELS: usize;
    /// Vectors of output channels whose weight gradients are summed at once, for nine taps.
    const GRAD_REGISTERS: usize;

    /// Calls a kernel, compiled for these instructions.
    unsafe fn run<K: WithLanes>(kernel: K) -> K::Output;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Tells the caches that the place will be stored to soon. It need not be there.
    #[inline(always)]
    unsafe fn expect_store(_place: *mut f32) {}
    /// The first `count` numbers, and zeros.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    /// Stores the first `count` numbers.
    unsafe fn store_first(self, to: *mut f32, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// 1 / x for finite x of at least 1, within 2 units in the last place.
    unsafe fn recip(self) -> Self;
    /// Adds the lowest bits of `shifted`, taken as an integer, to the exponent of one: 2^n.
    unsafe fn power_of_two(shifted: Self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// The largest lane.
    unsafe fn largest(self) -> f32;
    /// `self * factor + addend`
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Hands out the columns of `COUNT` rows that start `stride` numbers apart.
    unsafe fn columns(from: *const f32, stride: usize, to: impl FnMut(usize, Self));
}

/// Brings the cache line of a place here, to be written to. Processors that do not know the instruction, which are older
/// than AVX-512, take it for no operation.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch_for_store(place: *mut f32) {
    // SAFETY: a prefetch touches nothing that a program can see, wherever it points. The compiler's own intrinsic may become a
    // prefetch for reading.
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly)) }
}

/// A kernel, with its arguments.
pub(super) trait WithLanes {
    type Output;

    /// # Safety
    /// The machine has the instruction set of `V`, and the arguments keep what the kernel asks of them.
    unsafe fn call<V: Lanes>(self) -> Self::Output;
}
