//! Defaults of options that data sets of pictures share, for serde.

/// Channels: red, green, blue.
pub(in crate::dataset) fn three() -> usize {
    3
}

/// Whether a number is left out of a configuration.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(in crate::dataset) fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// The share of each class that is held out.
pub(in crate::dataset) fn a_fifth() -> f64 {
    0.2
}
