//! Random features for tests.

use keyed_random::{Key, Purpose};
use rand::Rng;
use rand_distr::StandardNormal;

use crate::features::FeatureMatrix;

/// Rows from a Gaussian with independent features.
pub(crate) fn gaussian_rows(rows: usize, width: usize, scale: f32, shift: f32, seed: u64) -> FeatureMatrix {
    let key = Key::new(seed, Purpose::named("test features"));
    let row = |i| key.rng(i).sample_iter::<f32, _>(StandardNormal).take(width);
    let data = (0..rows as u64).flat_map(row).map(|z| shift + scale * z).collect();
    FeatureMatrix::new(width, data).expect("finite")
}
