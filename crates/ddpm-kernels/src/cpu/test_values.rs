//! Numbers for the kernels' tests.

/// Numbers in [-1, 1) that depend on the position in a way that no layout mistake survives.
pub(super) fn values(len: usize, seed: u32) -> Vec<f32> {
    let value = |i: usize| {
        let mixed =
            (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)).rotate_left(13);
        (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(value).collect()
}

/// Every number is within 1e-5 of the largest.
pub(super) fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference <= 1e-5 * scale, "{what}: {found} instead of {expected} at {i}");
    }
}
