//! Functions and loops over vectors of [`Lanes`]: sums, an exponential without branches, SiLU.
#![allow(unsafe_code)]

use super::simd::Lanes;

/// Runs a block for each place of `0..len` at which a vector starts, with the number of its lanes that are inside. A
/// macro, because a closure is not compiled for the instruction set of the function around it, and might not be inlined.
macro_rules! for_each_vector {
    ($lanes:ty, $len:expr, |$i:ident, $count:ident| $body:block) => {
        let (len, count) = ($len, <$lanes>::COUNT);
        let whole = len - len % count;
        let mut start = 0;
        while start < whole {
            // A constant, so that the whole vectors need no mask.
            let ($i, $count) = (start, <$lanes>::COUNT);
            $body
            start += count;
        }
        if whole < len {
            let ($i, $count) = (whole, len - whole);
            $body
        }
    };
}
pub(super) use for_each_vector;

/// Loads `count` numbers: all lanes, or the first ones with zeros behind.
///
/// # Safety
/// As [`Lanes::load_first`].
#[inline(always)]
pub(super) unsafe fn load<V: Lanes>(from: *const f32, count: usize) -> V {
    // SAFETY: by the caller.
    unsafe { if count == V::COUNT { V::load(from) } else { V::load_first(from, count) } }
}

/// Stores `count` numbers.
///
/// # Safety
/// As [`Lanes::store_first`].
#[inline(always)]
pub(super) unsafe fn store<V: Lanes>(value: V, to: *mut f32, count: usize) {
    // SAFETY: by the caller.
    unsafe { if count == V::COUNT { value.store(to) } else { value.store_first(to, count) } }
}

/// e^x for |x| <= 87, and the value at the end beyond: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2].
///
/// # Safety
/// The machine has the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn exp<V: Lanes>(x: V) -> V {
    /// Adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // SAFETY: by the caller.
    unsafe {
        let x = x.max(V::splat(-87.0)).min(V::splat(87.0));
        let shifted = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
        let n = shifted.sub(V::splat(ROUND));
        let r = n.mul_add(V::splat(-LN_2_LOW), n.mul_add(V::splat(-LN_2_HIGH), x));
        let mut p = V::splat(1.0 / 720.0);
        for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = p.mul_add(r, V::splat(coefficient));
        }
        p.mul(V::power_of_two(shifted))
    }
}

/// 1 / (1 + e^-x), within 3e-7.
///
/// # Safety
/// The machine has the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn sigmoid<V: Lanes>(x: V) -> V {
    // SAFETY: by the caller; 1 + e^-x is at least 1 and finite.
    unsafe { exp(V::splat(0.0).sub(x)).add(V::splat(1.0)).recip() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{InstructionSet, WithLanes, with_lanes};

    struct Sigmoids<'a>(&'a mut [f32]);

    impl WithLanes for Sigmoids<'_> {
        type Output = ();

        #[inline(always)]
        unsafe fn call<V: Lanes>(self) {
            let values = self.0;
            for_each_vector!(V, values.len(), |i, count| {
                // SAFETY: the instruction set is available, and places are inside the slice.
                unsafe {
                    let place = values.as_mut_ptr().add(i);
                    store::<V>(sigmoid(load::<V>(place, count)), place, count);
                }
            });
        }
    }

    fn run<V: Lanes>(values: &mut [f32]) {
        // SAFETY: called for available instruction sets only.
        unsafe { V::run(Sigmoids(values)) }
    }

    #[test]
    fn sigmoid_is_that_of_f64() {
        let step = if cfg!(miri) { 100 } else { 1 };
        let points: Vec<f32> = (-20_000..=20_000).step_by(step).map(|i| i as f32 / 200.0).collect();
        for set in InstructionSet::available() {
            let mut values = points.clone();
            with_lanes!(set, run(&mut values));
            for (x, y) in points.iter().zip(values) {
                let expected = 1.0 / (1.0 + (-f64::from(*x)).exp());
                assert!((f64::from(y) - expected).abs() < 3e-7, "{set:?}: {y} instead of {expected} at {x}");
            }
        }
    }
}
