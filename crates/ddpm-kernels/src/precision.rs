//! Mixed precision: what convolutions, linear layers and attention multiply is rounded to TF32, bf16 or f16; weights, sums,
//! normalisations, losses, optimiser and average stay f32 (Micikevicius et al. 2018). TF32 and bf16 have the range of f32;
//! gradients are scaled into that of f16.
//!
//! On a GPU tensor cores multiply the factors: tensors of 16 bits, or of f32 that the cores round to TF32 on their way. On
//! a CPU the factors are f32 numbers rounded to what the format has: no faster, but it shows what the format does to a
//! training where there is no GPU.

use std::cell::Cell;

#[cfg(feature = "cpu")]
use burn::tensor::f16;
use burn::tensor::{DType, FloatDType, Tensor, backend::Backend};

/// The numbers that are multiplied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 factors and sums, on every device.
    #[default]
    F32,
    /// f32 factors of which tensor cores may leave out the last 13 bits, where Burn's tuning finds them faster.
    Tf32,
    /// bf16 factors, f32 sums.
    Bf16,
    /// f16 factors, f32 sums.
    F16,
}

thread_local! {
    /// Of this thread, which decides about every operation that it asks for: a cell of a benchmark has a thread, and what
    /// is measured beside it may have another precision.
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::F32) };
}

impl Precision {
    /// The one in use on this thread.
    pub fn current() -> Self {
        PRECISION.get()
    }

    /// Calls a function with this one in use on this thread.
    pub fn within<T>(self, function: impl FnOnce() -> T) -> T {
        /// Sets back what was there before, after a panic too.
        struct Before(Precision);

        impl Drop for Before {
            fn drop(&mut self) {
                PRECISION.set(self.0);
            }
        }

        let _before = Before(PRECISION.replace(self));
        function()
    }
}

/// A factor of a product as a GPU multiplies it.
pub(crate) fn cast<B: Backend, const D: usize>(factor: Tensor<B, D>) -> Tensor<B, D> {
    match Precision::current() {
        Precision::F32 | Precision::Tf32 => factor,
        Precision::Bf16 => factor.cast(FloatDType::BF16),
        Precision::F16 => factor.cast(FloatDType::F16),
    }
}

/// A product in f32, whatever its factors were.
pub(crate) fn raised<B: Backend, const D: usize>(product: Tensor<B, D>) -> Tensor<B, D> {
    if matches!(product.dtype(), DType::BF16 | DType::F16) { product.cast(FloatDType::F32) } else { product }
}

/// The factor by which [`in_range`] multiplied a gradient, to be divided out of the results.
#[derive(Debug, Clone)]
pub(crate) struct Scale<B: Backend>(Option<Tensor<B, 1>>);

/// The largest number of a gradient in range: the sum of two million of them (65,504 times 2^5) does not overflow, and what
/// is half a million times smaller does not vanish.
const LARGEST: f64 = 1.0 / 32.0;

/// A gradient in the range of f16, if that is what is multiplied.
///
/// It does what scaling the loss does (Micikevicius et al. 2018, section 3.2), with a factor for each tensor that the device
/// finds: nobody waits for it, no step is left out, and what a strategy differentiates by itself has it too.
pub(crate) fn in_range<B: Backend, const D: usize>(grad: Tensor<B, D>) -> (Tensor<B, D>, Scale<B>) {
    if Precision::current() != Precision::F16 {
        return (grad, Scale(None));
    }
    // Of zeros only, or of less than any f32 is worth.
    let largest = grad.clone().abs().max().clamp_min(1e-30);
    let scale = largest.clone().recip() * LARGEST;
    (grad * scale.reshape([1; D]), Scale(Some(largest / LARGEST)))
}

impl<B: Backend> Scale<B> {
    /// Gives the result for the gradient at its own size.
    pub(crate) fn undo<const D: usize>(&self, computed: Tensor<B, D>) -> Tensor<B, D> {
        match &self.0 {
            None => computed,
            Some(scale) => computed * scale.clone().reshape([1; D]),
        }
    }
}

/// The nearest number that the format has, ties to even, in f32.
#[cfg(feature = "cpu")]
pub(crate) fn rounded(value: f32, to: Precision) -> f32 {
    // The last bits of the 23 of an f32's mantissa go.
    let lost = match to {
        Precision::F32 => return value,
        Precision::F16 => return f16::from_f32(value).to_f32(),
        Precision::Tf32 => 13,
        Precision::Bf16 => 16,
    };
    let bits = value.to_bits();
    // Adding half of what they can hold, less one where the lowest bit that stays is even, rounds.
    let up = (1 << (lost - 1)) - 1 + ((bits >> lost) & 1);
    if value.is_nan() { value } else { f32::from_bits(bits.wrapping_add(up) >> lost << lost) }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{Precision, rounded};

    #[test]
    fn it_is_set_for_a_while_on_one_thread() {
        Precision::Bf16.within(|| {
            assert_eq!(Precision::current(), Precision::Bf16);
            std::thread::spawn(|| assert_eq!(Precision::current(), Precision::F32)).join().unwrap();
            Precision::F32.within(|| assert_eq!(Precision::current(), Precision::F32));
            assert_eq!(Precision::current(), Precision::Bf16);
        });
        std::panic::catch_unwind(|| Precision::Bf16.within(|| panic!("in the middle"))).unwrap_err();
        assert_eq!(Precision::current(), Precision::F32);
    }

    #[test]
    fn rounding_is_to_the_nearest_and_ties_to_even() {
        for (value, expected) in [
            (1.0, 1.0),
            (-3.140_625, -3.140_625),
            // Eight bits of mantissa: 1 + 2^-7 is the next after 1.
            (1.0 + 0.003, 1.0),
            (1.0 + 0.005, 1.007_812_5),
            // Halfway: to the even one.
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (f32::MAX, f32::INFINITY),
            (0.0, 0.0),
        ] {
            assert_eq!(rounded(value, Precision::Bf16), expected, "{value}");
        }
        // Eleven bits: 1 + 2^-10 is the next after 1.
        for (value, expected) in [
            (1.0 + 1.0 / 1024.0, 1.0 + 1.0 / 1024.0),
            (-1.0 - 0.9 / 1024.0, -1.0 - 1.0 / 1024.0),
            (1.0 + 1.0 / 2048.0, 1.0),
            (1.0 + 3.0 / 2048.0, 1.0 + 2.0 / 1024.0),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(rounded(value, Precision::Tf32), expected, "{value}");
        }
        for (value, expected) in [
            (1.0 + 1.0 / 1024.0, 1.0 + 1.0 / 1024.0),
            (1.0 + 1.0 / 2048.0, 1.0),
            (1e-8, 0.0),
            (7e4, f32::INFINITY),
        ] {
            assert_eq!(rounded(value, Precision::F16), expected, "{value}");
        }
        for to in [Precision::F32, Precision::Tf32, Precision::Bf16, Precision::F16] {
            assert!(rounded(f32::NAN, to).is_nan());
            assert_eq!(rounded(f32::NEG_INFINITY, to), f32::NEG_INFINITY);
        }
        assert_eq!(rounded(0.1, Precision::F32), 0.1);
    }
}
